"""Collects documents and writes them as one lexical segment.

A document is cut into words once; the units of every granularity are slices of that one stream. Documents
are joined and analysed a megabyte at a time, since numpy's cost per call exceeds that of a short text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tellapart.corpus.document import KIND_OF, ContainmentTree, Document, Granularity, Kind, Starts
from tellapart.corpus.units import contexts
from tellapart.index.lexical.extra import is_extra
from tellapart.index.lexical.layout import SegmentFiles
from tellapart.index.lexical.tokens import Analyser, Numbered
from tellapart.index.lexical.variants import SAMPLED, languages_of

BATCH = 1 << 20
"""Characters joined before they are analysed: many enough that numpy's cost per call does not count."""

SAMPLE = 2_000
"""Characters of a document that tell its language."""

_ROW_BITS = 32


@dataclass(frozen=True, slots=True)
class _Slices:
    """Units of one granularity in a batch: their rows and how many terms each has."""

    rows: NDArray[np.int64]
    counts: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Batch:
    """Analysed documents: their terms in order, and the same stream sliced at every granularity."""

    ids: NDArray[np.int32]
    slices: Mapping[Granularity, _Slices]


@dataclass
class _Pool:
    """Texts waiting to be analysed together; of each and each level its offset, its first row, its units' starts."""

    texts: list[str] = field(default_factory=list)
    size: int = 0
    units: dict[Granularity, list[tuple[int, int, Starts]]] = field(default_factory=dict)

    def take(self, text: str) -> int:
        """Add a text; give its offset in the joined text."""
        offset = self.size
        self.texts.append(text)
        self.size += len(text) + 1
        return offset


@dataclass
class _Contexts:
    """Texts indexed beside the units' own, each kept once, and which unit has which."""

    numbers: dict[Kind, Numbered] = field(default_factory=lambda: {kind: Numbered() for kind in Kind})
    of_unit: dict[Granularity, list[int]] = field(default_factory=dict)

    def put(self, granularity: Granularity, texts: Sequence[str]) -> None:
        """Note the contexts of the next units."""
        numbers = self.numbers[KIND_OF[granularity]]
        self.of_unit.setdefault(granularity, []).extend(map(numbers.__getitem__, texts))


@dataclass(frozen=True, slots=True)
class _Runs:
    """Terms of several texts one behind the other: text i has `counts[i]` from `first[i]` on."""

    ids: NDArray[np.int32]
    first: NDArray[np.int64]
    counts: NDArray[np.int64]


class LexicalWriter:
    """Collects documents in memory; `granularities` empty means all those of each document's kind."""

    def __init__(self, granularities: Sequence[Granularity] = ()) -> None:
        self._chosen = frozenset(granularities)
        self._analyser = Analyser()
        self._pools: dict[tuple[Kind, bool], _Pool] = {}
        self._batches: list[_Batch] = []
        self._units: dict[Granularity, int] = {}
        self._contexts = _Contexts()
        self._context_bytes = 0
        self._samples: list[str] = []
        self._prose, self._step = 0, 1

    def _sample(self, document: Document) -> None:
        """Keep the beginning of some documents of prose, spread evenly however many come."""
        if document.kind is not Kind.PROSE:
            return
        if self._prose % self._step == 0:
            self._samples.append(document.text[:SAMPLE])
            if len(self._samples) > 2 * SAMPLED:
                self._samples, self._step = self._samples[::2], 2 * self._step
        self._prose += 1

    def _languages(self) -> list[str]:
        return languages_of(self._samples)

    @property
    def memory(self) -> int:
        """Bytes held, about."""
        waiting = sum(2 * pool.size for pool in self._pools.values())
        held = sum(
            batch.ids.nbytes + sum(s.rows.nbytes + s.counts.nbytes for s in batch.slices.values())
            for batch in self._batches
        )
        units = 8 * sum(self._units.values())
        return waiting + held + units + self._context_bytes + self._analyser.memory

    def add(self, document: Document, tree: ContainmentTree) -> None:
        """Take one document; its units get the next rows of their granularities."""
        self._sample(document)
        pool = self._pools.setdefault((document.kind, document.text.isascii()), _Pool())
        offset = pool.take(document.text)
        for granularity, level in tree.levels.items():
            if self._chosen and granularity not in self._chosen:
                continue
            row = self._units.get(granularity, 0)
            pool.units.setdefault(granularity, []).append((offset, row, level.starts))
            self._units[granularity] = row + len(level.starts)
            self._contexts.put(granularity, contexts(document, tree, granularity))
        if pool.size >= BATCH:
            self._analyse(document.kind, pool)
            del self._pools[document.kind, document.text.isascii()]

    def _analyse(self, kind: Kind, pool: _Pool) -> None:
        tokens = self._analyser.token_ids("\n".join(pool.texts), kind)
        slices = {}
        for granularity, units in pool.units.items():
            offsets, rows, starts = zip(*units, strict=True)
            sizes = np.array([len(each) for each in starts])
            before = np.cumsum(sizes) - sizes
            first = np.searchsorted(tokens.starts, np.concatenate(starts) + np.repeat(offsets, sizes))
            counts = np.diff(first, append=len(tokens.ids))
            slices[granularity] = _Slices(np.arange(len(first)) + np.repeat(rows - before, sizes), counts)
        self._batches.append(_Batch(tokens.ids, slices))

    def write(self, folder: Path, granularities: Sequence[Granularity]) -> None:
        """Write the chosen granularities as a segment and force it to the disk.

        The folder must not exist; nothing refers to it before the caller's commit.
        """
        granularities = [granularity for granularity in Granularity if granularity in granularities]
        for (kind, _), pool in sorted(self._pools.items()):
            self._analyse(kind, pool)
        self._pools.clear()
        folder.mkdir(parents=True)
        runs = self._context_runs()
        files = SegmentFiles(folder)
        ranks = self._put_vocabulary(files, granularities, runs)
        beside = self._extra(ranks, files.terms)
        for granularity in granularities:
            keys = self._keys(granularity, ranks, runs)
            counted = keys if beside is None else keys[~beside[keys >> _ROW_BITS]]
            lengths = np.bincount(counted & (2**_ROW_BITS - 1), minlength=self._units.get(granularity, 0))
            keys.sort()
            _put_postings(files, granularity, keys, lengths.astype(np.int32))
        files.close()

    def _context_runs(self) -> dict[Kind, _Runs]:
        """Analyse every distinct context once."""
        return {kind: self._runs(list(texts), kind) for kind, texts in self._contexts.numbers.items()}

    def _runs(self, texts: Sequence[str], kind: Kind) -> _Runs:
        ids: list[NDArray[np.int32]] = [np.zeros(0, np.int32)]
        first: list[NDArray[np.int64]] = [np.zeros(0, np.int64)]
        counts: list[NDArray[np.int64]] = [np.zeros(0, np.int64)]
        done = 0
        for group in _groups(texts):
            sizes = np.fromiter(map(len, group), np.int64, len(group)) + 1
            tokens = self._analyser.token_ids("\n".join(group), kind)
            begins = np.searchsorted(tokens.starts, np.cumsum(sizes) - sizes)
            ids.append(tokens.ids)
            first.append(begins + done)
            counts.append(np.diff(begins, append=len(tokens.ids)))
            done += len(tokens.ids)
        return _Runs(np.concatenate(ids), np.concatenate(first), np.concatenate(counts))

    def _put_vocabulary(
        self, files: SegmentFiles, granularities: Sequence[Granularity], runs: Mapping[Kind, _Runs]
    ) -> NDArray[np.int64]:
        """Write the terms that occur, sorted; give the position of each term number among them."""
        vocabulary = self._analyser.vocabulary
        used = np.zeros(len(vocabulary), dtype=np.bool_)
        for batch in self._batches:
            if not batch.slices.keys().isdisjoint(granularities):  # each level slices the whole of it
                used[batch.ids] = True
        for granularity in granularities:
            used[self._of_contexts(granularity, runs[KIND_OF[granularity]])[0]] = True
        found = sorted(np.flatnonzero(used).tolist(), key=vocabulary.__getitem__)
        ranks = np.full(len(vocabulary), -1, dtype=np.int64)
        ranks[np.array(found, dtype=np.int64)] = np.arange(len(found))
        files.put_terms([vocabulary[number] for number in found], self._languages())
        return ranks

    def _extra(self, ranks: NDArray[np.int64], terms: int) -> NDArray[np.bool_] | None:
        """Say which of the written terms do not add to a unit's length (terms,), None where none does not."""
        vocabulary = self._analyser.vocabulary
        numbers = [n for n, term in enumerate(vocabulary) if not term.isalnum() and is_extra(term)]
        extra = np.zeros(terms, dtype=np.bool_)
        extra[[rank for rank in ranks[numbers].tolist() if rank >= 0]] = True
        return extra if extra.any() else None

    def _keys(
        self, granularity: Granularity, ranks: NDArray[np.int64], runs: Mapping[Kind, _Runs]
    ) -> NDArray[np.int64]:
        """Term and row of every token of a granularity in one integer."""
        parts = [
            (ranks[ids] << _ROW_BITS) | np.repeat(slices.rows, slices.counts)
            for ids, slices in self._streams(granularity, runs)
        ]
        return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)

    def _streams(
        self, granularity: Granularity, runs: Mapping[Kind, _Runs]
    ) -> Iterator[tuple[NDArray[np.int32], _Slices]]:
        """The terms of all units, in any order of rows: of their own texts, then of their contexts."""
        for batch in self._batches:
            if granularity in batch.slices:
                yield batch.ids, batch.slices[granularity]
        yield self._of_contexts(granularity, runs[KIND_OF[granularity]])

    def _of_contexts(self, granularity: Granularity, runs: _Runs) -> tuple[NDArray[np.int32], _Slices]:
        of_unit = np.array(self._contexts.of_unit.get(granularity, []), dtype=np.int64)
        counts = runs.counts[of_unit]
        ends = np.cumsum(counts)
        which = np.repeat(np.arange(len(of_unit)), counts)
        positions = np.arange(len(which)) + (runs.first[of_unit] - ends + counts)[which]
        return runs.ids[positions], _Slices(np.arange(len(of_unit)), counts)


def _groups(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    """Divide texts so that each group has about BATCH characters."""
    start, size = 0, 0
    for index, text in enumerate(texts):
        size += len(text) + 1
        if size >= BATCH:
            yield texts[start : index + 1]
            start, size = index + 1, 0
    if start < len(texts):
        yield texts[start:]


def _put_postings(
    files: SegmentFiles, granularity: Granularity, keys: NDArray[np.int64], lengths: NDArray[np.int32]
) -> None:
    """Count equal keys (sorted) and write them as postings."""
    if len(keys):
        begins = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
    else:
        begins = np.zeros(0, dtype=np.int64)
    frequencies = np.diff(begins, append=len(keys))
    distinct = keys[begins]
    starts = np.searchsorted(distinct, np.arange(files.terms + 1) << _ROW_BITS)
    rows = (distinct & (2**_ROW_BITS - 1)).astype(np.int32)
    files.put_level(granularity, starts, rows, frequencies, lengths)
