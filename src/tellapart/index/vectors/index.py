"""The vectors of one encoder at one granularity: search, scores and moments over all live segments."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from tellapart.errors import CorruptIndexError, TellapartError
from tellapart.index.vectors import approximate
from tellapart.index.vectors.approximate import Codes, take
from tellapart.index.vectors.candidates import (
    DEEPER,
    Mask,
    Rows,
    Top,
    best_first,
    deeper,
    exact_scores,
    float32_error,
    nearly_exact_scores,
    settle,
)
from tellapart.index.vectors.derived import (
    combined,
    fingerprint,
    moments_name,
    segment_moments,
    spectrum_name,
    stored_spectrum,
)
from tellapart.index.vectors.moments import Moments, Spectrum
from tellapart.index.vectors.scan import FaissScan, batch_candidates, dense_scores
from tellapart.index.vectors.segment import FLOATS
from tellapart.index.vectors.stored import Floats, StoredRows, blocks, widen
from tellapart.progress import Progress

# Candidates beyond k: enough that the last one usually lies clearly below the k-th (2e-5 of its score).
_SLACK = 16
# Codes propose 20 per hit asked for, at least 200.
_CODED_FACTOR = 20
_CODED_DEPTH = 200
# Of all rows, so many are worth a first look by codes, and a deeper one: at 1M rows 3,200 cost some 25 ms, 12,800 as
# much as the exact scan, 60 ms (one core). At 100k (256-d `lsa`) a first look settles 70 % of the queries in 2.8 ms,
# one at 880 rows 98 % in 4.5, and the scan takes 9: with the second look a query takes 4.2 ms on average, without 5.5.
_FIRST_SHARE = 1 / 8
_DEEPER_SHARE = 1 / 100
# Importing faiss costs as long as numpy needs to scan some 250k rows (35 against .13 ms per 1,000 rows at
# d = 384): a process that asks less never imports it.
_NUMPY_ROWS = 250_000
# From this many queries on one matrix product beats single scans (widening 100k rows costs some four scans).
_BATCH_QUERIES = 8
# Filters keeping fewer rows than this, or this share, gather just those (`bench/knn_speed.py`, 100k rows: 1 %
# gathered in .4 ms, 10 % by selector in 2.2 ms). The exact crossing was not measured.
_GATHERED_ROWS = 2_000
_GATHERED_SHARE = 1 / 32
# A filter keeping less than this is faster scanned exactly than by plain codes, which cost the same anyway.
_SCANNED_SHARE = 0.10
# Unit rows in float16 are within 5e-4 of length 1; anything further off was damaged on disk.
_LENGTH_SLACK = 0.02


class VectorIndex:
    """Rows of all segments in order; `alive` (rows,) masks deletions; safe to share between threads.

    `derived` is a folder of this index's own for files rebuilt when stale; `key` identifies the version of
    the data (the list of segments). Rows of zeros are units without a vector and are never found.
    """

    def __init__(
        self,
        segments: Sequence[StoredRows],
        alive: Mask | None = None,
        derived: Path | None = None,
        key: str = "",
    ) -> None:
        dims = {segment.shape[1] for segment in segments}
        if len(dims) > 1:
            raise CorruptIndexError(
                f"segments of {sorted(dims)} dimensions in one index: remove it with `clear` and run `index`"
            )
        self.dim: int = dims.pop() if dims else 0
        self._files = [
            str(getattr(segment, "filename", None) or f"segment {i}") for i, segment in enumerate(segments)
        ]
        self._named = [segment for segment in segments if len(segment)]
        self._segments: list[StoredRows] = [np.asarray(segment) for segment in segments if len(segment)]
        self.n_rows = sum(len(segment) for segment in segments)
        if alive is not None and alive.shape != (self.n_rows,):
            raise CorruptIndexError(
                f"{len(alive)} marks of life for {self.n_rows} vectors: "
                "remove the index with `clear` and run `index`"
            )
        self.alive: Mask | None = None if alive is None or bool(alive.all()) else alive
        self.n_alive = self.n_rows if self.alive is None else int(np.count_nonzero(self.alive))
        self.derived = derived
        self._key = key
        self._scanned = 0
        self._lock = threading.Lock()

    @cached_property
    def version(self) -> str:
        """Names what derived files are made from: the key, the segments and which rows are alive."""
        alive = b"" if self.alive is None else np.packbits(self.alive).tobytes()
        return combined([self._key, *(fingerprint(segment) for segment in self._named), alive])

    def search(
        self, queries: Floats, k: int, *, allowed: Mask | None = None, exact: bool = False
    ) -> tuple[Rows, Floats]:
        """Find the k live rows with the largest inner product for each query, float32 (m, d).

        Returns rows int64 (m, k) and scores float32 (m, k), best first, ties by row, padded with -1 and
        -inf where fewer rows are live and allowed. Scores are float64 sums rounded once, so every engine
        returns the same bits. From 30,000 rows on codes propose the candidates (recall@10 >= .99) unless
        `exact`. A query of zeros finds nothing.

        Raises:
            TellapartError: queries of another dimension, or not finite.
            CorruptIndexError: a row that would be returned is not of unit length.
        """
        queries = self._checked(queries)
        rows = np.full((len(queries), max(k, 0)), -1, dtype=np.int64)
        scores = np.full(rows.shape, -np.inf, dtype=np.float32)
        mask, live = self._mask(allowed)
        asked = np.flatnonzero(queries.any(axis=1))
        if min(k, live) <= 0 or len(asked) == 0:
            return rows, scores
        tops = self._tops(queries[asked], min(k, live), mask, live, allowed, exact)
        for i, top in zip(asked, tops, strict=True):
            rows[i, : len(top.rows)] = top.rows
            scores[i, : len(top.rows)] = top.scores
            self._check_lengths(top.rows)
        return rows, scores

    def _checked(self, queries: Floats) -> Floats:
        queries = np.ascontiguousarray(queries, dtype=np.float32)
        if queries.ndim != 2 or (self.n_rows and queries.shape[1] != self.dim):
            raise TellapartError(
                f"queries of shape {queries.shape} for vectors of {self.dim} dimensions: "
                "use the index's own encoder"
            )
        if not np.isfinite(queries).all():
            raise TellapartError("a query vector holds NaN or Inf: check the encoder")
        return queries

    def _mask(self, allowed: Mask | None) -> tuple[Mask | None, int]:
        if allowed is None:
            return self.alive, self.n_alive
        if allowed.shape != (self.n_rows,):
            raise ValueError(f"a filter of shape {allowed.shape} for {self.n_rows} rows")
        mask = allowed if self.alive is None else allowed & self.alive
        return mask, int(np.count_nonzero(mask))

    def _tops(
        self, queries: Floats, k: int, mask: Mask | None, live: int, allowed: Mask | None, exact: bool
    ) -> list[Top]:
        if mask is not None and live <= max(_GATHERED_ROWS, self.n_rows * _GATHERED_SHARE):
            return self._gathered(queries, k, np.flatnonzero(mask))
        codes = None if exact else self._codes
        if codes is not None and (allowed is None or live > _SCANNED_SHARE * self.n_rows):
            return [self._by_codes(codes, query, k, mask, live) for query in queries]
        if len(queries) < _BATCH_QUERIES and self._use_faiss(len(queries)):
            return [self._by_scan(query, k, mask, live) for query in queries]
        proposed = batch_candidates(self._segments, queries, k + _SLACK, mask)
        tops = [
            settle([part], query, k, self._scorer(query, k))
            for part, query in zip(proposed, queries, strict=True)
        ]
        return [
            top if top.certain else self._certainly(query, k, mask)
            for top, query in zip(tops, queries, strict=True)
        ]

    def _use_faiss(self, queries: int) -> bool:
        """Decide once it pays: imported anyway, or enough rows scanned by numpy in this process."""
        if "faiss" in sys.modules:
            return True
        self._scanned += queries * self.n_rows
        return self._scanned > _NUMPY_ROWS

    def _by_scan(self, query: Floats, k: int, mask: Mask | None, live: int) -> Top:
        first = depth = k + _SLACK
        while depth < live // 2 or depth <= 1024:
            proposed = self._scan.candidates(query, depth, mask, overfetch=depth == first)
            top = settle([proposed], query, k, self._scorer(query, k))
            if top.certain:
                return top
            depth *= DEEPER
        return self._certainly(query, k, mask)

    def _by_codes(self, codes: Codes, query: Floats, k: int, mask: Mask | None, live: int) -> Top:
        depth = min(max(_CODED_FACTOR * k, _CODED_DEPTH), max(DEEPER * k, 4 * _CODED_DEPTH))
        deepest = _FIRST_SHARE * live
        while depth < deepest:
            try:
                parts = [codes.candidates(query, depth, mask)]
            except RuntimeError:  # faiss cannot read its file: the segments still can answer
                break
            if codes.covered < self.n_rows:
                parts.append(self._tail.candidates(query, k + _SLACK, mask))
            top = settle(parts, query, k, self._scorer(query, k))
            if top.certain:
                return top
            depth, deepest = deeper(parts[0], depth, top.lacking), _DEEPER_SHARE * live
        return self._by_scan(query, k, mask, live)

    def _certainly(self, query: Floats, k: int, mask: Mask | None) -> Top:
        """Score everything: where so many rows tie that no shortlist separates them."""
        scores = dense_scores(self._segments, query[None])[0]
        rows = np.arange(self.n_rows) if mask is None else np.flatnonzero(mask)
        return self._from_dense(query, k, rows, scores if mask is None else scores[rows])

    def _gathered(self, queries: Floats, k: int, rows: Rows) -> list[Top]:
        scores = queries @ widen(take(self._segments, rows)).T
        return [self._from_dense(query, k, rows, own) for query, own in zip(queries, scores, strict=True)]

    def _from_dense(self, query: Floats, k: int, rows: Rows, scores: Floats) -> Top:
        """Pick the best of all rows that may be found, given their float32 scores."""
        wanted = k
        while True:
            near = rows
            if wanted < len(rows):
                lowest = np.partition(scores, len(scores) - wanted)[len(scores) - wanted]
                near = rows[scores >= lowest - 2.0 * float32_error(query)]
            exact, found = exact_scores(take(self._segments, near), query)
            if int(found.sum()) >= k or len(near) == len(rows):
                return Top(*best_first(near[found], exact[found], k), certain=True)
            wanted = 2 * len(near) + 1024  # rows without a vector stood in the way

    def _scorer(self, query: Floats, k: int) -> Callable[[Rows], tuple[Floats, Mask]]:
        return lambda rows: nearly_exact_scores(take(self._segments, rows), query, k)

    def _check_lengths(self, rows: Rows) -> None:
        """Raise for a row that is not of unit length: the file was damaged after it was written."""
        wide = widen(take(self._segments, rows)).astype(np.float64)
        wrong = ~(np.abs(np.linalg.norm(wide, axis=1) - 1.0) <= _LENGTH_SLACK)
        if wrong.any():
            self._refuse(int(rows[int(np.argmax(wrong))]))

    def _refuse(self, row: int) -> None:
        segment = int(np.searchsorted(self._starts, row, side="right")) - 1
        name = getattr(self._named[segment], "filename", None) or f"segment {segment}"
        raise CorruptIndexError(
            f"vector {row - int(self._starts[segment])} of {name} is damaged: "
            "remove the index with `clear` and run `index`"
        )

    @cached_property
    def _starts(self) -> Rows:
        return np.cumsum([0, *(len(segment) for segment in self._segments)])

    @cached_property
    def _scan(self) -> FaissScan:
        with self._lock:
            return FaissScan(self._segments)

    @cached_property
    def _codes(self) -> Codes | None:
        return Codes.find(self.derived, self._named)

    @cached_property
    def _tail(self) -> FaissScan:
        """Scans the segments written after the codes."""
        covered = self._codes.covered if self._codes is not None else 0
        first = int(np.searchsorted(self._starts, covered))
        return FaissScan(self._segments[first:], covered)

    def scores(self, query: Floats) -> Floats:
        """Return the float32 inner product (rows,) of every row, the dead and zero ones included."""
        scores: Floats = self.scores_batch(query[None])[0]
        return scores

    def scores_batch(self, queries: Floats) -> Floats:
        """Return float32 inner products (m, rows); within d * 2^-24 |q| of what `search` returns."""
        return dense_scores(self._segments, self._checked(queries))

    def take(self, rows: Rows) -> Floats:
        """Return these rows as float32 (n, d)."""
        if not self._segments:
            return np.empty((0, self.dim), dtype=np.float32)
        return widen(take(self._segments, np.asarray(rows, dtype=np.int64)))

    def blocks(self, size: int = 8192) -> Iterator[tuple[int, Floats]]:
        """Yield (first row, float32 rows) over all rows; the array is overwritten by the next block."""
        return blocks(self._segments, size)

    def matrix(self) -> Floats:
        """Return all rows as one float32 matrix (rows, d), the dead included."""
        whole = np.empty((self.n_rows, self.dim), dtype=np.float32)
        for first, part in self.blocks():
            whole[first : first + len(part)] = part
        return whole

    def moments(self) -> Moments:
        """Sum over live rows, float64: per segment from a derived file, less the rows that died."""
        return self._moments

    @cached_property
    def _moments(self) -> Moments:
        whole = Moments.none(self.dim)
        for i, segment in enumerate(self._segments):
            start, stop = int(self._starts[i]), int(self._starts[i + 1])
            dead = np.empty(0, np.int64) if self.alive is None else np.flatnonzero(~self.alive[start:stop])
            if len(dead) < len(segment):
                own = segment_moments(self.derived, self._named[i])
                whole += own - Moments.of([segment[dead]], self.dim) if len(dead) else own
        return whole

    def spectrum(self) -> Spectrum:
        """Eigendecomposition behind the closed-form SVM: one per version of the data, kept in `derived`."""
        return self._spectrum

    @cached_property
    def _spectrum(self) -> Spectrum:
        return stored_spectrum(self.derived, self.version, self.moments)

    @property
    def row_bytes(self) -> int:
        """Bytes of one row as it is kept."""
        return self.dim * (self._segments[0].itemsize if self._segments else FLOATS.itemsize)

    def bytes_read(self, k: int = 10) -> int:
        """Bytes that a search for k rows reads: all rows, or their codes and the rows of the first candidates."""
        if self._codes is None:
            return self.n_rows * self.row_bytes
        depth = max(_CODED_FACTOR * k, _CODED_DEPTH)
        return self._codes.bytes_read + min(depth, self.n_rows) * self.row_bytes

    @property
    def coded(self) -> bool:
        """Whether codes, which may overlook a row, propose what `search` finds."""
        return self._codes is not None

    def derived_names(self) -> set[str]:
        """Names of the derived files of moments and spectrum that belong to this version."""
        names = [spectrum_name(self.version), *(moments_name(segment) for segment in self._named)]
        return {f"{name}.npz" for name in names}

    def prepare_codes(self, progress: Progress, coded_rows: int) -> None:
        """Build codes if `coded_rows` rows are alive and those on disk are missing or stale."""
        if self.derived is None or self.n_alive < coded_rows:
            return
        if approximate.needs_build(self._codes, self.n_rows, self.alive):
            approximate.build(self.derived, self._named, self.alive, progress)
            self.__dict__.pop("_codes", None)
            self.__dict__.pop("_tail", None)
