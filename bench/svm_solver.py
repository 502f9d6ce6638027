"""The exact exemplar SVM against liblinear on judged collections.

    TELLAPART_DATA=... python bench/svm_solver.py --output docs/benchmarks/svm_solver.md

Every judged query is the one positive against all documents of its collection (indexes of bench/development.py), the
same float16 vectors for both solvers.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import faiss
import numpy as np

from development import PLACE
from judged import data_folder, load, publish, table
from svm_speed import K, liblinear, machine
from tellapart.corpus.document import Granularity
from tellapart.engine import Index
from tellapart.index.vectors import VectorIndex
from tellapart.rankers.exact import exact_svm
from tellapart.rankers.query import Query
from tellapart.rankers.svm import ClosedFormSVM

SETS = (("cranfield", "test"), ("cisi", "test"), ("cacm", "test"), ("scifact", "train"))
CASES = (("minilm", 0.1), ("minilm", 1.0), ("lsa", 0.1))
QUERIES = 500


@dataclass(frozen=True)
class Agreement:
    """One query solved twice."""

    difference: float
    identical: bool
    certified: bool
    ours: float
    theirs: float


def agree(index: VectorIndex, rows: np.ndarray, query: np.ndarray, c: float) -> Agreement:
    theirs, seconds = liblinear(rows, query, c, 1e-8)
    asked, ranker = Query(vector=query), exact_svm(ClosedFormSVM(c=c))
    started = time.perf_counter()
    found = ranker.search(asked, index, K)
    ours = time.perf_counter() - started
    linear = ranker.direction(asked, index)
    difference = float(np.abs(rows.astype(np.float64) @ linear.w + linear.b - theirs).max())
    best = np.lexsort((np.arange(len(rows)), -theirs))[:K]
    certified = linear.certificate is not None and linear.certificate.holds
    return Agreement(difference, found.rows.tolist() == best.tolist(), certified, ours, seconds)


def agreements(indexes: Path, count: int) -> Iterator[list[str]]:
    """Lines per set and case, then one over all sets; each takes an equal share of the queries that are left."""
    for encoder, c in CASES:
        every: list[Agreement] = []
        for position, (name, split) in enumerate(SETS):
            judged, opened = load(name, split), Index.open(indexes / name)
            wanted = -(-(count - len(every)) // (len(SETS) - position))
            queries = opened.encode_queries(encoder, list(judged.queries.values())[:wanted])
            with opened.reading() as snapshot:
                vectors = snapshot.vectors(encoder, Granularity.DOCUMENT)
                rows = vectors.matrix()
                rows = rows[rows.any(axis=1)]
            index = VectorIndex([rows.astype(np.float16)])
            own = [agree(index, rows, query, c) for query in queries if query.any()]
            yield agreement_line(f"{judged.name} ({len(rows):,})", encoder, c, own)
            every += own
        yield agreement_line("**all four**", encoder, c, every)


def agreement_line(name: str, encoder: str, c: float, own: Sequence[Agreement]) -> list[str]:
    ours, theirs = (
        1e3 * float(np.median([getattr(one, side) for one in own])) for side in ("ours", "theirs")
    )
    return [
        name,
        encoder,
        f"{c:g}",
        str(len(own)),
        f"{max(one.difference for one in own):.1e}",
        f"{np.mean([one.identical for one in own]):.2%}",
        f"{np.mean([one.certified for one in own]):.0%}",
        f"{ours:.1f}",
        f"{theirs:.0f}",
    ]


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--indexes", type=Path, metavar="DIR", default=PLACE)
    options.add_argument("--queries", type=int, default=QUERIES)
    options.add_argument("--output", type=Path, metavar="FILE")
    chosen = options.parse_args()
    data_folder()
    faiss.omp_set_num_threads(1)
    head = [
        "set (documents)", "encoder", "C", "queries", "largest difference of a score", f"top {K} identical",
        "certified", "ours, ms", "liblinear, ms",
    ]  # fmt: skip
    text = (
        "# The exact exemplar SVM against liblinear\n\n"
        f"Command: `python bench/svm_solver.py`, {chosen.queries} queries a case; {machine()}. LinearSVC with "
        "class_weight balanced, dual=False, tol 1e-8. Identical means the same documents in the same order. "
        "Milliseconds are medians on a loaded machine: only their ratio means something.\n\n"
    )
    publish(text + table(head, list(agreements(chosen.indexes, chosen.queries))), chosen.output)


if __name__ == "__main__":
    main()
