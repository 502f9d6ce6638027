"""Speed and recall of k-NN search against the same faiss index called directly, interleaved in one run.

    python bench/knn_speed.py --rows 20000 30000 100000 1000000 --output docs/benchmarks/knn_speed.md
    python bench/knn_speed.py --vectors mine.npy

Synthetic rows: one cluster centre per 200 rows; row = (centre + .8 noise) * i^-1/2 plus a common direction,
brought to unit length, so that variance falls with the dimension i and all cosines are positive, as with
encoders of text. Queries are further draws from the same clusters. `--vectors` takes real rows instead (its
last rows are the queries). Directly called: `IndexScalarQuantizer` fp16 up to 30,000 rows, beyond
`RR,RaBitQfs,Refine(SQfp16)` with k_factor 20. Recall is against exact float32.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import faiss
import numpy as np

from tellapart.index.vectors import VectorIndex, build_derived, open_vectors, write_vectors
from tellapart.index.vectors.approximate import CODED_ROWS
from tellapart.index.vectors.candidates import DEVIATIONS
from tellapart.rankers.query import Query
from tellapart.rankers.rocchio import knn
from tellapart.rankers.svm import ClosedFormSVM, svm

SEGMENT_ROWS = 100_000
K = 10


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the report."""

    rows: str
    what: str
    ours: float
    direct: float | None
    recall: float
    of: int


def synthetic(
    rows: int, dim: int, queries: int, seed: int
) -> tuple[Callable[[], Iterator[np.ndarray]], np.ndarray]:
    """Return a maker of blocks of rows (the same each time) and the queries."""
    clusters = max(1, rows // 200)
    spectrum = np.arange(1, dim + 1, dtype=np.float32) ** -0.5
    centres = np.random.default_rng(seed).standard_normal((clusters, dim), dtype=np.float32)

    def draw(n: int, seed: int) -> np.ndarray:
        rng = np.random.default_rng(seed)
        noise = np.float32(0.8) * rng.standard_normal((n, dim), dtype=np.float32)
        drawn = (centres[rng.integers(0, clusters, n)] + noise) * spectrum
        drawn[:, 0] += 1.0
        return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)

    def blocks() -> Iterator[np.ndarray]:
        for i, start in enumerate(range(0, rows, SEGMENT_ROWS)):
            yield draw(min(SEGMENT_ROWS, rows - start), seed + 1 + i)

    return blocks, draw(queries, seed + 999_999)


def given(path: Path, queries: int) -> tuple[Callable[[], Iterator[np.ndarray]], np.ndarray]:
    """Read rows and hold the last ones out as queries."""
    whole = np.load(path, mmap_mode="r")
    rows = whole[:-queries]

    def unit(part: np.ndarray) -> np.ndarray:
        wide = np.asarray(part, dtype=np.float32)
        return wide / np.linalg.norm(wide, axis=1, keepdims=True)

    def blocks() -> Iterator[np.ndarray]:
        for start in range(0, len(rows), SEGMENT_ROWS):
            yield unit(rows[start : start + SEGMENT_ROWS])

    return blocks, unit(whole[-queries:])


def truth(blocks: Iterator[np.ndarray], directions: np.ndarray) -> np.ndarray:
    """Exact float32 top rows, block by block."""
    best = np.full((len(directions), K), -np.inf, dtype=np.float32)
    rows = np.full(best.shape, -1, dtype=np.int64)
    first = 0
    for block in blocks:
        scores, found = faiss.knn(directions, block, K, faiss.METRIC_INNER_PRODUCT)
        both, ids = np.hstack([best, scores]), np.hstack([rows, found + first])
        order = np.argsort(-both, axis=1, kind="stable")[:, :K]
        best, rows = np.take_along_axis(both, order, 1), np.take_along_axis(ids, order, 1)
        first += len(block)
    return rows


def interleaved(calls: list[Callable[[np.ndarray], object]], queries: np.ndarray, rounds: int) -> list[float]:
    """Median milliseconds of each call; every query goes to all of them in turn, in both orders."""
    times: list[list[float]] = [[] for _ in calls]
    for turn in range(rounds):
        for query in queries:
            order = range(len(calls)) if turn % 2 else reversed(range(len(calls)))
            for i in order:
                start = time.perf_counter()
                calls[i](query)
                times[i].append(time.perf_counter() - start)
    return [1000 * float(np.median(own)) for own in times]


def share(got: list[np.ndarray], want: np.ndarray) -> float:
    return float(np.mean([len(np.intersect1d(a, b)) / K for a, b in zip(got, want, strict=True)]))


def direct_index(blocks: Iterator[np.ndarray], dim: int, rows: int) -> faiss.Index:
    """Build what faiss offers for so many rows; shards are ours, faiss has one index."""
    if rows < CODED_ROWS:
        index = faiss.IndexScalarQuantizer(dim, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)
    else:
        index = faiss.index_factory(dim, "RR,RaBitQfs,Refine(SQfp16)", faiss.METRIC_INNER_PRODUCT)
        index.k_factor = 20
    for block in blocks:
        if not index.is_trained:
            index.train(block)
        index.add(block)
    return index


def measure(
    name: str, maker: Callable[[], Iterator[np.ndarray]], queries: np.ndarray, rounds: int
) -> list[Line]:
    dim = queries.shape[1]
    with tempfile.TemporaryDirectory() as folder:
        segments = []
        for i, block in enumerate(maker()):
            write_vectors(Path(folder, f"{i}.npy"), block)
            segments.append(open_vectors(Path(folder, f"{i}.npy")))
        rows = sum(len(segment) for segment in segments)
        index = VectorIndex(segments, None, Path(folder, "derived"), name)
        start = time.perf_counter()
        build_derived(index)
        print(
            f"{name}: moments, spectrum{' and codes' * (rows >= CODED_ROWS)} in {time.perf_counter() - start:.1f} s"
        )
        lines = compare(f"{rows:,}", index, direct_index(maker(), dim, rows), maker, queries, rounds)
        return lines + filtered(f"{rows:,}", index, queries)


def compare(
    rows: str,
    index: VectorIndex,
    direct: faiss.Index,
    maker: Callable[[], Iterator[np.ndarray]],
    queries: np.ndarray,
    rounds: int,
) -> list[Line]:
    transform = ClosedFormSVM().transform
    directions = np.array([transform(index, q).w for q in queries], dtype=np.float32)
    want, want_svm = np.split(truth(maker(), np.vstack([queries, directions])), 2)
    n = len(queries)
    ours_ms, direct_ms, svm_ms = interleaved(
        [
            lambda q: knn().search(Query(vector=q), index, K),
            lambda q: direct.search(q[None], K),
            lambda q: svm().search(Query(vector=q), index, K),
        ],
        queries,
        rounds,
    )
    found = [knn().search(Query(vector=q), index, K).rows for q in queries]
    theirs = list(direct.search(queries, K)[1])
    lines = [
        Line(rows, "k-NN", ours_ms, direct_ms, share(found, want), n),
        Line(rows, "the faiss index itself", direct_ms, None, share(theirs, want), n),
    ]
    if index.n_rows >= CODED_ROWS:
        (ms,) = interleaved([lambda q: index.search(q[None], K, exact=True)], queries[:20], 1)
        exact = [index.search(q[None], K, exact=True)[0][0] for q in queries[:20]]
        lines.append(Line(rows, "k-NN, exact float16 scan", ms, None, share(exact, want[:20]), 20))
    ranked = [svm().search(Query(vector=q), index, K).rows for q in queries]
    return [*lines, Line(rows, "SVM, closed form", svm_ms, None, share(ranked, want_svm), n)]


def filtered(rows: str, index: VectorIndex, queries: np.ndarray) -> list[Line]:
    """Time filters; recall against the exact scan of the same float16 rows."""
    lines = []
    for kept in (0.5, 0.1, 0.01):
        allowed = np.random.default_rng(0).random(index.n_rows) < kept
        some = queries[:50]
        (ms,) = interleaved(
            [lambda q, a=allowed: knn().search(Query(vector=q), index, K, allowed=a)], some, 1
        )  # type: ignore[misc]
        found = [knn().search(Query(vector=q), index, K, allowed=allowed).rows for q in some]
        want = index.search(some, K, allowed=allowed, exact=True)[0]
        lines.append(Line(rows, f"k-NN, filter keeping {kept:.0%}", ms, None, share(found, want), len(some)))
    return lines


def report(lines: list[Line], arguments: argparse.Namespace) -> str:
    head = [
        "# Speed and recall of k-NN",
        "",
        f"Command: `python bench/knn_speed.py {command(arguments)}`",
        "",
        f"{platform.machine()}, {os.cpu_count()} cores, {arguments.threads} thread(s), faiss {faiss.__version__}, "
        f"d = {arguments.dim}, top {K}, seed {arguments.seed}, codes settle at {DEVIATIONS} deviations. Medians over "
        "single queries; both columns of a row from one interleaved run. The ratio counts, the ms depend on the load.",
        "",
        "| rows | search | p50 ms | faiss directly, ms | ratio | recall@10 | queries |",
        "|---|---|---|---|---|---|---|",
    ]
    return "\n".join([*head, *(row(line) for line in lines)]) + "\n"


def row(line: Line) -> str:
    direct = "" if line.direct is None else f"{line.direct:.2f}"
    ratio = "" if line.direct is None else f"**{line.ours / line.direct:.2f}**"
    return f"| {line.rows} | {line.what} | {line.ours:.2f} | {direct} | {ratio} | {line.recall:.4f} | {line.of} |"


def command(arguments: argparse.Namespace) -> str:
    what = (
        f"--vectors {arguments.vectors.name}"
        if arguments.vectors
        else f"--rows {' '.join(map(str, arguments.rows))}"
    )
    return f"{what} --threads {arguments.threads} --queries {arguments.queries} --rounds {arguments.rounds}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, nargs="+", default=[20_000, 30_000, 100_000, 1_000_000])
    parser.add_argument("--vectors", type=Path, help="a .npy of float rows to use instead of synthetic ones")
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    faiss.omp_set_num_threads(arguments.threads)
    lines: list[Line] = []
    if arguments.vectors:
        maker, queries = given(arguments.vectors, arguments.queries)
        lines += measure(arguments.vectors.name, maker, queries, arguments.rounds)
    else:
        for rows in arguments.rows:
            maker, queries = synthetic(rows, arguments.dim, arguments.queries, arguments.seed)
            lines += measure(f"{rows:,} rows", maker, queries, arguments.rounds)
    text = report(lines, arguments)
    print(text)
    if arguments.output:
        arguments.output.parent.mkdir(parents=True, exist_ok=True)
        arguments.output.write_text(text)


if __name__ == "__main__":
    main()
