"""Shared by the tests of the command line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tellapart.cli.app import run

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    """Run a verb in this process: exit code, standard output, standard error."""

    def calling(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return calling


@pytest.fixture
def indexed(corpus: Path, tmp_path: Path, call: Call) -> Path:
    """An index of the small corpus with vectors."""
    code, _, err = call("index", corpus, "--index", tmp_path / "my.idx", "--encoder", "lsa")
    assert code == 0, err
    return tmp_path / "my.idx"
