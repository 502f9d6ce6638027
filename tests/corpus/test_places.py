from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tellapart.corpus.document import Document, Granularity, Kind
from tellapart.corpus.places import Place, offset_of_line, place_of
from tellapart.corpus.units import split


def document(text, path="a.txt", **places):
    return Document(path, text, Kind.PROSE, path=path, places=places)


def test_lines_of_a_text_are_those_of_its_file():
    found = place_of(document("one\ntwo\n\nthree\n"), 4, 14)
    assert found == Place(lines=(2, 4))
    assert str(found) == "lines 2-4"


def test_mapped_lines_are_those_on_disk():
    made = document("# Head\n\nfirst\nsecond", line=((0, 12), (8, 30), (14, 31)))
    assert place_of(made, 8, 20).lines == (30, 31)
    assert offset_of_line(made, 30) == 8
    assert offset_of_line(made, 25) == 0
    assert offset_of_line(made, 1) == 0


def test_pages_cells_and_headings_need_no_lines():
    made = document("ab cd", page=((0, 1), (3, 2)))
    assert place_of(made, 0, 5) == Place(pages=(1, 2))
    assert str(place_of(made, 3, 5)) == "page 2"
    assert str(place_of(document("ab cd", cell=((0, 4),)), 0, 2)) == "cell 4"
    assert str(place_of(document("ab cd", heading=((0, "Install > Linux"),)), 0, 2)) == "Install > Linux"


cell = st.text(st.sampled_from('a,"\n '), max_size=6)


@given(st.lists(st.tuples(cell, cell), min_size=1, max_size=6))
def test_rows_are_those_that_a_spreadsheet_shows(rows):
    written = io.StringIO()
    out = csv.writer(written, lineterminator="\n", quoting=csv.QUOTE_ALL)
    starts = []
    for row in rows:
        starts.append(written.tell())
        out.writerow(row)
    made = document(written.getvalue(), "table.csv")
    for number, (start, end) in enumerate(zip(starts, [*starts[1:], written.tell()], strict=True), start=1):
        assert place_of(made, start, end).rows == (number, number)


@pytest.mark.parametrize(
    ("path", "text", "names"),
    [
        (
            "a.py",
            "# Copyright\n# Licence\n\nimport os\n\n\ndef f():\n    return 1\n\n\nX = 3\n",
            ["block", "function", "block"],
        ),
        ("a.toml", '[tool]\nkey = "value"\n', ["block"]),
        ("a.py", "class A:\n    x = 1\n\n    def m(self):\n        pass\n", ["block", "function"]),
    ],
)
def test_code_that_is_no_function_is_a_block(path, text, names):
    tree = split(Document(path, text, Kind.CODE, path=path))
    level = tree.levels[Granularity.FUNCTION]
    assert [tree.name_of(Granularity.FUNCTION, i) for i in range(len(level.starts))] == names
    assert tree.name_of(Granularity.FILE, 0) == "file"


def test_a_class_level_without_classes_is_a_block_and_prose_has_none():
    tree = split(Document("a.py", "def f():\n    return 1\n", Kind.CODE, path="a.py"))
    assert tree.name_of(Granularity.CLASS, 0) == "block"
    prose = split(Document("a", "A sentence.", Kind.PROSE))
    assert prose.name_of(Granularity.SENTENCE, 0) == "sentence"
