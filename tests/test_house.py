"""The rooms, and the folders inside them, import one way only; a name means one thing."""

from __future__ import annotations

import ast
from collections import Counter, defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "src" / "tellapart"
ROOMS = (
    "errors",
    "arguments",
    "caches",
    "progress",
    "public",
    "pages",
    "corpus",
    "encoders",
    "index",
    "rankers",
    "engine",
    "experiments",
    "scores",
    "metrics",
    "learning",
    "identities",
    "serving",
    "cluster",
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


def test_folders_inside_a_room_import_one_way():
    folders = {file.rpartition("/")[0] for file in FILES if file.count("/") > 1}
    arrows: dict[str, set[str]] = defaultdict(set)
    for file in FILES:
        own = file.rpartition("/")[0]
        for node in ast.walk(ast.parse((ROOT / file).read_text())):
            if own in folders and isinstance(node, ast.ImportFrom) and node.module:
                path = node.module.removeprefix("tellapart.").replace(".", "/")
                arrows[own] |= {each for each in folders - {own} if f"{path}/".startswith(f"{each}/")}
    for folder in sorted(folders):
        reached, left = set(), set(arrows[folder])
        while left:
            each = left.pop()
            reached.add(each)
            left |= arrows[each] - reached
        assert folder not in reached, f"{folder} is imported by what it imports"


def test_no_class_name_occurs_twice():
    names = Counter(
        node.name
        for file in FILES
        for node in ast.walk(ast.parse((ROOT / file).read_text()))
        if isinstance(node, ast.ClassDef)
    )
    assert [name for name, count in names.items() if count > 1] == []


def test_every_constant_says_why():
    """'Our choice' is no reason: a constant is derived, measured, cited, or said not to be measured."""
    unexplained = [
        file for file in FILES if "our choice" in " ".join((ROOT / file).read_text().lower().split())
    ]
    assert unexplained == []
