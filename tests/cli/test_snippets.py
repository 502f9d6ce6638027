"""The lines that are shown of a hit."""

from __future__ import annotations

import pytest

from tellapart.cli.app import run
from tellapart.corpus.document import Kind
from tellapart.engine.snippets import WIDTH, chosen_lines, printable
from tellapart.engine.snippets import snippet as laid_out


def snippet(text, count, *, mark=str, **asked):
    """Choose lines and lay them out."""
    return laid_out(chosen_lines(text, count, **asked), mark=mark)


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


def test_a_match_stands_in_the_middle_with_the_others_near_it():
    rows = [f"row {n}" for n in range(20)]
    rows[9] = "the comet"
    assert snippet("\n".join(rows), 3, query="comet")[1:-1] == ["row 8", "the comet", "row 10"]
    rows[10] = rows[11] = "a comet again"
    assert snippet("\n".join(rows), 3, query="comet")[1:-1] == rows[9:12]


def test_words_that_match_are_marked():
    (line,) = snippet("The roses, and a rose.", 1, query="rose", mark=lambda word: f"[{word}]")
    assert line == "The [roses], and a [rose]."


FILLED = "".join(f"Filler line number {n}.\n" for n in range(30))


@pytest.mark.parametrize(
    ("query", "line", "marked"),
    [
        ("cafe", "Le café crème", "café"),
        ("strasse", "die Straße dort", "Straße"),
        ("obrien", "said O’Brien then", "O’Brien"),
        ("25000", "some 25 000 people", "25 000"),
        ("25,000", "some 25.000 people", "25.000"),
        ("海", "北京大学位于海淀区", "海"),
        ("海淀", "北京大学位于海淀区", "海淀"),
    ],
)
def test_lines_are_shown_that_match_by_another_spelling(query, line, marked):
    (*_, shown) = snippet(FILLED + line + "\n", 1, query=query, mark=lambda word: f"[{word}]")
    assert shown == line.replace(marked, f"[{marked}]")


def test_lines_are_shown_that_match_by_a_stem_of_their_language():
    filler = "Das ist nicht so, und es wird auch nicht anders.\n" * 30
    (*_, shown) = snippet(filler + "Die alten Häuser\n", 1, query="Hauses", mark=lambda word: f"[{word}]")
    assert shown == "Die alten [Häuser]"


@pytest.mark.parametrize("operator", ["<<", "//", "...", "=="])
def test_lines_with_an_operator_are_shown(operator):
    code = "def f(a, b):\n" + "    a = 1\n" * 30 + f"    b = a {operator} b\n" + "    a = 2\n"
    shown = snippet(code, 1, query=operator, kind=Kind.CODE, mark=lambda word: f"[{word}]")
    assert f"b = a [{operator}] b" in shown


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


def test_lines_in_which_an_expression_matches_are_shown_and_marked():
    shown = snippet(LONG, 2, pattern=r"step_1\d\b", kind=Kind.CODE, mark=lambda match: f"[{match}]")
    assert shown == ["…", "[step_10] = data + 10", "[step_11] = data + 11", "…"]
    assert (
        snippet(LONG, 1, query="process", pattern="warp core", kind=Kind.CODE)[1]
        == 'raise RuntimeError("warp core breach")'
    )


def test_a_match_over_lines_is_marked_in_each():
    text = "first\n    alpha(\n      beta\n    )\nlast\n"
    assert snippet(text, 2, pattern=r"alpha\(\s+beta", mark=lambda match: f"[{match}]") == [
        "…",
        "[alpha(]",
        "  [beta]",
        "…",
    ]


def test_a_line_that_is_asked_for_is_shown_with_its_number():
    lines = chosen_lines("\n\n" + LONG, 3, line=20, kind=Kind.CODE)
    assert laid_out(lines, numbered_from=101)[1:-1] == [
        "120: step_18 = data + 18",
        "121: step_19 = data + 19",
        "122: step_20 = data + 20",
    ]
    assert laid_out(chosen_lines(LONG, 2, line=0)) == ["def process(data):", "    step_0 = data + 0", "…"]


def test_of_a_name_the_line_that_defines_it_is_shown(tmp_path, capsys):
    body = "".join(f"    open_valve_count = valve.open({n})\n    assert open_valve_count\n" for n in range(9))
    (tmp_path / "valve.py").write_text(
        f"# open_valve is slow\ndef open_valve(valve):\n{body}    return valve\n"
    )
    assert run(["search", "open_valve", str(tmp_path), "--lines", "1"]) == 0
    assert "def open_valve(valve):" in capsys.readouterr().out
