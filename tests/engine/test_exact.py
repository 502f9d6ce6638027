"""Exact things: regular expressions, paths, stack traces and pasted code."""

from __future__ import annotations

import pytest

from tellapart.engine import Index
from tellapart.engine.regex import words_of_pattern
from tellapart.errors import TellapartError

FILES = {
    "app/views.py": (
        "def render_page(name):\n    return open_page(name)\n\n\ndef render_list(items):\n    return items\n"
    ),
    "app/pages.py": "class Pages:\n    def open_page(self, name):\n        raise KeyError(name)\n",
    "app/util.py": "RETRIES = 3\n\n\ndef open_file(name):\n    return name\n",
    "tests/test_views.py": "def test_render_page():\n    render_page(1); render_page(2)\n",
    "README.md": "# App\n\nCall render_page to see a page. Version 1.2.3.\n",
}


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    folder = tmp_path_factory.mktemp("exact")
    for name, text in FILES.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    opened = Index.build([folder], folder / ".tellapart", encoders=())
    yield opened
    opened.close()


def test_a_pattern_finds_every_unit_it_matches_and_no_other(index):
    hits = index.search(regex=r"def render_\w+", k=50)
    assert {(hit.path, hit.text.split("(")[0]) for hit in hits} == {
        ("app/views.py", "def render_page"),
        ("app/views.py", "def render_list"),
    }
    assert [hit.components["matches"] for hit in hits] == [1, 1]


def test_the_indent_lines_a_method_up_as_in_its_file(index):
    (hit,) = index.search(regex="raise KeyError", granularity="function")
    assert hit.indent + hit.text == FILES["app/pages.py"].partition("\n")[2]
    assert hit.to_dict()["indent"] == "    "


def test_a_pattern_without_words_finds_its_matches_too(index):
    assert [hit.path for hit in index.search(regex=r"\d\.\d\.\d")] == ["README.md"]
    scores = [hit.score for hit in index.search(regex=r"[a-z]", k=50)]
    assert scores == sorted(scores, reverse=True)
    assert len(scores) > 5
    assert all(0 <= score <= 1 for score in scores), "a perfect match has no negative score"


def test_a_pattern_restricts_a_query(index):
    hits = index.search("render a page", regex=r"^def ", k=50)
    assert hits[0].path == "app/views.py"
    assert all("def " in hit.text for hit in hits)
    assert "README.md" not in {hit.path for hit in hits}


def test_conditions_hold_for_patterns(index):
    hits = index.search(regex="render_page", where="path like 'tests/%'")
    assert {hit.path for hit in hits} == {"tests/test_views.py"}


@pytest.mark.parametrize("pattern", ["(", "", "a{99999999999}", "[z-a]"])
def test_a_broken_pattern_is_one_line(index, pattern):
    with pytest.raises(TellapartError, match="regular expression"):
        index.search(regex=pattern)


def test_a_pattern_beside_examples_is_refused(index):
    with pytest.raises(TellapartError, match="leave out one"):
        index.search(regex="x", like="README.md")


def test_words_of_patterns():
    assert words_of_pattern(r"def parse_\w+\(") == "def parse_"
    assert words_of_pattern(r"\bFoo\.bar\b").split() == ["Foo.bar"] or "Foo" in words_of_pattern(
        r"\bFoo\.bar\b"
    )
    assert words_of_pattern(r"\d+") == r"\d+"


@pytest.mark.parametrize("path", ["app/util.py", "util.py", "./app/util.py", "/home/me/project/app/util.py"])
def test_a_path_finds_its_file(index, path):
    assert index.search(path)[0].path == "app/util.py"


def test_a_stack_trace_finds_where_it_failed_first(index):
    trace = (
        "Traceback (most recent call last):\n"
        '  File "/srv/app/views.py", line 2, in render_page\n    return open_page(name)\n'
        '  File "/srv/app/pages.py", line 3, in open_page\n    raise KeyError(name)\n'
        "KeyError: 'home'\n"
    )
    hits = index.search(trace)
    assert [hits[0].path, hits[1].path] == ["app/pages.py", "app/views.py"]
    assert "def open_page" in hits[0].text
    assert "def render_page" in hits[1].text


def test_pasted_code_finds_where_it_stands(index):
    assert index.search("def open_file(name):\n    return name\n")[0].path == "app/util.py"
