"""faiss, imported when first needed, and the threads on which it scans for one query."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, TypeVar

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
    """Answer all tasks in order, on the workers if there are several of both."""
    if len(tasks) == 1 or thread_count() == 1:
        return [call(task) for task in tasks]
    return list(workers().map(call, tasks))


@cache
def thread_count() -> int:
    """Return how many threads `workers` has."""
    return max(1, int(faiss().omp_get_max_threads()))
