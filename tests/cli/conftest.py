"""Shared by the tests of the command line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def indexed(corpus: Path, tmp_path: Path, call: Callable[..., tuple[int, str, str]]) -> Path:
    """An index of the small corpus with vectors."""
    code, _, err = call("index", corpus, "--index", tmp_path / "my.idx", "--encoder", "lsa")
    assert code == 0, err
    return tmp_path / "my.idx"
