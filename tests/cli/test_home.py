"""Which index a path stands for: its own, the one around it, or a new one."""

from __future__ import annotations

import json
import os
import sqlite3
from pathlib import Path

import pytest

from tellapart.index.home import find_home


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A project with two folders and one that its rules leave out."""
    root = tmp_path / "project"
    for name, text in {
        "docs/guide.md": "# Guide\n\nRoses need water in summer.\n",
        "docs/it's [new]/faq.md": "# Questions\n\nHow often do roses need water?\n",
        "src/garden.py": "def water(roses):\n    return [rose.drink() for rose in roses]\n",
        "vendor/other.md": "# Vendored\n\nRoses of somebody else.\n",
        ".gitignore": "vendor/\n",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.fixture
def project(tree, call) -> Path:
    assert call("index", tree, "--encoder", "none")[0] == 0
    return tree


def documents(call, *arguments: object) -> set[str]:
    code, out, err = call("search", "roses water", "--json", *arguments)
    assert code == 0, err
    return {hit["document"] for hit in json.loads(out)["hits"]}


def test_a_search_in_a_subfolder_uses_the_index_around_it_and_finds_only_what_lies_below(project, call):
    everything = documents(call, project)
    assert everything == {"docs/guide.md", "docs/it's [new]/faq.md", "src/garden.py"}
    assert documents(call, project / "docs") == {"docs/guide.md", "docs/it's [new]/faq.md"}
    assert documents(call, project / "docs/it's [new]") == {"docs/it's [new]/faq.md"}
    assert documents(call, project / "src/garden.py") == {"src/garden.py"}
    assert not list((project / "docs").rglob(".tellapart"))
    assert not (project / "src" / ".tellapart").exists()


def test_the_current_folder_counts_where_no_path_is_named(project, call, monkeypatch):
    monkeypatch.chdir(project / "docs")
    assert documents(call) == {"docs/guide.md", "docs/it's [new]/faq.md"}
    assert documents(call, "..") == documents(call, project)
    assert documents(call, "--index", project / ".tellapart") == documents(call, project)
    assert documents(call, "../src", "--index", project / ".tellapart") == {"src/garden.py"}


def test_a_new_file_below_is_found_and_a_new_folder_belongs_to_the_index_around_it(project, call):
    (project / "notes").mkdir()
    (project / "notes" / "new.md").write_text("Roses and water.\n")
    assert documents(call, project / "notes") == {"notes/new.md"}
    assert not (project / "notes" / ".tellapart").exists()


def test_what_the_index_around_does_not_read_gets_one_of_its_own(project, call):
    assert documents(call, project / "vendor") == {"other.md"}
    assert (project / "vendor" / ".tellapart").is_dir()


def test_a_link_stands_for_what_it_points_to(project, tmp_path, call):
    (tmp_path / "link").symlink_to(project / "docs")
    assert documents(call, tmp_path / "link") == documents(call, project / "docs")


def test_several_sources_and_their_parts(tree, tmp_path, call):
    index = tmp_path / "my.idx"
    assert call("index", tree / "docs", tree / "src", "--index", index, "--encoder", "none")[0] == 0
    assert documents(call, tree / "src", "--index", index) == {"src/garden.py"}
    assert documents(call, tree, "--index", index) == documents(call, "--index", index)
    code, _, err = call("search", "roses", tree / "vendor", "--index", index)
    assert code == 2
    assert f"does not hold {tree / 'vendor'}" in err


def test_index_in_a_part_brings_the_whole_up_to_date_and_changes_no_id(project, call):
    before = documents(call, project)
    (project / "docs" / "late.md").write_text("Water for late roses.\n")
    code, _, err = call("index", project / "docs")
    assert code == 0
    assert str(project / ".tellapart") in err
    assert documents(call, project) == before | {"docs/late.md"}
    assert call("index", project / "docs", "--index", project / ".tellapart")[0] == 0
    assert documents(call, project) == before | {"docs/late.md"}


def test_verbs_that_take_the_whole_index_say_so_and_clear_refuses(project, call, monkeypatch):
    monkeypatch.chdir(project / "docs")
    code, out, _ = call("status")
    assert code == 0
    assert str(project / ".tellapart") in out
    code, _, err = call("export", "--output", project / "out")
    assert "all of this index counts" in err
    code, _, err = call("clear")
    assert code == 2
    assert "removes the one around it" in err
    assert (project / ".tellapart").is_dir()
    code, out, _ = call("related", "guide.md:3", "--json")
    assert code == 0


@pytest.mark.parametrize("place", ["home", "above", "root"])
def test_home_and_root_are_never_indexed_unasked(place, tree, call, monkeypatch):
    monkeypatch.setenv("HOME", str(tree))
    path = {"home": tree, "above": tree.parent, "root": Path("/")}[place]
    if place != "root" or os.access("/", os.W_OK):
        code, out, err = call("search", "roses", path)
        assert (code, out) == (2, "")
        assert "--yes" in err
        assert err.count("\n") == 1
        assert not (path / ".tellapart").exists()
    if place == "home":
        assert documents(call, tree, "--yes")
        assert documents(call, tree)  # it has an index now: nobody is asked again
        monkeypatch.chdir(tree / "docs")
        assert documents(call) == {"docs/guide.md", "docs/it's [new]/faq.md"}


def test_a_folder_of_the_home_folder_is_indexed_as_ever(tree, call, monkeypatch):
    monkeypatch.setenv("HOME", str(tree))
    assert documents(call, tree / "docs")
    assert find_home(None, tree / "docs").folder == tree / "docs" / ".tellapart"


@pytest.mark.parametrize("verb", [("index",), ("search", "roses")])
def test_an_index_of_another_version_is_made_anew_and_one_line_says_so(project, call, verb):
    with sqlite3.connect(project / ".tellapart" / "store.sqlite") as store:
        store.execute("UPDATE meta SET value = '1' WHERE key = 'analyser'")
    code, _, err = call("search", "roses", project, "--no-refresh")
    assert code == 2
    assert "analyser" in err
    code, _, err = call(*verb, project)
    assert code == 0, err
    assert len([line for line in err.splitlines() if "another version of tellapart" in line]) == 1
    code, out, err = call("search", "roses", project, "--no-refresh")
    assert (code, "another version" in err, "guide.md" in out) == (0, False, True)
