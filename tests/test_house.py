"""The rooms import one way only."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "src" / "tellapart"
ROOMS = (
    "errors",
    "progress",
    "pages",
    "corpus",
    "encoders",
    "index",
    "rankers",
    "engine",
    "experiments",
    "scores",
    "learning",
    "identities",
    "serving",
    "cli",
)
LONGEST = 360
"""Lines of a file: more is a hall."""

FILES = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*.py"))


def room_of(module: str) -> str:
    return module.split(".")[1] if module.count(".") else ""


@pytest.mark.parametrize("file", [file for file in FILES if file not in ("__init__.py", "__main__.py")])
def test_imports_go_one_way(file):
    room = file.split("/")[0].removesuffix(".py")
    assert room in ROOMS, f"{file} stands in no room"
    for node in ast.walk(ast.parse((ROOT / file).read_text())):
        names = []
        if isinstance(node, ast.ImportFrom):
            assert not node.level, f"{file}: relative import"
            names = [node.module or ""]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            if name.startswith("tellapart."):
                assert ROOMS.index(room_of(name)) <= ROOMS.index(room), f"{file} imports {name}"


@pytest.mark.parametrize("file", FILES)
def test_no_file_becomes_a_hall(file):
    assert len((ROOT / file).read_text().splitlines()) <= LONGEST
