"""Code as tokens without its names, so that a copy with other names, values and comments is still the same."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tellapart.corpus.code.languages import Language
from tellapart.corpus.code.parsing import parse

if TYPE_CHECKING:
    from tellapart.corpus.code.parsing import Parsed

NAME, TEXT, NUMBER = "name", "text", "number"
"""What stands for any identifier, any string or character, and any number."""

_NAMES = re.compile(r"identifier|^(?:variable_)?name$|^word$|^constant$|^simple_symbol$")
_TEXTS = re.compile(r"string|char|regex|heredoc|template")
_NUMBERS = re.compile(r"integer|float|number|decimal")
_PIECES = re.compile(
    r"""(?P<text>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')|(?P<word>[^\W\d]\w*)|(?P<number>\d[\w.]*)|\S"""
)


def normalised_tokens(text: str, language: Language | None) -> tuple[list[str], NDArray[np.int64]]:
    """Give the tokens of a text and where each starts (code points, ascending).

    Comments and docstrings are left out; identifiers, texts and numbers all look alike, as in clones of type 2
    (Roy and Cordy 2007). A language without a grammar is cut by a pattern: there words stay as they are.
    """
    parsed = parse(text, language)
    found = _leaves(parsed) if parsed else [(_plain(each), each.start()) for each in _PIECES.finditer(text)]
    return [token for token, _ in found], np.array([start for _, start in found], np.int64)


def _plain(match: re.Match[str]) -> str:
    return {"text": TEXT, "number": NUMBER}.get(match.lastgroup or "", match.group())


def _leaves(parsed: Parsed) -> list[tuple[str, int]]:
    found = []
    cursor = parsed.tree.walk()
    going = True
    while going:
        node = cursor.node
        assert node is not None
        kind = node.type
        whole = node.is_named and ("comment" in kind or _TEXTS.search(kind) is not None)
        if not whole and cursor.goto_first_child():
            continue
        if node.end_byte > node.start_byte and (token := kind_of_token(kind, node.is_named)):
            start = parsed.source.position(node.start_byte)
            if start >= 0 and not (token is TEXT and stands_alone(node.parent)):
                found.append((token, start))
        while not cursor.goto_next_sibling():
            if not cursor.goto_parent():
                going = False
                break
    return found


def kind_of_token(kind: str, named: bool) -> str:
    """Say what a token counts as: NAME, TEXT, NUMBER, "" for a comment, else the type of its node."""
    if not named:
        return kind
    if "comment" in kind:
        return ""
    if _NAMES.search(kind):
        return NAME
    if _TEXTS.search(kind):
        return TEXT
    return NUMBER if _NUMBERS.search(kind) else kind


def stands_alone(parent: object) -> bool:
    """Whether a text is a whole statement, which is how Python documents."""
    return getattr(parent, "type", "") == "expression_statement" and getattr(parent, "child_count", 0) == 1
