"""Changes to functions: what they do to the text, and that Python agrees that it is still code."""

from __future__ import annotations

import ast

import pytest

from tellapart.corpus.code.languages import LANGUAGES
from tellapart.corpus.code.mutations import Mutation, mutate, names_in, replaced_names

HARMLESS = {Mutation.RENAME, Mutation.STRIP, Mutation.REFORMAT, Mutation.REORDER}
PYTHON = LANGUAGES["python"]
FUNCTION = '''
    def area(width, height):
        """Multiply."""
        # both are positive
        factor = 2
        offset = height + 1
        if width > offset:
            return width * factor
        return offset
'''


def _doing(text: str, *arguments: int) -> int:
    """Run the only function of a text."""
    scope: dict[str, object] = {}
    exec(compile(ast.parse(text), "<function>", "exec"), scope)
    (function,) = [value for name, value in scope.items() if not name.startswith("__")]
    return int(function(*arguments))  # type: ignore[operator]


@pytest.mark.parametrize("mutation", list(Mutation))
def test_a_change_is_one_to_the_meaning_only_where_it_says_so(mutation: Mutation) -> None:
    changed = mutate(FUNCTION, PYTHON)
    original = mutate(FUNCTION, PYTHON)[Mutation.STRIP]
    inputs = [(9, 3), (1, 3), (5, 4), (4, 3)]
    same = all(_doing(changed[mutation], *each) == _doing(original, *each) for each in inputs)
    assert same == (mutation in HARMLESS)


def test_the_changes_are_what_their_names_say() -> None:
    changed = mutate(FUNCTION, PYTHON)
    assert "area" not in changed[Mutation.RENAME]
    assert "Multiply" in changed[Mutation.RENAME]
    assert "Multiply" not in changed[Mutation.STRIP]
    assert "positive" not in changed[Mutation.STRIP]
    assert changed[Mutation.REORDER].index("offset = ") < changed[Mutation.REORDER].index("factor = ")
    assert "factor = 3" in changed[Mutation.CONSTANT]
    assert "height - 1" in changed[Mutation.OPERATOR]
    assert "if not (width > offset):" in changed[Mutation.CONDITION]


def test_what_cannot_be_changed_soundly_is_left_out() -> None:
    assert mutate("def broken(:", PYTHON) == {}
    assert mutate("free text without a language", None) == {}
    only_a_docstring = 'def f():\n    """Say."""\n'
    assert Mutation.STRIP not in mutate(only_a_docstring, PYTHON)
    assert Mutation.REORDER not in mutate("def f(a):\n    b = a\n    c = b\n    return c\n", PYTHON)
    assert Mutation.REORDER not in mutate("def f(a):\n    b = a()\n    c = 1\n    return c\n", PYTHON)


def test_braces_and_other_names() -> None:
    java = "int larger(int a, int b) { if (a > b) { return a; } return b; }"
    changed = mutate(java, LANGUAGES["java"])
    assert "(!(a > b))" in changed[Mutation.CONDITION]
    assert "a <= b" in changed[Mutation.OPERATOR]
    assert names_in(java, LANGUAGES["java"])[:3] == ["larger", "a", "b"]
    assert replaced_names(java, LANGUAGES["java"], frozenset({"larger"})) == java.replace("larger", "v0")


def test_names_beyond_ascii_keep_their_places() -> None:
    text = "def größe(wert):\n    # müßig\n    return wert + 1\n"
    assert "wert - 1" in mutate(text, PYTHON)[Mutation.OPERATOR]
