"""Exact scans of all rows: numpy for batches and cold processes, faiss for single queries.

Both read the memory-mapped rows in place. numpy needs no import but 4-5 times the time of faiss.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import accumulate
from typing import Any, TypeVar

import numpy as np

from tellapart.index.vectors.candidates import (
    NOTHING,
    CandidateRows,
    Mask,
    Rows,
    float32_error,
    strongest,
)
from tellapart.index.vectors.stored import CENTRE, Floats, StoredRows, blocks

# Queries multiplied at once: the product with one block (256 x 8,192 float32) takes 8 MB.
_QUERY_ROWS = 256
_BATCH_ROWS = 8192
# Splitting a scan over threads costs about .05 ms, as much as scanning 2,000 rows.
_ROWS_PER_THREAD = 16_384
# A mask keeping this share or more is applied after the scan, to so many more rows (100k rows: a selector
# keeping 50 % took 1.9 times the plain scan, one keeping 10 % .6 times).
_OVERFETCHED_SHARE = 0.25
_SPARE = 32
# Lowest value and extent that faiss takes a byte to stand for: it adds half a step, so that byte b means b - CENTRE.
_RANGE = np.array([-CENTRE - 0.5, 255.0], dtype=np.float32)
# Rows whose lengths are looked at. The length of a row of bytes is its steps, but for rounding: some .1 % at d = 384.
_SAMPLED_ROWS = 64


def dense_scores(segments: Sequence[StoredRows], queries: Floats) -> Floats:
    """Inner products of all rows in float32, shape (m, rows); bounded working memory beside the result."""
    total = sum(len(segment) for segment in segments)
    scores = np.empty((len(queries), total), dtype=np.float32)
    for first, part in blocks(segments):
        np.matmul(queries, part.T, out=scores[:, first : first + len(part)])
    return scores


def batch_candidates(
    segments: Sequence[StoredRows], queries: Floats, depth: int, mask: Mask | None
) -> list[CandidateRows]:
    """Propose `depth` rows for each of many queries by matrix products, one pass per 256 queries."""
    found: list[CandidateRows] = []
    for start in range(0, len(queries), _QUERY_ROWS):
        found += _batch(segments, queries[start : start + _QUERY_ROWS], depth, mask)
    return found


def _batch(
    segments: Sequence[StoredRows], queries: Floats, depth: int, mask: Mask | None
) -> list[CandidateRows]:
    shortlist = _Shortlist(len(queries), depth)
    for first, part in blocks(segments, _BATCH_ROWS):
        rows = np.arange(first, first + len(part))
        if mask is not None:
            live = mask[first : first + len(part)]
            rows, part = rows[live], part[live]
        shortlist.add(rows, queries @ part.T)
    return shortlist.result(queries)


class _Shortlist:
    """The best `depth` rows per query so far; a new score enters only above the query's threshold."""

    def __init__(self, queries: int, depth: int) -> None:
        self._depth = depth
        self._threshold = np.full(queries, -np.inf, dtype=np.float32)
        self._overflowed = np.zeros(queries, dtype=np.bool_)
        self._owner = np.empty(0, np.int64)
        self._rows = np.empty(0, np.int64)
        self._scores = np.empty(0, np.float32)
        self._waiting: list[tuple[Rows, Rows, Floats]] = []
        self._count = 0

    def add(self, rows: Rows, scores: Floats) -> None:
        """Offer the scores (queries, rows) of one block."""
        owner, column = np.nonzero(scores > self._threshold[:, None])
        self._waiting.append((owner, rows[column], scores[owner, column]))
        self._count += len(owner)
        if self._count > 2 * self._depth * len(self._threshold):
            self._compact()

    def _compact(self) -> None:
        owner = np.concatenate([self._owner, *(part[0] for part in self._waiting)])
        rows = np.concatenate([self._rows, *(part[1] for part in self._waiting)])
        scores = np.concatenate([self._scores, *(part[2] for part in self._waiting)])
        order = np.lexsort((-scores, owner))
        owner = owner[order]
        starts = np.searchsorted(owner, np.arange(len(self._threshold) + 1))
        place = np.arange(len(owner)) - starts[owner]
        kept = place < self._depth
        full = np.diff(starts) >= self._depth
        self._owner, self._rows, self._scores = owner[kept], rows[order][kept], scores[order][kept]
        self._threshold[full] = scores[order][starts[:-1][full] + self._depth - 1]
        self._overflowed |= full
        self._waiting, self._count = [], 0

    def result(self, queries: Floats) -> list[CandidateRows]:
        """Return one proposal per query."""
        self._compact()
        starts = np.searchsorted(self._owner, np.arange(len(self._threshold) + 1))
        floors = np.where(self._overflowed, self._threshold, -np.inf)
        return [
            CandidateRows(
                self._rows[starts[i] : starts[i + 1]],
                self._scores[starts[i] : starts[i + 1]],
                float(floors[i]),
                float32_error(queries[i]),
            )
            for i in range(len(queries))
        ]


class FaissScan:
    """Scan by faiss over the mapped rows, split over as many threads as faiss would use.

    Of float16 it is exact. Of bytes it takes the lengths of all rows for that of the first ones: what their rounding
    makes of them is an error of the estimates, as with codes.
    """

    def __init__(self, segments: Sequence[StoredRows], first: int = 0) -> None:
        self._viewed = list(segments)  # keeps the mappings alive as long as faiss looks at them
        self._length = _typical_length(self._viewed)
        offsets = accumulate((len(segment) for segment in segments), initial=first)
        total = sum(len(segment) for segment in segments)
        step = max(_ROWS_PER_THREAD, -(-total // thread_count()))
        self._pieces = [
            (offset + start, len(segment[start : start + step]), _view(segment[start : start + step]))
            for segment, offset in zip(segments, offsets, strict=False)
            for start in range(0, len(segment), step)
        ]

    def candidates(
        self, query: Floats, depth: int, mask: Mask | None, *, overfetch: bool = False
    ) -> CandidateRows:
        """Propose the `depth` best rows for one query (d,), only rows where `mask` (all rows) is true.

        With `overfetch`, a mask that keeps much is applied afterwards to more rows, if the share of rows it
        keeps says that about `depth` are left: faiss asks a selector about every row, which doubles the time.
        """
        chosen = None
        if overfetch and mask is not None:
            share = float(np.count_nonzero(mask)) / len(mask)
            if share >= _OVERFETCHED_SHARE:
                depth, mask, chosen = int(depth / share) + _SPARE, None, mask
        rows, estimates, floor = self._search(query, depth, mask)
        if chosen is not None:
            kept = chosen[rows]
            rows, estimates = rows[kept], estimates[kept]
        if self._length is None:
            return CandidateRows(rows, estimates, floor, float32_error(query))
        return CandidateRows(rows, estimates / self._length, floor / float(self._length), None)

    def _search(self, query: Floats, depth: int, mask: Mask | None) -> tuple[Rows, Floats, float]:
        tasks = [(first, count, piece, depth, mask) for first, count, piece in self._pieces]
        if not tasks:
            return NOTHING.rows, NOTHING.estimates, -np.inf
        answers = each(lambda task: _search(query, *task), tasks)
        rows = np.concatenate([answer[0] for answer in answers])
        estimates = np.concatenate([answer[1] for answer in answers])
        floor = max((float(e[-1]) for r, e in answers if len(r) == depth), default=-np.inf)
        rows, estimates, cut = strongest(rows, estimates, depth)
        return rows, estimates, max(floor, cut)


def _search(
    query: Floats, first: int, count: int, piece: Untyped, depth: int, mask: Mask | None
) -> tuple[Rows, Floats]:
    parameters = None
    if mask is not None:
        bits = np.packbits(mask[first : first + count], bitorder="little")
        parameters = faiss().SearchParameters(sel=faiss().IDSelectorBitmap(bits))
    scores, rows = search(piece, query[None], min(depth, count), parameters)
    found = int(np.count_nonzero(rows[0] >= 0))
    return rows[0, :found] + first, scores[0, :found]


def _typical_length(segments: Sequence[StoredRows]) -> np.float32 | None:
    """Mean length of rows of bytes; None for float16, whose length is 1."""
    if not segments or segments[0].dtype != np.uint8:
        return None
    sampled = [segment[:: max(1, len(segment) // _SAMPLED_ROWS)].astype(np.float32) for segment in segments]
    lengths = np.linalg.norm(np.concatenate(sampled) - CENTRE, axis=1)
    return np.float32(lengths[lengths > 0].mean()) if lengths.any() else np.float32(1.0)


def _view(rows: StoredRows) -> Untyped:
    """Give faiss the rows where they are; copy them where this faiss cannot look at foreign memory."""
    quantizer = faiss().ScalarQuantizer
    kind = quantizer.QT_8bit_uniform if rows.dtype == np.uint8 else quantizer.QT_fp16
    index = faiss().IndexScalarQuantizer(rows.shape[1], kind, faiss().METRIC_INNER_PRODUCT)
    if rows.dtype == np.uint8:
        faiss().copy_array_to_vector(_RANGE, index.sq.trained)
        index.is_trained = True
    try:
        address = faiss().cast_integer_to_uint8_ptr(rows.ctypes.data)
        codes = index.codes
        codes.is_owned = False
        codes.view_data = codes.c_ptr = address
        codes.view_size = codes.c_size = rows.nbytes
        index.ntotal = len(rows)
    except AttributeError:  # faiss before 1.11 owns all its codes
        faiss().copy_array_to_vector(rows.reshape(-1).view(np.uint8), index.codes)
        index.ntotal = len(rows)
    return index


Task = TypeVar("Task")
Answer = TypeVar("Answer")

Untyped = Any  # the types that faiss ships know neither its keyword arguments nor views


def faiss() -> Untyped:
    """Return the module; the import costs 35 ms warm and .1 s cold, which some processes never need."""
    return importlib.import_module("faiss")


def search(index: Untyped, queries: Untyped, depth: int, parameters: Untyped = None) -> Untyped:
    """Search a faiss index; returns scores and rows.

    Where faiss.contrib.torch_utils was imported (pytorch-metric-learning does), `search` takes no parameters any
    more, and the original is called `search_numpy`.
    """
    return getattr(index, "search_numpy", index.search)(queries, depth, params=parameters)


@cache
def workers() -> ThreadPoolExecutor:
    """As many threads as faiss would use (OMP_NUM_THREADS is obeyed), shared by all indexes."""

    def single_threaded() -> None:  # the setting belongs to the calling thread, so the user's stays as it is
        faiss().omp_set_num_threads(1)

    return ThreadPoolExecutor(thread_count(), "tellapart-scan", initializer=single_threaded)


def each(call: Callable[[Task], Answer], tasks: Sequence[Task]) -> list[Answer]:
    """Answer all tasks in order, on the workers if there are several of both, each by one thread.

    faiss gives one query to one thread, and lets the others of OpenMP wait for more at full speed: at 100,000 rows a
    search took 10 ms of processor with them and 4 without, in no less time (2 cores, the passages of bench/serving.py).
    """
    if len(tasks) > 1 and thread_count() > 1:
        return list(workers().map(call, tasks))
    usual = faiss().omp_get_max_threads()
    faiss().omp_set_num_threads(1)
    try:
        return [call(task) for task in tasks]
    finally:
        faiss().omp_set_num_threads(usual)


@cache
def thread_count() -> int:
    """Return how many threads `workers` has."""
    return max(1, int(faiss().omp_get_max_threads()))
