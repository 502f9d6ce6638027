"""Words of a published index: postings are fetched for the terms that are asked for, and scored here.

Shipping them and not scoring in SQL is what makes any k1 and b, the statistics of several granularities and the spread
over all units cost nothing more. It is also many times as fast as one statement over a table of (term, unit, tf)
(docs/benchmarks/postgres.md).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from tellapart.corpus.document import Granularity
from tellapart.index.lexical.characters import is_unspaced
from tellapart.index.lexical.segment import Postings
from tellapart.index.lexical.variants import keys as other_keys
from tellapart.index.postgres.database import Database, Row
from tellapart.index.postgres.servers import Servers

LEVELS: tuple[Granularity, ...] = tuple(Granularity)
"""Numbered as `postings.level` is."""

_LONGEST_TERM = 1024
"""Bytes of a term in the tables: an index of PostgreSQL takes no more than 2,700."""

_NO_LARGE = np.zeros((0, 2), np.int64)
_NO_LENGTHS = np.zeros(0, np.int32)


def term_key(term: bytes) -> bytes:
    """Give a term as the tables have it: one too long for them ends with a hash of the whole."""
    if len(term) <= _LONGEST_TERM:
        return term
    return term[: _LONGEST_TERM - 16] + blake2b(term, digest_size=16).digest()


def _key(term: str) -> bytes:
    return term_key(term.encode("utf-8", "surrogatepass"))


@dataclass(frozen=True, slots=True)
class LevelCounts:
    """Of one granularity of a segment: its units, their lengths summed, the postings of all terms."""

    units: int
    length: int
    postings: int


class TermLoader:
    """Fetches postings for all segments and all granularities in use at once, from all servers.

    Each server has those of its own documents; together they are the list that one server would have.
    """

    def __init__(self, servers: Servers) -> None:
        self.servers = servers
        self.segments: dict[int, PublishedTerms] = {}
        self._levels: set[Granularity] = set()

    def use(self, level: Granularity) -> None:
        """Fetch postings of one more granularity from now on; what is known of terms lacks those."""
        if level not in self._levels:
            self._levels.add(level)
            for segment in self.segments.values():
                segment.forget()

    def load(self, terms: Sequence[str]) -> None:
        """Fetch terms, and their other spellings, in two statements."""
        asked = list(dict.fromkeys(terms))
        spelled: dict[str, dict[int, list[bytes]]] = {}
        for term in asked:
            spelled[term] = {
                number: [_key(term), *sorted(_key(other) for other in other_keys(term, segment.languages))]
                for number, segment in self.segments.items()
            }
        wanted = sorted({key for each in spelled.values() for keys in each.values() for key in keys})
        under: dict[tuple[int, bytes], list[bytes]] = defaultdict(list)
        rows = self._rows(
            "SELECT segment, spelling, term FROM spellings WHERE segment = ANY(%s) AND spelling = ANY(%s)",
            (list(self.segments), wanted),
        )
        for segment, spelling, term in rows:
            under[segment, spelling].append(term)
        starting = [_key(term) for term in asked if len(term) == 1 and is_unspaced(term)]
        self._fetch(sorted({*wanted, *(row[2] for row in rows)}), starting)
        for number, reader in self.segments.items():
            for term in asked:
                keys = spelled[term][number]
                others = {*keys[1:], *(found for key in keys for found in under.get((number, key), ()))}
                reader.learn(term, keys[0], others - {keys[0]})

    def _fetch(self, words: Sequence[bytes], starting: Sequence[bytes]) -> None:
        levels = [LEVELS.index(level) for level in self._levels]
        rows = self._rows(
            "SELECT segment, level, term, units, frequencies, large FROM postings"
            " WHERE segment = ANY(%s) AND level = ANY(%s) AND term = ANY(%s)",
            (list(self.segments), levels, list(words)),
        )
        for first in starting:
            rows += self._rows(
                "SELECT segment, level, term, units, frequencies, large FROM postings"
                " WHERE segment = ANY(%s) AND level = ANY(%s) AND term >= %s AND term < %s",
                (list(self.segments), levels, first, first + b"\xff"),
            )
        lists: dict[tuple[int, int, bytes], list[Postings]] = defaultdict(list)
        for segment, level, term, units, frequencies, large in rows:
            lists[segment, level, term].append(
                Postings(
                    np.array([0, len(frequencies)], np.int64),
                    np.frombuffer(units, "<i4"),
                    np.frombuffer(frequencies, np.uint8),
                    np.frombuffer(large, "<i8").reshape(-1, 2) if large else _NO_LARGE,
                    _NO_LENGTHS,
                )
            )
        for (segment, level, term), parts in lists.items():
            self.segments[segment].keep(LEVELS[level], term, merged(parts))

    def _rows(self, statement: str, values: Sequence[object]) -> list[Row]:
        found = self.servers.gather(lambda _, database: database.rows(statement, values))
        return [row for rows in found.values() for row in rows]


def merged(parts: Sequence[Postings]) -> Postings:
    """Merge postings of one term, each with units of its own."""
    if len(parts) == 1:
        return parts[0]
    units = np.concatenate([part.rows for part in parts])
    order = np.argsort(units, kind="stable")
    firsts = np.cumsum([0, *(len(part.rows) for part in parts[:-1])])
    large = np.concatenate(
        [part.large + np.array([first, 0]) for part, first in zip(parts, firsts, strict=True)]
    )
    if len(large):
        places = np.empty(len(units), np.int64)
        places[order] = np.arange(len(units))
        large = np.stack([places[large[:, 0]], large[:, 1]], axis=1)
        large = large[np.argsort(large[:, 0])]
    frequencies = np.concatenate([part.frequencies for part in parts])[order]
    return Postings(np.array([0, len(units)], np.int64), units[order], frequencies, large, _NO_LENGTHS)


class PublishedTerms:
    """The vocabulary of a published segment, as far as it was asked for; terms get numbers as they are met."""

    def __init__(
        self,
        loader: TermLoader,
        segment: int,
        languages: tuple[str, ...],
        counts: Mapping[Granularity, LevelCounts],
    ) -> None:
        self._loader = loader
        self.segment = segment
        self._languages = languages
        self.counts = counts
        self._numbers: dict[bytes, int] = {}
        self._terms: list[bytes] = []
        self._exact: dict[str, bytes] = {}
        self._others: dict[str, list[int]] = {}
        self._levels: dict[Granularity, PublishedPostings] = {}
        loader.segments[segment] = self

    @property
    def languages(self) -> tuple[str, ...]:
        """Languages other than English that many of the documents are written in."""
        return self._languages

    def units(self, granularity: Granularity) -> int:
        """Count the units of one granularity, 0 if it is not in here."""
        return self.counts[granularity].units if granularity in self.counts else 0

    def total_length(self, granularity: Granularity) -> int:
        """Sum the lengths of all units of one granularity."""
        return self.counts[granularity].length if granularity in self.counts else 0

    def postings(self, granularity: Granularity) -> PublishedPostings:
        """Give the postings of one granularity."""
        if granularity not in self._levels:
            self._loader.use(granularity)
            self._levels[granularity] = PublishedPostings(self, granularity, self._loader.servers.first)
        return self._levels[granularity]

    def prepare(self, terms: Sequence[str]) -> None:
        """Fetch what is not known yet, together for all segments."""
        if unknown := [term for term in terms if term not in self._exact]:
            self._loader.load(unknown)

    def find(self, term: str) -> int | None:
        """Give the number of a term, None if no unit has it."""
        self.prepare([term])
        return self._numbers.get(self._exact[term])

    def starting_with(self, beginning: str) -> list[int]:
        """Give the numbers of the terms that begin with one character, in their order."""
        self.prepare([beginning])
        first = _key(beginning)
        return [self._numbers[term] for term in sorted(self._numbers) if term.startswith(first)]

    def variants(self, term: str) -> list[int]:
        """Give the numbers of the terms that are other spellings of a term, itself aside, in their order."""
        self.prepare([term])
        return self._others[term]

    def keep(self, level: Granularity, term: bytes, postings: Postings) -> None:
        """Remember what was fetched."""
        number = self._numbers.setdefault(term, len(self._numbers))
        self.postings(level).known[number] = postings

    def learn(self, term: str, exact: bytes, others: set[bytes]) -> None:
        """Remember a term and the other terms that it stands for."""
        self._exact[term] = exact
        self._others[term] = [self._numbers[other] for other in sorted(others) if other in self._numbers]

    def forget(self) -> None:
        """Ask again for every term: postings of another granularity are wanted, too."""
        self._exact.clear()
        self._others.clear()


class PublishedPostings:
    """The postings of one granularity of a published segment, as far as they were asked for."""

    def __init__(self, terms: PublishedTerms, level: Granularity, database: Database) -> None:
        self._terms = terms
        self._level = level
        self._database = database
        self.known: dict[int, Postings] = {}

    def __len__(self) -> int:
        """Count the postings of all terms, fetched or not."""
        return self._terms.counts[self._level].postings if self._level in self._terms.counts else 0

    @cached_property
    def lengths(self) -> NDArray[np.int32]:
        """Words of each unit (units,)."""
        data = array_data(self._database, self._terms.segment, f"lengths-{self._level}")
        return np.frombuffer(data, "<i4")

    def of(self, term: int) -> tuple[Postings, int, int]:
        """Give the postings of a term."""
        found = self.known.get(term, _NOTHING)
        return found, 0, len(found)


_NOTHING = Postings(
    np.zeros(2, np.int64), np.zeros(0, np.int32), np.zeros(0, np.uint8), _NO_LARGE, _NO_LENGTHS
)


def array_data(database: Database, segment: int, name: str) -> bytes:
    """Fetch an array of a segment; nothing where it has none."""
    row = database.row("SELECT data FROM arrays WHERE segment = %s AND name = %s", (segment, name))
    return b"" if row is None else bytes(row[0])
