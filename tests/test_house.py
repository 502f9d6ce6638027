"""The rooms, and the folders inside them, import one way only; a name means one thing."""

from __future__ import annotations

import ast
from collections import Counter, defaultdict
from collections.abc import Iterator
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

FILES = {path.relative_to(ROOT).as_posix(): path.read_text() for path in sorted(ROOT.rglob("*.py"))}


@pytest.fixture(scope="module")
def trees() -> dict[str, ast.Module]:
    return {file: ast.parse(text) for file, text in FILES.items()}


def room_of(module: str) -> str:
    return module.split(".")[1] if module.count(".") else ""


def imported(tree: ast.Module) -> Iterator[str]:
    """Modules that a file imports, inside functions too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def test_imports_go_one_way(trees):
    wrong = []
    for file in trees.keys() - {"__init__.py", "__main__.py"}:
        room = file.split("/")[0].removesuffix(".py")
        assert room in ROOMS, f"{file} stands in no room"
        own = [name for name in imported(trees[file]) if name.startswith(("tellapart.", "."))]
        wrong += [
            (file, name)
            for name in own
            if name.startswith(".") or ROOMS.index(room_of(name)) > ROOMS.index(room)
        ]
    assert not wrong


def test_what_is_imported_is_there(trees):
    """Imports inside functions too, which no test may reach."""
    known = {
        f"tellapart.{file.removesuffix('.py').replace('/', '.').removesuffix('.__init__')}" for file in trees
    }
    known |= {"tellapart", *(module.rpartition(".")[0] for module in known)}
    wanted = {(file, name) for file, tree in trees.items() for name in imported(tree)}
    assert {
        (file, name) for file, name in wanted if name.startswith("tellapart.") and name not in known
    } == set()


def test_no_file_becomes_a_hall():
    assert [file for file, text in FILES.items() if len(text.splitlines()) > LONGEST] == []


def test_folders_inside_a_room_import_one_way(trees):
    folders = {file.rpartition("/")[0] for file in FILES if file.count("/") > 1}
    arrows: dict[str, set[str]] = defaultdict(set)
    for file, tree in trees.items():
        own = file.rpartition("/")[0]
        if own in folders:
            for name in imported(tree):
                path = name.removeprefix("tellapart.").replace(".", "/")
                arrows[own] |= {each for each in folders - {own} if f"{path}/".startswith(f"{each}/")}
    for folder in sorted(folders):
        reached, left = set(), set(arrows[folder])
        while left:
            each = left.pop()
            reached.add(each)
            left |= arrows[each] - reached
        assert folder not in reached, f"{folder} is imported by what it imports"


def test_no_class_name_occurs_twice(trees):
    names = Counter(
        node.name for tree in trees.values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)
    )
    assert [name for name, count in names.items() if count > 1] == []


def test_every_constant_says_why():
    """'Our choice' is no reason: a constant is derived, measured, cited, or said not to be measured."""
    assert [file for file, text in FILES.items() if "our choice" in " ".join(text.lower().split())] == []
