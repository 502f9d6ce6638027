"""A network of one's own, and two workers that share the centres."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra train")
pytest.importorskip("onnx", reason="needs the extra train")

from tellapart import load_encoder  # noqa: E402
from tellapart.learning import train_encoder  # noqa: E402
from tellapart.learning.training.options import TrainingOptions  # noqa: E402

OPTIONS = TrainingOptions(dim=8, steps=3, identities=8, samples=2, check_every=3)


def test_a_network_of_ones_own_becomes_an_encoder(some_glyphs, tmp_path):
    body = torch.nn.Sequential(torch.nn.AvgPool2d(2), torch.nn.Flatten(), torch.nn.Linear(64, 8))
    done = train_encoder(body, some_glyphs, tmp_path / "e", options=replace(OPTIONS))
    assert done.judgement is not None
    vectors = load_encoder(f"folder:{tmp_path / 'e'}").encode_images(some_glyphs.images)
    assert vectors.shape == (len(some_glyphs.labels), 8)


@pytest.mark.slow
def test_two_workers_train_a_network_and_share_its_centres(some_glyphs, tmp_path):
    np.savez(tmp_path / "g.npz", images=some_glyphs.images, labels=some_glyphs.labels)
    told = ["g.npz", "--device", "cpu", "--size", "16", "--grey", "--sample-rate", ".5", "--batch", "32"]
    told += ["--steps", "4", "--dim", "8", "--output", "e"]
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*start, "-m", "tellapart.learning", *told],
        cwd=tmp_path,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert load_encoder(f"folder:{tmp_path / 'e'}").dim == 8
