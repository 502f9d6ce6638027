"""The lines that are shown of a hit."""

from __future__ import annotations

import pytest

from tellapart.cli.snippets import WIDTH, printable, snippet
from tellapart.corpus.document import Kind

LONG = "def process(data):\n" + "".join(f"    step_{n} = data + {n}\n" for n in range(40))
LONG += '    raise RuntimeError("warp core breach")\n'


def test_the_lines_that_match_are_shown():
    shown = snippet(LONG, 3, query="warp core breach", kind=Kind.CODE)
    assert shown == [
        "…",
        "step_38 = data + 38",
        "step_39 = data + 39",
        'raise RuntimeError("warp core breach")',
    ]
    assert snippet(LONG, 2, kind=Kind.CODE) == ["def process(data):", "    step_0 = data + 0", "…"]


def test_words_that_match_are_marked():
    (line,) = snippet("The roses, and a rose.", 1, query="rose", mark=lambda word: f"[{word}]")
    assert line == "The [roses], and a [rose]."


def test_a_long_line_is_cut_around_its_match():
    (line,) = snippet("x " * 500 + "the warp core " + "y " * 500, 1, query="warp")
    assert line.startswith("…")
    assert "warp" in line
    assert len(line) <= WIDTH + 2


@pytest.mark.parametrize(
    "text", ["10\u00a0km", "\u3000全角", "می\u200cخواهم", "👩\u200d🚀", "soft\u00adhyphen"]
)
def test_blanks_and_joiners_stay(text):
    assert printable(text) == text
    assert snippet(text, 1)[0].strip() == text.strip()


@pytest.mark.parametrize("text", ["\x1b[2J", "\x9b2J", "a\x07", "\u202egnp.exe", "\ud800"])
def test_a_document_cannot_steer_the_terminal(text):
    assert "\ufffd" in printable(text)
    assert not set(printable(text)) & set("\x1b\x9b\x07\u202e")
