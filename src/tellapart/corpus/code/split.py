"""From source code to its containment tree: functions within classes within the file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from tellapart.corpus.code import cuts
from tellapart.corpus.code.languages import LANGUAGES, Language
from tellapart.corpus.code.outline import Mark, Outline, outline
from tellapart.corpus.code.parsing import Parsed, parse
from tellapart.corpus.document import ContainmentTree, Document, Granularity, Kind, Level


def split(document: Document) -> ContainmentTree:
    """Find the functions and classes of a document.

    Both levels tile the text. A function's unit begins with the comments, attributes and decorators above it and
    holds the functions nested in it; a class's unit is the outermost class, so that what a reader calls a class stays
    whole. Code between them forms units without a label; where it gets long it is cut between statements. A function
    of a nested class is labelled with the path inside the unit of its class (`Inner.method`), and the head of a
    nested class with that class's name. White space belongs to the unit before.

    Never raises: what cannot be parsed is split by blank lines and indentation.
    """
    text = document.text
    parsed = parse(text, language_of(document))
    found = outline(parsed.definitions, text) if parsed else Outline()
    classes = _settled(found.classes, text)
    functions = _settled([*_fixed(classes), *found.functions], text)
    levels = {
        Granularity.FUNCTION: _level(list(_cut(functions, text, parsed))),
        Granularity.CLASS: _level([(mark.start, mark.label, bool(mark.label)) for mark in classes]),
        Granularity.FILE: _level([(0, "", True)]),
    }
    return ContainmentTree(len(text), Kind.CODE, levels)


def language_of(document: Document) -> Language | None:
    """Find the language of a document by what it says, its path, or its text."""
    name = document.language
    if name is None:
        from tellapart.corpus.recognise import recognise

        name = recognise(document.text, path=document.path, declared=Kind.CODE).language
    return LANGUAGES.get(name) if name else None


_Piece = tuple[int, str, bool]
"""Start and label of a unit, and whether it is what its level is called and no mere block."""


def _level(pieces: list[_Piece]) -> Level:
    starts = np.array([start for start, _, _ in pieces], dtype=np.int32)
    blocks = frozenset(ordinal for ordinal, (_, _, named) in enumerate(pieces) if not named)
    return Level(starts, tuple(label for _, label, _ in pieces), blocks)


def _fixed(marks: Iterable[Mark]) -> Iterator[Mark]:
    """The starts of the class level as starts of the function level, where nothing may move them."""
    return (Mark(mark.start, "", certain=True) for mark in marks)


_WORD = re.compile(r"\w")


def _settled(marks: Iterable[Mark], text: str) -> list[Mark]:
    """One mark for each start, the first at 0; a unit that says nothing stays with the one before it."""
    first = _WORD.search(text)
    lead = first.start() if first else len(text)
    best = {0: Mark(0, "", certain=True)}
    for mark in marks:
        start = 0 if mark.start <= lead else mark.start
        known = best.get(start, mark)
        best[start] = Mark(
            start, mark.label or known.label, mark.certain or known.certain, mark.whole or known.whole
        )
    ordered = [best[start] for start in sorted(best)]
    ends = [mark.start for mark in ordered[1:]] + [len(text)]
    return [
        mark
        for mark, end in zip(ordered, ends, strict=True)
        if mark.certain or _WORD.search(text, mark.start, end)
    ]


def _cut(marks: list[Mark], text: str, parsed: Parsed | None) -> Iterator[_Piece]:
    """Starts with labels, long pieces that are not functions cut."""
    depths: Mapping[int, int] | None = None
    ends = [mark.start for mark in marks[1:]] + [len(text)]
    for mark, end in zip(marks, ends, strict=True):
        yield mark.start, mark.label, mark.whole
        if mark.whole or not cuts.is_long(text, mark.start, end):
            continue
        if depths is None:
            depths = parsed.statements() if parsed else {}
        for start in cuts.cut(text, mark.start, end, cuts.statement_breaks(depths, text, mark.start, end)):
            yield start, "", False
