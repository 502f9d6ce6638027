"""BM25 over segments: exact, any k1 and b per query, deletions and filters.

Lucene's formula: a unit scores the sum over the query's terms, with repetition, of
ln(1 + (N - df + .5) / (df + .5)) * tf / (tf + k1 (1 - b + b length / average length)).
N, df and the average length count live units only.

Impacts are computed as they are added up, one term at a time, so any k1 and b cost the same and nothing
is kept for them (bench/bm25_speed.py compares that with engines that keep impacts).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tellapart.corpus.document import Granularity, Kind
from tellapart.errors import TellapartError
from tellapart.index.lexical.characters import is_unspaced
from tellapart.index.lexical.reading import LevelPostings, TermPostings, TermReader

K1_PROSE, B_PROSE = 1.5, 0.75
K1_CODE, B_CODE = 1.2, 0.75
"""Defaults per kind; docs/benchmarks/constants.md has what half and twice of them do to prose."""

VARIANT_SHARE = 0.5
"""What another spelling (cafe for café) counts beside the one that was typed: exact matches come first whatever their
length, and a second query word does not decide alone."""

REMEMBERED = 50_000
"""Terms whose place and frequency are kept between queries."""
BATCH_POSTINGS = 1 << 16
"""Postings added up at a time, 1 MB: short lists cost less together. Half and twice make no difference."""

Rows = NDArray[np.int64]
Scores = NDArray[np.float32]
Mask = NDArray[np.bool_]


def defaults(kind: Kind) -> tuple[float, float]:
    """Give k1 and b for one kind of text."""
    return (K1_CODE, B_CODE) if kind is Kind.CODE else (K1_PROSE, B_PROSE)


@dataclass(frozen=True, slots=True)
class _Part:
    """A segment's postings of one granularity and the row of its first unit."""

    segment: TermReader
    postings: LevelPostings
    row: int
    units: int


@dataclass(frozen=True, slots=True)
class _Slice:
    """Postings of one term in one part: from `start` to `end`."""

    part: _Part
    postings: TermPostings
    start: int
    end: int
    share: float = 1.0  # what it counts of the term's weight: less for another spelling

    @property
    def rows(self) -> NDArray[np.int32]:
        """Rows within the part."""
        return self.postings.rows[self.start : self.end]


@dataclass(frozen=True, slots=True)
class _Term:
    """A term of a query; `weight` is its idf times its repetitions, more than one slice can give to any unit."""

    text: str
    weight: float
    slices: tuple[_Slice, ...]


class Bm25:
    """Scores the units of one granularity; rows are the units of all segments in order.

    `alive` (bool, (rows,)) hides deleted units; all statistics are those of the others.
    """

    def __init__(
        self, segments: Sequence[TermReader], granularity: Granularity, alive: Mask | None = None
    ) -> None:
        self._parts: list[_Part] = []
        self._rows = 0
        for segment in segments:
            if units := segment.units(granularity):
                self._parts.append(_Part(segment, segment.postings(granularity), self._rows, units))
                self._rows += units
        if alive is not None and len(alive) != self._rows:
            raise ValueError(f"alive has {len(alive)} rows, the segments have {self._rows}")
        self._alive = None if alive is None or alive.all() else alive
        self.n_units = self._rows if self._alive is None else int(self._alive.sum())
        self._known_lengths: NDArray[np.float32] | None = None
        self.average_length = self._average(segments, granularity)
        self._found: dict[str, tuple[tuple[_Slice, ...], int]] = {}
        self._norms: tuple[float, float, NDArray[np.float32]] | None = None
        self._last: tuple[tuple[tuple[str, ...], float, float], Scores] | None = None
        self._collection: tuple[Bm25, ...] = (self,)

    @classmethod
    def together(cls, members: Sequence[Bm25]) -> list[Bm25]:
        """Give the same postings with the statistics of one collection: idf and average length of all units.

        So a word weighs the same wherever it stands, a long unit is long among all of them, and scores of several
        granularities are of one scale (docs/benchmarks/mixed.md).
        """
        units = sum(member.n_units for member in members)
        total = sum(member.average_length * member.n_units for member in members)
        copies = [copy(member) for member in members]
        for each in copies:
            each._collection = tuple(members)
            each.average_length = total / units if units else 0.0
            each._norms = each._last = None
        return copies

    def _average(self, segments: Sequence[TermReader], granularity: Granularity) -> float:
        if self._alive is None:
            return sum(segment.total_length(granularity) for segment in segments) / max(self.n_units, 1)
        total = 0
        for part in self._parts:
            living = self._alive[part.row : part.row + part.units]
            total += int(part.postings.lengths[living].sum(dtype=np.int64))
        return total / max(self.n_units, 1)

    def _lengths(self) -> NDArray[np.float32]:
        """Lengths of all rows; float32 halves the work when k1 or b change, and is exact up to 2^24."""
        if self._known_lengths is None:
            parts = [part.postings.lengths.astype(np.float32) for part in self._parts]
            self._known_lengths = np.concatenate([np.zeros(0, np.float32), *parts])
        return self._known_lengths

    def prepare(self, terms: Sequence[str]) -> None:
        """Look up terms together that are asked for one by one next: postings may be kept far away."""
        unknown = [term for term in dict.fromkeys(terms) if term not in self._found]
        for part in self._parts:
            part.segment.prepare(unknown)

    def document_frequency(self, term: str) -> int:
        """Count the live units that have a term."""
        return self._find(term)[1]

    def length(self, row: int) -> int:
        """Count the words of the unit in a row."""
        return int(self._lengths()[row])

    def scores(self, terms: Sequence[str], *, k1: float, b: float) -> Scores:
        """Score all rows, float32 (rows,), not to be written to; 0 where no term occurs or the unit is deleted.

        Those of the last query are kept: a search over several granularities asks for them twice.
        """
        asked, last = (tuple(terms), k1, b), self._last
        if last is None or last[0] != asked:
            scores = self._accumulate(self._terms(terms), self._norms_of(k1, b), self._alive)
            scores.flags.writeable = False
            last = self._last = asked, scores
        return last[1]

    def top(
        self, terms: Sequence[str], k: int, *, k1: float, b: float, allowed: Mask | None = None
    ) -> tuple[Rows, Scores]:
        """Give the k best rows (int64) and their scores (float32), best first, ties by row ascending.

        Only rows that score above 0 count; `allowed` (bool, (rows,)) restricts them, not the statistics.
        """
        if allowed is not None and len(allowed) != self._rows:
            raise ValueError(f"allowed has {len(allowed)} rows, the segments have {self._rows}")
        found = self._terms(terms)
        scores = self._accumulate(found, self._norms_of(k1, b), self._visible(allowed))
        rows = np.flatnonzero(scores > 0) if k < 1 else np.flatnonzero(scores >= _floor(scores, found, k))
        reached = scores[rows]
        if len(rows) > k:
            kept = reached >= _kth(reached, max(k, 1))
            rows, reached = rows[kept], reached[kept]
        order = np.lexsort((rows, -reached))[: max(k, 0)]
        return rows[order], reached[order]

    def weights(self, terms: Sequence[str], rows: Sequence[int], *, k1: float, b: float) -> dict[str, Scores]:
        """Say what each distinct term of a query gives to some rows, which ascend; a row's add up to its score."""
        norms, asked = self._norms_of(k1, b), np.array(rows, dtype=np.int32)
        return {term.text: _look_up(term, asked, norms) for term in self._terms(terms)}

    def _visible(self, allowed: Mask | None) -> Mask | None:
        if self._alive is None or allowed is None:
            return self._alive if allowed is None else allowed
        return self._alive & allowed

    def _terms(self, terms: Sequence[str]) -> list[_Term]:
        """Find the distinct terms of a query, in order; those that no live unit has are left out."""
        found = []
        for member in self._collection:
            member.prepare(terms)
        units, alone = sum(member.n_units for member in self._collection), len(self._collection) == 1
        for text, repetitions in Counter(terms).items():
            slices, live = self._find(text)
            if live:
                frequency = live if alone else sum(each.document_frequency(text) for each in self._collection)
                idf = math.log1p((units - frequency + 0.5) / (frequency + 0.5))
                found.append(_Term(text, repetitions * idf, slices))
        return found

    def _find(self, text: str) -> tuple[tuple[_Slice, ...], int]:
        known = self._found.get(text)
        if known is None:
            known = (slices := tuple(self._slices(text))), self._live(slices)
            if len(self._found) >= REMEMBERED:
                self._found.clear()
            self._found[text] = known
        return known

    def _slices(self, text: str) -> list[_Slice]:
        """Find the postings of a term and of its other spellings, which count less where the term itself occurs.

        A single character of a script without spaces stands for every pair that it begins (see `Analyser`).
        """
        exact: list[_Slice] = []
        others: list[_Slice] = []
        for part in self._parts:
            if len(text) == 1 and is_unspaced(text):
                exact += self._of(part, part.segment.starting_with(text))
                continue
            number = part.segment.find(text)
            exact += self._of(part, () if number is None else (number,))
            others += self._of(part, part.segment.variants(text))
        if exact:
            others = [replace(piece, share=VARIANT_SHARE) for piece in others]
        return exact + others

    @staticmethod
    def _of(part: _Part, numbers: Iterable[int]) -> Iterator[_Slice]:
        for number in numbers:
            postings, start, end = part.postings.of(number)
            if start < end:
                yield _Slice(part, postings, start, end)

    def _live(self, slices: Sequence[_Slice]) -> int:
        """Count the live units in which any of these postings is."""
        live = 0
        for part in {id(piece.part): piece.part for piece in slices}.values():
            mine = [piece for piece in slices if piece.part is part]
            if len(mine) == 1 and self._alive is None:
                live += mine[0].end - mine[0].start
                continue
            rows = _rows(mine) + part.row
            live += len(rows) if self._alive is None else int(np.count_nonzero(self._alive[rows]))
        return live

    def _norms_of(self, k1: float, b: float) -> NDArray[np.float32]:
        """k1 (1 - b + b length / average length) of every row; kept for the last k1 and b."""
        if not (k1 >= 0 and math.isfinite(k1)):
            raise TellapartError(f"BM25's k1 is {k1}: give a finite number from 0 up")
        if not 0 <= b <= 1:
            raise TellapartError(f"BM25's b is {b}: give a number from 0 to 1")
        kept = self._norms
        if kept is None or kept[:2] != (k1, b):
            norms = self._lengths() * np.float32(k1 * b / (self.average_length or 1.0))
            norms += np.float32(k1 * (1 - b))
            self._norms = kept = k1, b, norms
        return kept[2]

    def _accumulate(self, terms: Sequence[_Term], norms: NDArray[np.float32], visible: Mask | None) -> Scores:
        """Add up what each term gives to each row, in the order of the terms; hidden rows get 0."""
        scores = np.zeros(self._rows, dtype=np.float32)
        for batch in _batches(terms):
            size = sum(piece.end - piece.start for piece, _ in batch)
            rows = np.empty(size, dtype=np.intp)  # what ufunc.at takes without a slower detour
            given, weights = np.empty((2, size), dtype=np.float32)
            end = 0
            for piece, weight in batch:
                own = slice(end, end := end + piece.end - piece.start)
                rows[own] = piece.rows
                if piece.part.row:
                    rows[own] += piece.part.row
                piece.postings.exact_frequencies(piece.start, piece.end, out=given[own])
                weights[own] = weight
            given /= norms.take(rows) + given
            given *= weights
            np.add.at(scores, rows, given)
        if visible is not None:
            scores *= visible
        return scores


def _batches(terms: Sequence[_Term]) -> Iterator[list[tuple[_Slice, float]]]:
    """Give the postings of all terms in order, with their weights, so many at a time that a call of numpy pays."""
    batch: list[tuple[_Slice, float]] = []
    size = 0
    for term in terms:
        for piece in term.slices:
            batch.append((piece, term.weight * piece.share))
            size += piece.end - piece.start
            if size >= BATCH_POSTINGS:
                yield batch
                batch, size = [], 0
    if batch:
        yield batch


def _floor(scores: Scores, terms: Sequence[_Term], k: int) -> float:
    """A positive score that at least k rows reach, so that few rows are left to be sorted.

    The units with the rarest term are good ones already: the k-th best of them is such a score.
    """
    least = float(np.finfo(np.float32).smallest_subnormal)
    for term in sorted(terms, key=lambda term: -term.weight):
        seeds = [
            scores[part.row : part.row + part.units][_rows([p for p in term.slices if p.part is part])]
            for part in {id(piece.part): piece.part for piece in term.slices}.values()
        ]
        if sum(map(len, seeds)) >= k:
            return max(_kth(np.concatenate(seeds), k), least)
    return least


def _rows(slices: Sequence[_Slice]) -> NDArray[np.int32]:
    """Rows, each once, in which any of some postings of one part is."""
    if len(slices) == 1:
        return slices[0].rows
    return np.unique(np.concatenate([piece.rows for piece in slices]))


def _look_up(term: _Term, rows: NDArray[np.int32], norms: NDArray[np.float32]) -> Scores:
    """What a term gives to some rows (ascending)."""
    given = np.zeros(len(rows), dtype=np.float32)
    for piece in term.slices:
        first, last = np.searchsorted(rows, (piece.part.row, piece.part.row + piece.part.units))
        wanted = rows[first:last] - np.int32(piece.part.row)
        have = piece.rows
        places = np.minimum(np.searchsorted(have, wanted), len(have) - 1)
        hits = np.flatnonzero(have[places] == wanted)
        frequencies = piece.postings.frequencies_at(piece.start + places[hits])
        shares = frequencies / (norms[rows[first + hits]] + frequencies)
        given[first + hits] += shares * np.float32(term.weight * piece.share)
    return given


def _kth(values: NDArray[np.floating], k: int) -> float:
    """The k-th largest value, 0 if there are fewer."""
    return float(np.partition(values, len(values) - k)[len(values) - k]) if len(values) >= k else 0.0
