"""One document as the sources of queries see it: its units, and what its code defines and says in comments."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tellapart.corpus.code.definitions import Role
from tellapart.corpus.code.languages import Language
from tellapart.corpus.code.parsing import Parsed, parse
from tellapart.corpus.code.split import language_of
from tellapart.corpus.document import LEVELS, ContainmentTree, Document, Granularity, Kind
from tellapart.experiments.synthetic.phrases import LETTERS
from tellapart.experiments.synthetic.queries import Span
from tellapart.index.store import StoredDocument

PYTHON = "python"

REST_WORDS = 8
"""Words that must be left of a unit when what the query was made from is blanked: with fewer the
unit says too little to be found by. Not measured: at 16 more short functions are left out."""

OWN_NAME = re.compile(r"[^\W\d]\w*$")


@dataclass(frozen=True, slots=True)
class FunctionUnit:
    """A unit of the level `function` that holds one: the unit's span, the definition's own, and its name."""

    unit: Span
    start: int
    end: int
    name: str


@dataclass(frozen=True, slots=True)
class Comment:
    """Consecutive comments on lines of their own."""

    start: int
    end: int


class Material:
    """A document with what several sources need of it, found once."""

    def __init__(self, stored: StoredDocument, seed: int) -> None:
        self.number = stored.number
        self.document: Document = stored.document
        self.tree: ContainmentTree = stored.tree
        self.seed = seed

    @property
    def is_code(self) -> bool:
        """Whether the document's units are functions rather than paragraphs."""
        return self.tree.kind is Kind.CODE

    @property
    def whole(self) -> Span:
        """Span of the document."""
        return 0, len(self.document.text)

    def unit_at(self, level: Granularity, offset: int) -> Span:
        """Span of the unit that holds a character."""
        return self.tree.span(level, self.tree.at(level, offset))

    def around(self, span: Span) -> Span | None:
        """Span of the smallest unit above the finest level that says something beside a span of it."""
        for level in LEVELS[self.tree.kind][1:]:
            unit = self.unit_at(level, span[0])
            if span[1] <= unit[1] and self.says_more(unit, span):
                return unit
        return None

    def says_more(self, unit: Span, *without: Span) -> bool:
        """Whether a unit holds enough words outside some spans of it."""
        left = 0
        for match in LETTERS.finditer(self.document.text, *unit):
            left += not any(start <= match.start() < end for start, end in without)
            if left >= REST_WORDS:
                return True
        return False

    @property
    def finest(self) -> Granularity:
        """The level of units that stand for themselves."""
        return Granularity.FUNCTION if self.is_code else Granularity.PARAGRAPH

    def some_units(self, count: int) -> list[Span]:
        """Draw some of the paragraphs or functions that say enough."""
        units = [unit for unit in self.tree.spans(self.finest) if self.says_more(unit)]
        drawn = np.random.default_rng([self.seed, self.number]).permutation(len(units))[:count]
        return [units[place] for place in sorted(drawn.tolist())]

    @cached_property
    def language(self) -> Language | None:
        """The programming language, None for prose and where it is not known."""
        return language_of(self.document) if self.is_code else None

    @cached_property
    def parsed(self) -> Parsed | None:
        """The syntax tree, None where the language has no grammar."""
        return parse(self.document.text, self.language)

    @property
    def documents_inside(self) -> bool:
        """Whether the language has docstrings inside functions, so that a comment above is but a comment."""
        return self.language is not None and self.language.name == PYTHON

    @cached_property
    def functions(self) -> list[FunctionUnit]:
        """Units that begin with a function, in the order of the text; nested functions are not among them."""
        return list(self._functions())

    def _functions(self) -> Iterator[FunctionUnit]:
        if self.parsed is None:
            return
        labels = self.tree.levels[Granularity.FUNCTION].labels
        seen: set[int] = set()
        for each in self.parsed.definitions.found:
            if each.role in (Role.CLASS, Role.SECTION):
                continue
            ordinal = self.tree.at(Granularity.FUNCTION, each.start)
            own = OWN_NAME.search(each.name)
            if ordinal in seen or not own or not labels[ordinal].endswith(each.name):
                continue
            seen.add(ordinal)
            yield FunctionUnit(
                self.tree.span(Granularity.FUNCTION, ordinal), each.start, each.end, own.group()
            )

    @cached_property
    def function_of_unit(self) -> dict[int, FunctionUnit]:
        """Functions by the start of their unit."""
        return {function.unit[0]: function for function in self.functions}

    @cached_property
    def comments(self) -> list[Comment]:
        """Comments on lines of their own, those on consecutive lines joined."""
        if self.parsed is None:
            return []
        text = self.document.text
        joined: list[Comment] = []
        for end, start in sorted(self.parsed.definitions.comments.items(), key=lambda each: each[1]):
            line = text.rfind("\n", 0, start) + 1
            if text[line:start].strip():
                continue
            between = text[joined[-1].end : start] if joined else "-"
            if not between.strip() and between.count("\n") <= 1:
                joined[-1] = Comment(joined[-1].start, end)
            else:
                joined.append(Comment(start, end))
        return joined
