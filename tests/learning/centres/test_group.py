"""Sharded over k gloo workers = one process: loss, all gradients, resuming with another number of workers."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="needs the extra 'train'")

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).with_name("group_cases.py")
MOST = {"float64": 1e-10, "float32": 1e-6}
"""Relative to the largest entry, whatever the scale."""


@pytest.fixture(scope="module")
def figures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("group")
    processes = [
        subprocess.Popen(
            [sys.executable, SCRIPT, str(rank), folder],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        for rank in range(4)
    ]
    told = [process.communicate(timeout=300)[0].decode() for process in processes]
    assert all(process.returncode == 0 for process in processes), "\n".join(told)
    return json.loads((folder / "results.json").read_text())


@pytest.mark.parametrize("k", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", MOST)
def test_loss_and_gradients_equal_one_process(figures, k, dtype):
    """Every margin, InfoNCE, even and uneven batches, shards without a class, any chunk."""
    mine = {name: value for name, value in figures.items() if name.startswith(f"k={k} ") and dtype in name}
    assert len(mine) >= 36
    assert {name: value for name, value in mine.items() if value >= MOST[dtype]} == {}


@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_averaged_encoder_gradients_are_k_times_as_large(figures, k):
    assert figures[f"k={k} averaged"] < 1e-12


@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_the_nearest_class_is_found_across_shards(figures, k):
    assert figures[f"k={k} nearest"] == 0


@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_centres_start_alike_on_any_number_of_workers(figures, k):
    assert figures[f"k={k} drawn"] == 0


@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_saved_by_four_resumed_by_k_takes_the_same_next_steps(figures, k):
    assert figures[f"k={k} resumed"] < 1e-6
    assert figures[f"k={k} weight"] < 1e-6
