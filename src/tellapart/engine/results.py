"""What a search returns."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import overload

import numpy as np

from tellapart.corpus.places import lines
from tellapart.corpus.types import LEVELS, Granularity
from tellapart.engine.configuration import Configuration
from tellapart.engine.request import SearchRequest
from tellapart.errors import TellapartError
from tellapart.index.store import StoredDocument
from tellapart.rankers.types import Certificate

HASH_BYTES = 5
"""40 bits tell the units of one document apart: two of a million would share them once in two."""

IDENTIFIER = re.compile(
    r"(?P<document>.*)#(?P<granularity>[a-z]+):(?P<hash>[0-9a-f]{10})(?:-(?P<copy>\d+))?", re.DOTALL
)


@dataclass(frozen=True, slots=True)
class Hit:
    """One unit found; `score` orders hits of one search and means nothing beyond that.

    `span` counts code points of the document's text, end exclusive; `lines` count from 1, inclusive;
    `probability`, None where scores are not calibrated, is that of the hit being relevant, for code that
    of its file; `components` says what the score was made of.
    """

    rank: int
    id: str
    document: str
    path: str | None
    granularity: Granularity
    span: tuple[int, int]
    lines: tuple[int, int]
    score: float
    probability: float | None
    text: str
    components: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SearchResult(Sequence[Hit]):
    """Hits, best first, with the configuration that found them and why it was chosen.

    `notes` says what a user should know about the answer. `certificates` hold, by granularity, what an
    exact solver proved of its ranking.
    """

    request: SearchRequest
    configuration: Configuration
    why: str
    hits: tuple[Hit, ...]
    notes: tuple[str, ...] = ()
    certificates: tuple[Certificate, ...] = ()

    def __iter__(self) -> Iterator[Hit]:
        return iter(self.hits)

    def __len__(self) -> int:
        return len(self.hits)

    @overload
    def __getitem__(self, position: int) -> Hit: ...

    @overload
    def __getitem__(self, position: slice) -> tuple[Hit, ...]: ...

    def __getitem__(self, position: int | slice) -> Hit | tuple[Hit, ...]:
        return self.hits[position]


def unit_ids(stored: StoredDocument, granularity: Granularity) -> list[str]:
    """Name the units of one level so that the names survive changes elsewhere in the document.

    A whole document goes by its own id; a smaller unit by a hash of its text, numbered where the same
    text comes again.
    """
    document = stored.document
    if granularity is LEVELS[stored.tree.kind][-1]:
        return [document.id]
    seen: Counter[str] = Counter()
    names = []
    for start, end in stored.tree.spans(granularity):
        name = f"{document.id}#{granularity}:{_hash(document.text[start:end])}"
        seen[name] += 1
        names.append(name if seen[name] == 1 else f"{name}-{seen[name]}")
    return names


def unit_id(stored: StoredDocument, granularity: Granularity, ordinal: int) -> str:
    """Name one unit as `unit_ids` does, without hashing all the others."""
    document, level = stored.document, stored.tree.levels[granularity]
    if granularity is LEVELS[stored.tree.kind][-1]:
        return document.id
    start, end = stored.tree.span(granularity, ordinal)
    text = document.text[start:end]
    lengths = np.diff(level.starts[: ordinal + 1])
    same = level.starts[:ordinal][lengths == end - start].tolist()
    copies = 1 + sum(document.text.startswith(text, at) for at in same)
    name = f"{document.id}#{granularity}:{_hash(text)}"
    return name if copies == 1 else f"{name}-{copies}"


def parse_unit_id(identifier: str) -> tuple[str, Granularity] | None:
    """Document id and granularity of a unit's id; None where it is the id of a whole document."""
    match = IDENTIFIER.fullmatch(identifier)
    if not match or match["granularity"] not in set(Granularity):
        return None
    return match["document"], Granularity(match["granularity"])


def make_hit(
    rank: int,
    stored: StoredDocument,
    granularity: Granularity,
    ordinal: int,
    score: float,
    components: Mapping[str, float],
    probability: float | None = None,
) -> Hit:
    """Fill in everything a person or program needs to use a unit."""
    if ordinal >= len(stored.tree.levels[granularity].starts):
        raise TellapartError(
            f"{stored.document.id!r} has no {granularity} number {ordinal}: run 'tellapart index' again"
        )
    document = stored.document
    start, end = stored.tree.span(granularity, ordinal)
    return Hit(
        rank=rank,
        id=unit_id(stored, granularity, ordinal),
        document=document.id,
        path=document.path,
        granularity=granularity,
        span=(start, end),
        lines=lines(document.text, start, end),
        score=score,
        probability=probability,
        text=document.text[start:end],
        components=components,
    )


def _hash(text: str) -> str:
    return blake2b(text.encode(), digest_size=HASH_BYTES).hexdigest()
