"""What the exemplar SVM costs: the exact solver against liblinear, the closed form against k-NN, examples.

    python bench/svm_speed.py --output docs/benchmarks/svm_speed.md

Synthetic rows as in bench/knn_speed.py; what is compared takes turns, query by query, in one run, and what is kept
for a generation (moments, spectrum, codes) was made before and is not counted. `--keep` keeps the rows between runs.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import faiss
import numpy as np

from judged import publish, table
from knn_speed import interleaved, share, synthetic, truth
from tellapart.index.vectors import VectorIndex, build_derived, open_vectors, write_vectors
from tellapart.rankers.exact import ExactSVM
from tellapart.rankers.examples import like_rows
from tellapart.rankers.query import Query
from tellapart.rankers.registry import FEEDBACK, feedback
from tellapart.rankers.rocchio import knn
from tellapart.rankers.svm import ClosedFormSVM, svm

K = 10
DIM = 384
SEED = 0
FORMS = (
    ("lambda 100", ClosedFormSVM(100.0)),
    ("lambda 10 (default)", ClosedFormSVM()),
    ("lambda 1", ClosedFormSVM(1.0)),
    ("C = .1", ClosedFormSVM(c=0.1)),
)


BY_EXAMPLES = ("svm", "ridge", "expanded-ridge")
EXAMPLES = """
## Examples beside a text query

Examples are drawn at random: their mean is near to thousands of units at once, which codes hardly tell apart. The
updates of expanded-ridge hold its first search.

"""


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
    """Time the updates by examples of the index beside a text query, and the search that follows and leaves them out.

    What a ranker keeps of its last query does not help: each is asked anew.
    """
    for liked, unliked in ((1, 0), (5, 0), (10, 10)):
        for name in BY_EXAMPLES:
            solving, searching = [], []
            for i, query in enumerate(queries):
                chosen = np.random.default_rng(i).permutation(rows)[: liked + unliked].tolist()
                asked = like_rows(index, chosen[:liked], chosen[liked:], vector=query)
                allowed = np.ones(rows, dtype=bool)
                allowed[chosen] = False
                started = time.perf_counter()
                FEEDBACK[name](asked, index)
                solving.append(time.perf_counter() - started)
                started = time.perf_counter()
                feedback(name).search(asked, index, K, allowed=allowed)
                searching.append(time.perf_counter() - started)
            medians = (f"{1e3 * float(np.median(part)):.2f}" for part in (solving, searching))
            yield [f"{rows:,}", f"{liked} + {unliked}", name, *medians, str(len(queries))]


def page(arguments: argparse.Namespace) -> str:
    count = arguments.queries
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
        f"Command: `python bench/svm_speed.py`, {count} queries, {arguments.rounds} rounds; "
        f"{machine()}, one thread, d = {DIM}, seed {SEED}, medians. "
        "LinearSVC is scikit-learn's at its default tolerance (1e-4) on the same rows in float64.\n\n"
        "## The exact solver\n\n"
    )
    text += table(head, exact)
    head = ["units", "ranker", "p50 ms", "to k-NN", f"recall@{K}", "queries"]
    text += "\n## The closed form on the index of k-NN\n\n" + table(head, closed)
    head = ["units", "liked + unliked", "ranker", "updates, ms", "updates and search, ms", "queries"]
    return text + EXAMPLES + table(head, examples)


def machine() -> str:
    return f"{platform.machine()}, {os.cpu_count()} cores, faiss {faiss.__version__}, numpy {np.__version__}"


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000])
    options.add_argument("--queries", type=int, default=20)
    options.add_argument("--fits", type=int, default=3, help="queries that LinearSVC solves too")
    options.add_argument("--rounds", type=int, default=2)
    options.add_argument("--keep", type=Path, metavar="DIR")
    options.add_argument("--output", type=Path, metavar="FILE")
    chosen = options.parse_args()
    faiss.omp_set_num_threads(1)
    publish(page(chosen), chosen.output)


if __name__ == "__main__":
    main()
