"""A network of one's own, and two workers that share the centres."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra train")
pytest.importorskip("onnx", reason="needs the extra train")

from tellapart import load_encoder  # noqa: E402
from tellapart.errors import TellapartError  # noqa: E402
from tellapart.learning import train_encoder  # noqa: E402
from tellapart.learning.images.augmenting import Augmentation  # noqa: E402
from tellapart.learning.images.backbones import NetworkSpec  # noqa: E402
from tellapart.learning.images.reading import LabelledImages, Split  # noqa: E402
from tellapart.learning.images.train import train_images  # noqa: E402
from tellapart.learning.training.history import Look  # noqa: E402
from tellapart.learning.training.options import TrainingOptions  # noqa: E402

OPTIONS = TrainingOptions(dim=8, steps=3, identities=8, samples=2, check_every=3)


def test_a_network_of_ones_own_becomes_an_encoder(some_glyphs, tmp_path):
    body = torch.nn.Sequential(torch.nn.AvgPool2d(2), torch.nn.Flatten(), torch.nn.Linear(64, 8))
    done = train_encoder(body, some_glyphs, tmp_path / "e", options=replace(OPTIONS))
    assert done.judgement is not None
    vectors = load_encoder(f"folder:{tmp_path / 'e'}").encode_images(some_glyphs.images)
    assert vectors.shape == (len(some_glyphs.labels), 8)


def test_a_short_run_is_reported_while_it_runs_and_its_average_is_no_collapse(some_glyphs, tmp_path):
    """Running statistics and the average of the weights begin near nothing: that must not look like a dead encoder."""
    seen: list[str] = []
    split = Split(some_glyphs.of_identities(range(16)), some_glyphs.of_identities(range(16, 24)))

    def watch(look: Look) -> None:
        assert look.quality is not None
        seen.extend(look.quality.findings())
        assert "scale in effect" in (tmp_path / "e" / "report.html").read_text()

    options = TrainingOptions(dim=16, width=8, steps=30, identities=8, samples=4, check_every=5)
    train_images(split, options, Augmentation(), tmp_path / "e", watch=watch)
    assert not [finding for finding in seen if "collapse" in finding]
    facts = json.loads((tmp_path / "e" / "training.json").read_text())["facts"]
    assert (facts["scale in effect"], facts["margin in effect"]) == ("24", "0.3")
    assert facts["held out"] == "8 identities, 64 images"


def lit(identities: int, each: int, *, seed: int = 0, size: int = 16) -> LabelledImages:
    """Give patterns, each image lit from a side of its own: raw pixels tell the light."""
    random = np.random.default_rng(seed)
    patterns = np.kron(random.uniform(0.4, 1, (identities, size // 2, size // 2)), np.ones((2, 2)))
    labels = np.repeat(np.arange(identities), each)
    ramp = np.linspace(-1, 1, size)
    across, down = 1.2 * random.normal(size=(2, len(labels), 1, 1))
    light = np.exp(across * ramp[None, None, :] + down * ramp[None, :, None])
    images = 60 * patterns[labels] * light + random.normal(0, 2, (len(labels), size, size))
    names = tuple(map(str, range(identities)))
    sources = tuple(map(str, range(len(labels))))
    return LabelledImages(images.clip(0, 255).astype(np.uint8)[..., None], labels, names, sources)


def test_whitening_learns_from_ten_identities_to_see_through_light(tmp_path):
    data = lit(20, 8)
    split = Split(data.of_identities(range(10)), data.of_identities(range(10, 20)))
    done = train_images(
        split, OPTIONS, Augmentation(), tmp_path / "e", spec=NetworkSpec(16, 1, 64, "whitened")
    )
    assert done is not None
    assert done.judgement is not None
    assert done.judgement.recommended
    assert done.judgement.against_pixels[1].low > 0
    assert "closed form" in done.summary
    vectors = load_encoder(f"folder:{tmp_path / 'e'}").encode_images(data.images[:3])
    assert vectors.shape == (3, 64)


def test_whitening_needs_two_images_of_an_identity(tmp_path):
    split, spec = Split(lit(10, 1), None), NetworkSpec(16, 1, 8, "whitened")
    with pytest.raises(TellapartError, match="two"):
        train_images(split, OPTIONS, Augmentation(), tmp_path / "e", spec=spec)


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
