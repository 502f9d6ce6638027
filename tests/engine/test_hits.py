"""Units that say next to nothing are held back behind those that answer."""

from __future__ import annotations

import pytest

from tellapart.engine import Index
from tellapart.engine.hits import HELD_BACK

README = """# Colors

$ colors_

(styling-with-colors)=

[colors]: https://example.org/colors/

Colors are set with style, which takes the name of a colour for the text and one for the background.

Run it like this:

    colors --help

颜色由样式设置,文字和背景各取一个名称。
"""


@pytest.fixture
def opened(tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "README.md").write_text(README)
    (tmp_path / "docs" / "short.md").write_text("Colors.\n")
    with Index.build(tmp_path / "docs", tmp_path / "my.idx", encoders=()) as index:
        yield index


def test_an_anchor_a_link_and_a_prompt_come_after_what_says_something(opened):
    hits = list(opened.search("colors"))
    assert "takes the name of a colour" in next(h.text for h in hits if h.document == "README.md")
    held = [hit for hit in hits if HELD_BACK in hit.components]
    assert held
    assert all(hit.score == pytest.approx(hit.components["bm25"] * hit.components[HELD_BACK]) for hit in held)
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    assert [hit.rank for hit in hits] == list(range(1, len(hits) + 1))


def test_a_short_document_of_its_own_is_as_short_as_it_should_be(opened):
    short = next(hit for hit in opened.search("colors") if hit.document == "short.md")
    assert HELD_BACK not in short.components


def test_scripts_without_spaces_say_as_much_in_a_line(opened):
    (hit,) = opened.search("颜色")
    assert HELD_BACK not in hit.components


@pytest.mark.parametrize("wish", [{"ranker": "bm25"}, {"granularity": "sentence"}, {"regex": "colors"}])
def test_what_somebody_asked_for_by_name_is_left_as_it_is(opened, wish):
    assert not any(HELD_BACK in hit.components for hit in opened.search("colors", **wish))


def test_a_file_of_code_is_shown_by_a_block_that_says_something(tmp_path):
    code = "import colors\n\n\ndef paint(wall):\n    return wall\n\n\ncolors = 1\n\n\ndef pick_colors(name, shade):\n"
    (tmp_path / "a.py").write_text(code + "    return (name, shade, 'colors')\n")
    (tmp_path / "b.py").write_text("def other():\n    return 2\n")
    index = Index.build([tmp_path / "a.py", tmp_path / "b.py"], tmp_path / "my.idx", encoders=())
    found = index.search("colors")
    assert found.configuration.ranker == "structure"
    assert found[0].unit == "function"
    index.close()


@pytest.mark.parametrize("files", [1, 2, 3, 10, 11, 12, 19])
def test_copies_of_code_are_one_hit_however_many_there_are(tmp_path, files):
    (tmp_path / "src").mkdir()
    for number in range(files):
        (tmp_path / "src" / f"part{number}.py").write_text("def open_door(key):\n    return key.turn()\n")
    (tmp_path / "src" / "other.py").write_text("def close_door(key):\n    return key.turn()\n")
    with Index.build(tmp_path / "src", tmp_path / "my.idx", encoders=()) as index:
        for k in (1, 2, files, files + 1, 30):
            hits = index.search("open door", k=k)
            assert len({hit.text for hit in hits}) == len(hits) == min(k, 2)
            assert sum(1 + len(hit.copies) for hit in hits) <= files + 1
        assert sum(1 + len(hit.copies) for hit in hits) == files + 1
