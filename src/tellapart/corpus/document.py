"""The vocabulary of the corpus: documents, granularities, and the containment tree between them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

Starts = NDArray[np.int32]

Places = Mapping[str, tuple[tuple[int, int | str], ...]]
"""Where the parts of a text stand in its file: for `line`, `page`, `cell` or `heading`, pairs of an offset in the
text (increasing) and what holds from there on. `places.place_of` reads them."""


class Kind(StrEnum):
    """What a document is made of; decides its granularities and how its words are cut."""

    __hash__ = str.__hash__  # an enumeration hashes its name in Python, and both are keys everywhere

    PROSE = "prose"
    CODE = "code"
    IMAGE = "image"


class Granularity(StrEnum):
    """The size of a unit."""

    __hash__ = str.__hash__  # an enumeration hashes its name in Python, and both are keys everywhere

    SENTENCE = "sentence"
    PARAGRAPH = "paragraph"
    SECTION = "section"
    DOCUMENT = "document"
    FUNCTION = "function"
    CLASS = "class"
    FILE = "file"
    IMAGE = "image"


LEVELS: Mapping[Kind, tuple[Granularity, ...]] = MappingProxyType(
    {
        Kind.PROSE: (
            Granularity.SENTENCE,
            Granularity.PARAGRAPH,
            Granularity.SECTION,
            Granularity.DOCUMENT,
        ),
        Kind.CODE: (Granularity.FUNCTION, Granularity.CLASS, Granularity.FILE),
        Kind.IMAGE: (Granularity.IMAGE,),
    }
)
"""The granularities of each kind, finest first; the last one is the whole document."""

KIND_OF: Mapping[Granularity, Kind] = MappingProxyType(
    {granularity: kind for kind, levels in LEVELS.items() for granularity in levels}
)


@dataclass(frozen=True, slots=True)
class Document:
    """A thing as its owner keeps it.

    `id` is unique in the corpus; `path` is what a person is shown (None for a record without a file);
    `language` names a programming language (`python`) or a markup (`markdown`, `rst`), or is None for
    plain prose and images. The text of an image is what its file says about it: its caption and its size; its
    pixels stay in the file, `metadata["content"]` is the hash of that. All offsets anywhere in tellapart are
    code points of `text`. `places` is empty where the lines of the text are those of the file.
    """

    id: str
    text: str
    kind: Kind
    language: str | None = None
    title: str = ""
    path: str | None = None
    metadata: Mapping[str, object] = field(default_factory=dict)
    places: Places = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Level:
    """All units of one granularity in one document.

    `starts` (int32, shape (n,)) is strictly increasing and begins with 0; unit i ends where unit i + 1
    starts and the last one ends with the text. `labels[i]` is the unit's own name where it has one: the
    function's or class's name, the section's heading path ("Install > Linux"), else "". `blocks` are the
    ordinals of the units of code that are no function or class: imports, a licence, a table of settings.
    """

    starts: Starts
    labels: tuple[str, ...]
    blocks: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class ContainmentTree:
    """The units of one document at every granularity of its kind.

    Storing only where units start makes gaps and overlaps impossible; every start of a coarser level is
    also a start of the finer ones, so each unit lies inside exactly one parent.
    """

    length: int
    kind: Kind
    levels: Mapping[Granularity, Level]

    def validate(self) -> None:
        """Raise ValueError unless this is a tree; for tests and after reading from disk."""
        order = LEVELS[self.kind]
        if tuple(self.levels) != order:
            raise ValueError(f"a {self.kind} tree needs the levels {order}, not {tuple(self.levels)}")
        for finer, coarser in itertools.pairwise(order):
            if not np.isin(self.levels[coarser].starts, self.levels[finer].starts).all():
                raise ValueError(f"a {coarser} starts inside a {finer}")
        for granularity, level in self.levels.items():
            self._check(granularity, level)

    def _check(self, granularity: Granularity, level: Level) -> None:
        starts = level.starts
        if len(starts) == 0 or starts[0] != 0 or (np.diff(starts) <= 0).any():
            raise ValueError(f"the {granularity} starts must begin with 0 and increase")
        if self.length and starts[-1] >= self.length:
            raise ValueError(f"a {granularity} starts beyond the text")
        if len(level.labels) != len(starts):
            raise ValueError(f"{len(starts)} {granularity} units but {len(level.labels)} labels")

    def name_of(self, granularity: Granularity, ordinal: int) -> str:
        """What a person calls a unit: its granularity, or `block` for code that is no function or class."""
        return "block" if ordinal in self.levels[granularity].blocks else granularity.value

    def span(self, granularity: Granularity, ordinal: int) -> tuple[int, int]:
        """Start and end (exclusive) of one unit in code points."""
        starts = self.levels[granularity].starts
        end = starts.item(ordinal + 1) if ordinal + 1 < len(starts) else self.length
        return starts.item(ordinal), end

    def spans(self, granularity: Granularity) -> Iterator[tuple[int, int]]:
        """Spans of all units of one level in order."""
        starts = self.levels[granularity].starts.tolist()
        return zip(starts, [*starts[1:], self.length], strict=True)

    def at(self, granularity: Granularity, offset: int) -> int:
        """Ordinal of the unit that holds the character at `offset`."""
        return int(np.searchsorted(self.levels[granularity].starts, offset, side="right")) - 1

    def parent(self, granularity: Granularity, ordinal: int) -> tuple[Granularity, int] | None:
        """The unit one level up, or None for the whole document."""
        order = LEVELS[self.kind]
        position = order.index(granularity)
        if position + 1 == len(order):
            return None
        start = int(self.levels[granularity].starts[ordinal])
        return order[position + 1], self.at(order[position + 1], start)
