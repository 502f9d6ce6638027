"""Makes one segment out of several without reading any document again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tellapart.corpus.document import Granularity
from tellapart.index.lexical.layout import SegmentFiles
from tellapart.index.lexical.segment import LexicalSegment

Alive = Mapping[Granularity, NDArray[np.bool_] | None]


@dataclass(frozen=True, slots=True)
class _LiveUnits:
    """What one segment contributes to a granularity: live postings by old term number, with new rows."""

    counts: NDArray[np.int64]
    rows: NDArray[np.int32]
    frequencies: NDArray[np.int64]
    lengths: NDArray[np.int32]


def merge(segments: Sequence[LexicalSegment], alive: Sequence[Alive | None], folder: Path) -> None:
    """Write the live units of several segments, in order, as a new segment and force it to the disk.

    `alive[i]` says which units of segment i live, per granularity; None (for all, or for one granularity)
    means all of them. The result equals, byte for byte, what a writer given the live documents writes.
    """
    levels = [g for g in Granularity if any(g in segment.granularities for segment in segments)]
    parts = {g: _parts(segments, alive, g) for g in levels}
    used = [np.zeros(segment.n_terms, dtype=np.bool_) for segment in segments]
    for of_level in parts.values():
        for mask, part in zip(used, of_level, strict=True):
            mask |= part.counts > 0
    folder.mkdir(parents=True)
    files = SegmentFiles(folder)
    numbers = _put_vocabulary(files, segments, used)
    for granularity, of_level in parts.items():
        _put_level(files, granularity, of_level, numbers)
    files.close()


def _parts(
    segments: Sequence[LexicalSegment], alive: Sequence[Alive | None], granularity: Granularity
) -> list[_LiveUnits]:
    parts, row = [], 0
    for segment, living in zip(segments, alive, strict=True):
        parts.append(_part(segment, (living or {}).get(granularity), granularity, row))
        row += len(parts[-1].lengths)
    return parts


def _part(
    segment: LexicalSegment, alive: NDArray[np.bool_] | None, granularity: Granularity, row: int
) -> _LiveUnits:
    if granularity not in segment.granularities:
        none = np.zeros(0, dtype=np.int32)
        return _LiveUnits(np.zeros(segment.n_terms, np.int64), none, none.astype(np.int64), none)
    postings = segment.postings(granularity)
    frequencies = postings.exact_frequencies(0, len(postings.rows)).astype(np.int64)
    if alive is None:
        return _LiveUnits(
            np.diff(postings.starts), postings.rows + np.int32(row), frequencies, postings.lengths
        )
    kept = alive[postings.rows]
    before = np.concatenate([[0], np.cumsum(kept)])
    new_rows = (np.cumsum(alive) - 1 + row).astype(np.int32)
    return _LiveUnits(
        np.diff(before[postings.starts]),
        new_rows[postings.rows[kept]],
        frequencies[kept],
        postings.lengths[alive],
    )


def _put_vocabulary(
    files: SegmentFiles, segments: Sequence[LexicalSegment], used: Sequence[NDArray[np.bool_]]
) -> list[NDArray[np.int64]]:
    """Write the terms that still occur; give each segment's old term numbers their new ones (or -1)."""
    kept = [
        [term for term, keep in zip(segment.terms(), mask.tolist(), strict=True) if keep]
        for segment, mask in zip(segments, used, strict=True)
    ]
    vocabulary = sorted(set().union(*kept))
    position = {term: number for number, term in enumerate(vocabulary)}
    files.put_terms(vocabulary, {language for segment in segments for language in segment.languages})
    numbers = []
    for terms, mask in zip(kept, used, strict=True):
        new = np.full(len(mask), -1, dtype=np.int64)
        new[mask] = [position[term] for term in terms]
        numbers.append(new)
    return numbers


def _put_level(
    files: SegmentFiles,
    granularity: Granularity,
    parts: Sequence[_LiveUnits],
    numbers: Sequence[NDArray[np.int64]],
) -> None:
    """Lay each term's postings of all segments one behind the other: rows ascend without sorting."""
    totals = np.zeros(files.terms, dtype=np.int64)
    for part, new in zip(parts, numbers, strict=True):
        has = part.counts > 0
        totals[new[has]] += part.counts[has]
    starts = np.concatenate([[0], np.cumsum(totals)])
    rows = np.empty(starts[-1], dtype=np.int32)
    frequencies = np.empty(starts[-1], dtype=np.int64)
    free = starts[:-1].copy()
    for part, new in zip(parts, numbers, strict=True):
        has = part.counts > 0
        counts, terms = part.counts[has], new[has]
        within = np.arange(len(part.rows)) - np.repeat(np.cumsum(counts) - counts, counts)
        targets = np.repeat(free[terms], counts) + within
        rows[targets] = part.rows
        frequencies[targets] = part.frequencies
        free[terms] += counts
    files.put_level(granularity, starts, rows, frequencies, np.concatenate([p.lengths for p in parts]))
