"""Do the intervals hold what they promise, and how often is noise taken for a gain?

    TELLAPART_DATA=... python bench/verdict_statistics.py --output docs/benchmarks/verdict_statistics.md

Coverage: all judged queries of a collection are the population; n of them are drawn with replacement, and the 95 %
interval of a paired difference of nDCG@10 should hold the population's own difference in 93 to 97 % of trials.

False "better": ten configurations are the default with noise. The noise is that of a real pair on the same queries
(the hybrid with .5 on the vectors against BM25), its sign drawn anew for every query and configuration, so that nothing
is better than anything. Counted are families in which any configuration is called significantly better than the
default, and those in which the default is left.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from development import COLLECTIONS, PLACE
from judged import data_folder, publish, table
from tellapart.experiments import Experiment
from tellapart.experiments.comparisons import Evidence
from tellapart.experiments.posterior.choice import choose
from tellapart.experiments.posterior.evidence import weigh
from tellapart.experiments.posterior.model import load_models
from tellapart.experiments.statistics import ALPHA, compare_all
from verdict_values import Values, human

SIZES = (50, 100, 200)
TRIALS = 4_000
FAMILIES = 400
MEMBERS = 10
DRAWS = 1_000
"""Of each interval and p here: fewer than in use, as there are thousands of them."""
SEED = 0
LARGE = ("scifact", "cosqa", "mbpp", "java-cs", "limit-small", "xquad-en", "cranfield")
"""Collections with at least 200 judged queries."""


def pairs(values: Values) -> dict[str, np.ndarray]:
    """Differences per query of some configurations with BM25, and of two that are alike."""
    default = next(name for name in values.names if name.startswith("minilm/") and name.endswith("/hybrid"))
    stem = default.rsplit("/", 1)[0]
    words = f"{stem.split('/')[1]}/bm25"
    return {
        "knn - bm25": values.column(f"{stem}/knn") - values.column(words),
        "hybrid - bm25": values.column(default) - values.column(words),
        "hybrid .7 - hybrid .5": values.column(f"{stem}/hybrid(weight=0.7)")
        - values.column(f"{stem}/hybrid(weight=0.5)"),
    }


def coverage(differences: np.ndarray, n: int, trials: int) -> np.ndarray:
    """Share of intervals that hold the population's means: (pairs,)."""
    random = np.random.default_rng([SEED, n])
    truth = differences.mean(axis=0)
    held = np.zeros(differences.shape[1])
    for trial in range(trials):
        drawn = differences[random.integers(0, len(differences), n)]
        for column, each in enumerate(compare_all(drawn, np.zeros(n), draws=DRAWS, seed=trial)):
            held[column] += each.low <= truth[column] <= each.high
    return held / trials


def false_better(values: Values, n: int, families: int) -> tuple[float, float]:
    """Share of families with a false "better", and of those in which the default was left."""
    random = np.random.default_rng([SEED, n])
    noise = pairs(values)["hybrid - bm25"]
    default = next(name for name in values.names if name.startswith("minilm/") and name.endswith("/hybrid"))
    base = values.column(default)
    better = left = 0
    for family in range(families):
        rows = random.integers(0, len(base), n)
        signs = random.choice((-1.0, 1.0), size=(n, MEMBERS))
        columns = base[rows, None] + signs * noise[rows, None] * (np.arange(MEMBERS) > 0)
        arms = {f"arm{member}/document/knn": columns[:, member] for member in range(MEMBERS)}
        first, second = list(arms)[:2]
        experiment = Experiment.from_values(arms, default=first, reference=second)
        evidence = Evidence.of(experiment, seed=family, draws=DRAWS)
        standings = evidence.standings.values()
        better += any(each.p_default <= ALPHA and each.vs_default.difference > 0 for each in standings)
        left += choose(weigh(experiment, load_models()), first).choice != first
    return better / families, left / families


def document(every: Sequence[tuple[str, Values]], command: str) -> str:
    covered, null = [], []
    for name, values in every:
        differences = np.stack(list(pairs(values).values()), axis=1)
        rates = [coverage(differences, n, TRIALS) for n in SIZES]
        for position, pair in enumerate(pairs(values)):
            covered.append([name, pair, *(f"{rate[position]:.3f}" for rate in rates)])
        wrong = false_better(values, 100, FAMILIES)
        null.append([name, *(f"{rate:.3f}" for rate in wrong)])
        sys.stderr.write(f"{name}\n")
    figures = np.array([[float(cell) for cell in row[2:]] for row in covered])
    covered.append(["**mean**", "", *(f"**{mean:.3f}**" for mean in figures.mean(axis=0))])
    covered.append(
        [
            "**lowest, highest**",
            "",
            *(f"{low:.3f}, {high:.3f}" for low, high in zip(figures.min(0), figures.max(0), strict=True)),
        ]
    )
    mean = np.array([[float(cell) for cell in row[1:]] for row in null]).mean(axis=0)
    null.append(["**mean**", *(f"**{each:.3f}**" for each in mean)])
    explained = (__doc__ or "").split("verdict_statistics.md", 1)[1].strip()
    return (
        f"# The statistics of the verdict\n\n`{command}`\n\n{explained} Seed {SEED}, {DRAWS:,} draws each.\n\n"
        f"## Coverage, {TRIALS:,} trials\n\n"
        + table(["set", "pair", *(f"n = {n}" for n in SIZES)], covered)
        + f'\n## False "better", {FAMILIES} families of {MEMBERS}, n = 100\n\n'
        + table(["set", "any called better", "default left"], null)
    )


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--indexes", type=Path, metavar="DIR", default=PLACE)
    options.add_argument("--output", type=Path, metavar="FILE")
    chosen = options.parse_args()
    data = data_folder()
    every = [(each.name, human(each, data, chosen.indexes)) for each in COLLECTIONS if each.name in LARGE]
    publish(document(every, "python bench/verdict_statistics.py"), chosen.output)


if __name__ == "__main__":
    main()
