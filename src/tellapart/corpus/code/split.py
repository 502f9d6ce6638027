"""From source code to its containment tree: functions within classes within the file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from tellapart.corpus.code import cuts
from tellapart.corpus.code.cuts import behind_space
from tellapart.corpus.code.definitions import Definition, Definitions, Role
from tellapart.corpus.code.languages import LANGUAGES, Language
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


class Mark(NamedTuple):
    """A place where a unit starts.

    `certain` marks start a definition, the others follow one. `whole` units are never cut.
    """

    start: int
    label: str
    certain: bool
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Outline:
    """Where units start at the two levels, not yet sorted or made distinct."""

    classes: list[Mark] = field(default_factory=list)
    functions: list[Mark] = field(default_factory=list)


def outline(definitions: Definitions, text: str) -> Outline:
    """Choose the definitions that become units and draw their borders."""
    return _Sweep(definitions, text, Outline()).run()


_AFTER = re.compile(r"[^\S\n]*[;,)\]}]*[^\S\n]*")
_CLOSERS = re.compile(
    r"(?:[\s;,)\]}]|(?:@?end|#[^\S\n]*endif)\b(?=[^\S\n]*[;,)\]}]*[^\S\n]*(?:$|#|--|//|/\*)))*", re.MULTILINE
)
"""What closes things around a definition and belongs to the unit before: brackets, a lone `end`, `#endif`."""


@dataclass(slots=True)
class _Open:
    """A class that the sweep is in."""

    end: int
    name: str


@dataclass(slots=True)
class _Sweep:
    """One pass over the definitions in the order of the text."""

    definitions: Definitions
    text: str
    result: Outline
    open: list[_Open] = field(default_factory=list)
    border: int = 0
    """Nothing may be taken from before this: the last border drawn."""
    function_end: int = 0
    last: tuple[str, Role, int] | None = None
    """Label, role and depth of the function before, for merging."""

    def run(self) -> Outline:
        for each, wrap in self._wrapped():
            while self.open and self.open[-1].end <= each.start:
                self._leave()
            if each.start < self.function_end:
                continue
            if each.role is Role.CLASS:
                self._enter(each, wrap)
            elif self._counts(each):
                self._function(each, wrap)
        while self.open:
            self._leave()
        return self.result

    def _wrapped(self) -> Iterator[tuple[Definition, tuple[int, int]]]:
        """Each definition with its span, widened to the statement around it if that holds nothing else."""
        wraps = iter(self.definitions.wraps)
        wrap = next(wraps, None)
        for each in self.definitions.found:
            start, end = each.start, each.end
            while wrap is not None and wrap[0] <= each.start:
                if wrap[1] >= each.end and self._after(each.end) >= wrap[1]:
                    start, end = min(start, wrap[0]), max(end, wrap[1])
                wrap = next(wraps, None)
            yield each, (start, end)

    def _counts(self, each: Definition) -> bool:
        if each.role is Role.MEMBER:
            return bool(self.open)
        return each.role is not Role.LONG or "\n" in self.text[each.start : each.end]

    def _label(self, name: str) -> str:
        return ".".join([*(outer.name for outer in self.open[1:]), name])

    def _enter(self, each: Definition, span: tuple[int, int]) -> None:
        self.last = None
        if not self.open:
            start = self._start(span[0])
            self.result.classes.append(Mark(start, each.name, certain=True))
            self.border = start
        elif "\n" in self.text[each.start : each.end]:
            start = self._start(span[0])
            self.result.functions.append(Mark(start, self._label(each.name), certain=True))
            self.border = start
        else:
            return  # a nested class on one line is a field of the class around it
        self.open.append(_Open(span[1], each.name))

    def _leave(self) -> None:
        closed = self.open.pop()
        self.last = None
        marks = self.result.functions if self.open else self.result.classes
        marks.append(self._following(closed.end))

    def _function(self, each: Definition, span: tuple[int, int]) -> None:
        label = self._label(each.name)
        self.function_end = span[1]
        start = self._start(span[0])
        continues = (
            self.last is not None and self.last[:2] == (label, Role.PART) and self.last[2] == len(self.open)
        )
        if continues and self._adjoins(start):
            self.result.functions.pop()  # the mark after the part before
        else:
            self.result.functions.append(Mark(start, label, certain=True, whole=True))
        self.result.functions.append(self._following(span[1]))
        self.last = (label, each.role, len(self.open))

    def _adjoins(self, start: int) -> bool:
        return behind_space(self.text, self.border, start) >= start

    def _start(self, start: int) -> int:
        """Take in the rest of the line before a definition and the comments and attributes directly above it."""
        line = self.text.rfind("\n", self.border, start) + 1
        if line or self.border == 0:
            start = behind_space(self.text, max(line, self.border), start)
        while True:
            above = self._above(start)
            if above is None or above < self.border:
                return start
            start = above

    def _above(self, start: int) -> int | None:
        """Start of the attribute or comment that ends right before `start`."""
        end = start
        while end > self.border and self.text[end - 1].isspace():
            end -= 1
        if (lead := self.definitions.leads.get(end)) is not None:
            return lead
        comment = self.definitions.comments.get(end)
        if comment is None or self.text.count("\n", end, start) > 1:
            return None
        line = self.text.rfind("\n", 0, comment) + 1
        return comment if self.text[line:comment].isspace() or line == comment else None

    def _after(self, end: int) -> int:
        """Position behind the brackets and commas that follow on the same line."""
        match = _AFTER.match(self.text, end)
        return match.end() if match else end

    def _following(self, end: int) -> Mark:
        """The mark after a definition: behind what closes it and what is around it, comments on their lines too."""
        position = end
        while match := _CLOSERS.match(self.text, position):
            space = len(match.group()) - len(match.group().rstrip())
            comment = self.definitions.trailing.get(match.end())
            if comment is None or "\n" in self.text[match.end() - space : match.end()]:
                position = match.end()
                break
            position = comment
        self.border = max(self.border, end)
        return Mark(position, "", certain=False)
