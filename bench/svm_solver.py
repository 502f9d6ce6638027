"""The exemplar SVM's solvers: the exact one against liblinear, and what both cost.

    TELLAPART_DATA=... python bench/svm_solver.py agreement --indexes DIR --output docs/benchmarks/svm_solver.md
    python bench/svm_solver.py speed --output docs/benchmarks/svm_speed.md

`agreement`: DIR holds the collections as indexes (bench/development.py makes them); every judged query is the one
positive against all documents of its collection, the same float16 vectors for both solvers. `speed`: the synthetic
rows of bench/knn_speed.py; what is compared takes turns, query by query, in one run, and what is kept for a
generation (moments, spectrum, codes) was made before and is not counted. `--keep` keeps the rows between runs.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import faiss
import numpy as np

from judged import data_folder, load, publish, table
from knn_speed import interleaved, share, synthetic, truth
from tellapart.corpus.types import Granularity
from tellapart.engine import Index
from tellapart.index.vectors import VectorIndex, build_derived, open_vectors, write_vectors
from tellapart.rankers.exact import ExactSVM, exact_svm
from tellapart.rankers.examples import like_rows
from tellapart.rankers.knn import knn
from tellapart.rankers.query import Query
from tellapart.rankers.svm import ClosedFormSVM, svm

SETS = (("cranfield", "test"), ("cisi", "test"), ("cacm", "test"), ("scifact", "train"))
CASES = (("minilm", 0.1), ("minilm", 1.0), ("lsa", 0.1))
K = 10
DIM = 384
SEED = 0
FORMS = (
    ("lambda 100", ClosedFormSVM(100.0)),
    ("lambda 10 (default)", ClosedFormSVM()),
    ("lambda 1", ClosedFormSVM(1.0)),
    ("C = .1", ClosedFormSVM(c=0.1)),
)


@dataclass(frozen=True)
class Agreement:
    """One query solved twice."""

    difference: float
    identical: bool
    certified: bool
    ours: float
    theirs: float


def liblinear(rows: np.ndarray, query: np.ndarray, c: float, tol: float) -> tuple[np.ndarray, float]:
    """Decision values of the rows, and the seconds that fitting took."""
    from sklearn.svm import LinearSVC

    features = np.vstack([query, rows]).astype(np.float64)
    labels = np.r_[1, -np.ones(len(rows))]
    started = time.perf_counter()
    solver = LinearSVC(C=c, class_weight="balanced", dual=False, tol=tol, max_iter=100_000).fit(
        features, labels
    )
    seconds = time.perf_counter() - started
    return solver.decision_function(features[1:]), seconds


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


def written(folder: Path, maker: Callable[[], Iterator[np.ndarray]]) -> VectorIndex:
    """Make an index of synthetic rows as `tellapart index` would, or open the one that is there."""
    if not (folder / "derived").is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        for i, block in enumerate(maker()):
            write_vectors(folder / f"{i}.npy", block)
    count = len(list(folder.glob("*.npy")))
    index = VectorIndex(
        [open_vectors(folder / f"{i}.npy") for i in range(count)], None, folder / "derived", "1"
    )
    build_derived(index)
    return index


def exact_lines(rows: int, index: VectorIndex, queries: np.ndarray, *, fit: bool) -> Iterator[list[str]]:
    """Time the exact solver, query by query in turn with LinearSVC at its default tolerance."""
    whole = index.matrix() if fit else None
    for name, form in (("C = .1", ClosedFormSVM(c=0.1)), ("C = 1", ClosedFormSVM(c=1.0)), FORMS[1]):
        ours, theirs, rounds, active = [], [], [], []
        for query in queries:
            asked, solver = Query(vector=query), ExactSVM(form)
            started = time.perf_counter()
            linear = solver(asked, index)
            ours.append(time.perf_counter() - started)
            assert linear.certificate is not None
            assert linear.certificate.holds
            rounds.append(linear.certificate.rounds)
            active.append(linear.certificate.active)
            if whole is not None:
                c = form.c or 1.0 / (form.ridge(index.spectrum(), rows) * (rows + 1))
                theirs.append(liblinear(whole, query, c, 1e-4)[1])
        mine, other = float(np.median(ours)), float(np.median(theirs)) if theirs else 0.0
        yield [
            f"{rows:,}",
            name,
            f"{1e3 * mine:.0f}",
            f"{1e3 * other:,.0f}" if theirs else "",
            f"**{other / mine:.0f}**" if theirs else "",
            f"{np.median(active):,.0f}",
            f"{np.median(rounds):.0f}",
            str(len(queries)),
        ]


def closed_lines(
    rows: int, index: VectorIndex, maker: Callable[[], Iterator[np.ndarray]], queries: np.ndarray, rounds: int
) -> Iterator[list[str]]:
    """Time k-NN and closed forms in turn; recall against the exact float32 ranking of the same function."""
    rankers = [("k-NN", knn()), *((f"closed form, {name}", svm(form)) for name, form in FORMS)]
    directions = [[ranker.direction(Query(vector=q), index).w for q in queries] for _, ranker in rankers]
    best = truth(maker(), np.array(directions, dtype=np.float32).reshape(-1, DIM)).reshape(
        len(rankers), -1, K
    )
    calls = [lambda q, r=ranker: r.search(Query(vector=q), index, K) for _, ranker in rankers]
    times = interleaved(calls, queries, rounds)
    for (name, ranker), ms, want in zip(rankers, times, best, strict=True):
        found = [ranker.search(Query(vector=q), index, K).rows for q in queries]
        ratio = "" if name == "k-NN" else f"**{ms / times[0]:.2f}**"
        yield [f"{rows:,}", name, f"{ms:.2f}", ratio, f"{share(found, want):.4f}", str(len(queries))]


def feedback_lines(rows: int, index: VectorIndex, queries: np.ndarray) -> Iterator[list[str]]:
    """Time the updates by examples of the index beside a text query, and the search that follows."""
    form, ranker = ClosedFormSVM(), svm()
    for liked, unliked in ((1, 0), (5, 0), (10, 10)):
        solving, searching = [], []
        for i, query in enumerate(queries):
            chosen = np.random.default_rng(i).permutation(rows)[: liked + unliked].tolist()
            asked = like_rows(index, chosen[:liked], chosen[liked:], vector=query)
            started = time.perf_counter()
            form(asked, index)
            solving.append(time.perf_counter() - started)
            started = time.perf_counter()
            ranker.search(asked, index, K)
            searching.append(time.perf_counter() - started)
        medians = (f"{1e3 * float(np.median(part)):.2f}" for part in (solving, searching))
        yield [f"{rows:,}", f"{liked} + {unliked}", *medians, str(len(queries))]


def agreement(arguments: argparse.Namespace) -> str:
    data_folder()
    head = [
        "set (documents)", "encoder", "C", "queries", "largest difference of a score", f"top {K} identical",
        "certified", "ours, ms", "liblinear, ms",
    ]  # fmt: skip
    return (
        "# The exact exemplar SVM against liblinear\n\n"
        f"Command: `python bench/svm_solver.py agreement --indexes DIR --queries {arguments.queries or 500}`; "
        f"{machine()}. LinearSVC with "
        "class_weight balanced, dual=False, tol 1e-8. Identical means the same documents in the same order. "
        "Milliseconds are medians on a loaded machine: only their ratio means something.\n\n"
        + table(head, list(agreements(arguments.indexes, arguments.queries or 500)))
    )


def speed(arguments: argparse.Namespace) -> str:
    count = arguments.queries or 50
    exact: list[list[str]] = []
    closed: list[list[str]] = []
    examples: list[list[str]] = []
    with tempfile.TemporaryDirectory() as temporary:
        for position, rows in enumerate(arguments.rows):
            maker, asked = synthetic(rows, DIM, count, SEED)
            index = written((arguments.keep or Path(temporary)) / str(rows), maker)
            closed += closed_lines(rows, index, maker, asked, arguments.rounds)
            examples += feedback_lines(rows, index, asked[:20])
            exact += exact_lines(rows, index, asked[: arguments.fits], fit=position == 0)
    head = [
        "units",
        "regularisation",
        "exact, ms",
        "LinearSVC, ms",
        "ratio",
        "active units",
        "rounds",
        "queries",
    ]
    text = (
        "# What the exemplar SVM costs\n\n"
        f"Command: `python bench/svm_solver.py speed --rows {' '.join(map(str, arguments.rows))} "
        f"--queries {count} --rounds {arguments.rounds} --fits {arguments.fits}`; "
        f"{machine()}, one thread, d = {DIM}, seed {SEED}, medians. "
        "LinearSVC is scikit-learn's at its default tolerance (1e-4) on the same rows in float64.\n\n"
        "## The exact solver\n\n"
    )
    text += table(head, exact)
    head = ["units", "ranker", "p50 ms", "to k-NN", f"recall@{K}", "queries"]
    text += "\n## The closed form on the index of k-NN\n\n" + table(head, closed)
    head = ["units", "liked + unliked", "updates, ms", "updates and search, ms", "queries"]
    return text + "\n## Examples beside a text query\n\n" + table(head, examples)


def machine() -> str:
    return f"{platform.machine()}, {os.cpu_count()} cores, faiss {faiss.__version__}, numpy {np.__version__}"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("part", choices=("agreement", "speed"))
    parser.add_argument("--indexes", type=Path, metavar="DIR")
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--queries", type=int, help="default: 500 for agreement, 50 for speed")
    parser.add_argument("--fits", type=int, default=3, help="queries that LinearSVC solves too")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--keep", type=Path, metavar="DIR")
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    if arguments.part == "agreement" and arguments.indexes is None:
        parser.error("agreement needs --indexes DIR")
    faiss.omp_set_num_threads(1)
    publish((agreement if arguments.part == "agreement" else speed)(arguments), arguments.output)


if __name__ == "__main__":
    main()
