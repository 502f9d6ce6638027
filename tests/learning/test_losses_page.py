"""The loops of docs/losses.md run as they are written."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="needs the extra train")

PAGE = (Path(__file__).parents[2] / "docs" / "losses.md").read_text()


def loop(title: str) -> str:
    """Give the code under a heading."""
    part = PAGE.split(f"\n## {title}", 1)[1]
    return re.search(r"```python\n(.*?)```", part, re.DOTALL)[1]


def test_a_plain_loop_learns():
    names: dict = {}
    exec(compile(loop("A plain loop"), "losses.md", "exec"), names)
    assert names["accuracy"] > 0.9


def test_two_workers_agree_on_the_loss(tmp_path):
    (tmp_path / "train.py").write_text(loop("DistributedDataParallel"))
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
        "train.py",
    ]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = dict(re.findall(r"rank (\d) loss (\d+\.\d{6})", done.stdout))
    assert told["0"] == told["1"]


@pytest.mark.parametrize(("title", "package"), [("Lightning", "lightning"), ("accelerate", "accelerate")])
def test_loops_of_other_libraries_run(title, package):
    pytest.importorskip(package, reason=f"needs the package {package}")
    exec(compile(loop(title), "losses.md", "exec"), {})
