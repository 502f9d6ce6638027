"""A run from the command line: it learns, survives kill -9, goes on with other workers, and tells mistakes."""

import json
import os
import socket
import subprocess
import sys
import time

import numpy as np
import pytest

arrow = pytest.importorskip("pyarrow", reason="needs the extra 'train'")
torch = pytest.importorskip("torch", reason="needs the extra 'train'")

import pyarrow.parquet as parquet  # noqa: E402

from tellapart.learning import __main__ as command  # noqa: E402
from tellapart.learning.centres.checkpoint import load  # noqa: E402
from tellapart.learning.centres.workers import Workers  # noqa: E402

CLASSES = 300
SETTINGS = ["--classes", str(CLASSES), "--batch", "60", "--learning-rate", "4", "--hold-out", "200"]


@pytest.fixture(scope="module")
def identities(tmp_path_factory):
    draw = np.random.default_rng(0)
    prototypes = draw.normal(size=(CLASSES, 16))
    prototypes /= np.linalg.norm(prototypes, axis=1, keepdims=True)
    labels = np.repeat(np.arange(CLASSES), 8)
    vectors = prototypes[labels] + 0.08 * draw.normal(size=(len(labels), 16))
    path = tmp_path_factory.mktemp("ids") / "ids.parquet"
    table = arrow.table({"vector": list(vectors.astype(np.float32)), "label": labels})
    parquet.write_table(table, path, row_group_size=500)
    return path


def run(identities, output, *more):
    return command.main([str(identities), "--output", str(output), *SETTINGS, *more])


def reports(text):
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


@pytest.mark.parametrize(
    "more",
    [
        [],
        ["--sample-rate", "0.3"],
        ["--sample-rate", "0.3", "--rule", "dense"],
        ["--sample-rate", "0.5", "--corrected", "--head", "identity", "--objective", "arcface"],
        ["--objective", "normface", "--scale", "20", "--sub-centres", "2"],
    ],
    ids=" ".join,
)
def test_rank_1_on_unseen_samples_rises_far_above_chance(identities, tmp_path, capsys, more):
    assert run(identities, tmp_path, "--steps", "120", "--validate-every", "60", "--json", *more) == 0
    told = [report for report in reports(capsys.readouterr().out) if report["rank1"] is not None]
    assert [report["step"] for report in told] == [0, 60, 120]
    first, middle, last = (report["rank1"] for report in told)
    assert first < 0.05 < middle < last + 0.05
    assert last > 0.8
    assert told[0]["loss"] is None


def test_an_interrupted_run_takes_the_same_steps(identities, tmp_path):
    more = ["--sample-rate", "0.3", "--save-every", "5"]
    run(identities, tmp_path / "whole", "--steps", "12", *more)
    run(identities, tmp_path / "parts", "--steps", "5", *more)
    # what a killed writer leaves behind is not read
    (tmp_path / "parts" / "step-000000009.partial").mkdir()
    run(identities, tmp_path / "parts", "--steps", "12", *more)
    whole, parts = (load(tmp_path / name / "step-000000012", Workers()) for name in ("whole", "parts"))
    assert torch.equal(whole.weight, parts.weight)
    assert torch.equal(whole.momentum, parts.momentum)
    for name in ("tensors.safetensors",):
        files = [tmp_path / run_ / "step-000000012" / name for run_ in ("whole", "parts")]
        assert files[0].read_bytes() == files[1].read_bytes()
    assert [path.name for path in (tmp_path / "whole").iterdir()] == ["step-000000012"]


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["--batch", "0"], "--batch 0"),
        (["--sample-rate", "2"], "sample rate 2"),
        (["--classes", "7"], "raise --classes"),
        (["--objective", "softmax", "--learning-rate", "1e30"], "lower the learning rate"),
    ],
)
def test_mistakes_are_one_line(identities, tmp_path, capsys, more, told):
    assert run(identities, tmp_path, "--steps", "9", *more) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("Error: ")
    assert told in error


def test_a_run_told_otherwise_does_not_go_on(identities, tmp_path, capsys):
    run(identities, tmp_path, "--steps", "2")
    assert run(identities, tmp_path, "--steps", "4", "--seed", "1") == 2
    assert "trained with seed 0, not 1" in capsys.readouterr().err


def test_a_run_over_other_data_does_not_go_on(identities, tmp_path, capsys):
    run(identities, tmp_path / "out", "--steps", "2")
    table = parquet.read_table(identities)
    parquet.write_table(table.slice(0, len(table) - 1), tmp_path / "other.parquet", row_group_size=500)
    assert run(tmp_path / "other.parquet", tmp_path / "out", "--steps", "4") == 2
    assert "trained on other data" in capsys.readouterr().err
    (tmp_path / "out" / "step-000000002" / "state.json").unlink()
    assert run(identities, tmp_path / "out", "--steps", "4") == 2
    assert "lacks state.json" in capsys.readouterr().err


def started(count, identities, output, *more):
    """Start the workers that torchrun would start, one process each."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command_line = [
        sys.executable,
        "-m",
        "tellapart.learning",
        identities,
        "--output",
        output,
        *SETTINGS,
        *more,
    ]
    meet = {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "WORLD_SIZE": str(count),
        "OMP_NUM_THREADS": "1",
    }
    return [
        subprocess.Popen(
            command_line,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | meet | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
        )
        for rank in range(count)
    ]


def finished(processes):
    told = [process.communicate(timeout=120) for process in processes]
    assert all(process.returncode == 0 for process in processes), told
    return reports(told[0][0])


@pytest.mark.slow
def test_killed_on_two_workers_and_resumed_on_three(identities, tmp_path):
    more = ["--save-every", "20", "--validate-every", "1000", "--json"]
    parts = tmp_path / "parts"
    killed = started(2, identities, parts, "--steps", "1000000", *more)
    deadline = time.monotonic() + 60
    while not list(parts.glob("step-*0")) and time.monotonic() < deadline:
        time.sleep(0.01)
    for process in killed:
        process.kill()
        process.communicate()
    reached = max(int(path.name.split("-")[1]) for path in parts.glob("step-*") if not path.suffix)
    target = reached + 20
    resumed = finished(started(3, identities, parts, "--steps", str(target), *more))
    assert [report["step"] for report in resumed if report["rank1"] is not None] == [reached, target]
    folder = parts / f"step-{target:09d}"
    assert len(list(folder.glob("centres-*-of-00003.safetensors"))) == 3
    # another number of workers adds in another order: equal up to rounding, amplified by the steps
    run(identities, tmp_path / "whole", "--steps", str(target))
    whole = load(tmp_path / "whole" / f"step-{target:09d}", Workers())
    torch.testing.assert_close(whole.weight, load(folder, Workers()).weight, rtol=1e-3, atol=1e-3)
