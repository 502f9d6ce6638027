"""The structure ranker on semble's benchmark: what it reaches out of fold, what each part gives, and its weights.

    TELLAPART_DATA=... python bench/code_search.py --checkouts DIR --semble FILE --output docs/benchmarks/code_search.md

DIR holds a folder for each repository of `semble-bench/repos.json`, at its pinned revision; FILE is what
`bench/code_semble.py` wrote, run by an interpreter that has semble. `--write` fits on everything and writes the weights
that are shipped. bench/code_vectors.py adds the second stage.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from code_data import TOP, Judged, Repository, repositories, searched, value
from code_fit import CrossFitted, Vector, calibrate, cross_fit, fit, folds, shares
from judged import data_folder, publish, table
from tellapart.experiments.statistics import Comparison, compare
from tellapart.rankers.structure import DECAY
from tellapart.rankers.structure_features import FEATURES
from tellapart.rankers.structure_weights import WEIGHTS
from tellapart.scores.calibration import expected_calibration_error

GROUPS: Mapping[str, tuple[str, ...]] = {
    "best unit by BM25": ("best", "rank"),
    "third-best and summed units": ("third", "sum"),
    "tests, examples, prose, depth": ("test_folder", "test_name", "example", "prose", "depth"),
    "words of the path": ("stem_covered", "stem_words", "path_words", "stem_length"),
    "definitions and labels": ("defined", "defined_loosely", "stem_is_name", "label_covered"),
}
CATEGORIES = ("symbol", "semantic", "architecture")
DECAYS = (0.01, 0.02, 0.05, 0.1, 0.25, 0.5)


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--checkouts", type=Path, required=True)
    options.add_argument("--indexes", type=Path, default=Path("build") / "code")
    options.add_argument("--semble", type=Path, required=True)
    options.add_argument("--only", action="append", default=[])
    options.add_argument("--write", action="store_true")
    options.add_argument("--output", type=Path)
    chosen = options.parse_args()
    every = repositories(data_folder(), chosen.checkouts, chosen.only)
    semble = json.loads(chosen.semble.read_text(encoding="utf-8"))
    judged: list[Judged] = []
    base: list[float] = []
    names: tuple[str, ...] = FEATURES
    for one in searched(every, chosen.indexes):
        names = one.columns
        for number, (query, targets) in enumerate(one.repository.annotations.targets.items()):
            judged.append(one.judged(query))
            base.append(
                value([tuple(hit) for hit in semble[one.repository.name]["results"][number]], targets)
            )
    theirs = np.array(base)
    by_repository = folds(judged, lambda each: each.repository.name, min(5, len(every)))
    main_run = cross_fit(judged, names, by_repository)
    served = _as_served(every, judged, main_run, chosen.indexes)
    text = _page(judged, names, theirs, main_run, served, by_repository)
    if chosen.write:
        _write("words", judged, names, main_run)
    publish(text, chosen.output)


def _as_served(
    every: Sequence[Repository], judged: Sequence[Judged], run: CrossFitted, place: Path
) -> dict[float, Vector]:
    """Score the lists that a user gets, several units of a file included, by weights out of fold, for each decay."""
    weights = {each.query: own for each, own in zip(judged, run.weights, strict=True)}
    values: dict[float, list[float]] = {decay: [] for decay in DECAYS}
    for one in searched(every, place):
        for query, targets in one.repository.annotations.targets.items():
            for decay, own in values.items():
                own.append(value(one.answer(query, weights[query], decay), targets))
    return {decay: np.array(own) for decay, own in values.items()}


def by_repository_means(judged: Sequence[Judged], values: Vector) -> Vector:
    """Mean of each repository, in the order of their names."""
    owners = np.array([each.repository.name for each in judged])
    return np.array([values[owners == name].mean() for name in sorted(set(owners))])


def _page(
    judged: Sequence[Judged],
    names: tuple[str, ...],
    theirs: Vector,
    run: CrossFitted,
    served: Mapping[float, Vector],
    fold: NDArray[np.int64],
) -> str:
    candidates = sum(len(each.features) for each in judged) / len(judged)
    reachable = np.mean([each.value(each.relevant.astype(float)) for each in judged])
    languages = sorted({each.repository.language for each in judged})
    by_language = cross_fit(
        judged, names, folds(judged, lambda each: each.repository.language, min(5, len(languages)))
    ).values
    single = cross_fit(judged, names, fold, one=True).values
    ours = {
        "**as served**, further units of a file after a decay": served[DECAY],
        "one unit a file": run.values,
        "one unit a file, folds by language": by_language,
        "one unit a file, one set of weights for both kinds of query": single,
    }
    rows = [["semble 0.7, BM25 + rules, no model", *levels(judged, theirs), ""]]
    rows += [[name, *levels(judged, values), _gap(judged, values, theirs)] for name, values in ours.items()]
    return f"""# Code search: files first

`python bench/code_search.py`: {len({e.repository.name for e in judged})} repositories, {len(judged)} queries of
semble's benchmark, nDCG@10 as semble counts it (a hit covers a target if one path is a suffix of the other and the
judged lines overlap), averaged over repositories, the three categories over queries. Everything of ours is out of
fold: five folds that leave whole repositories out, or whole languages. Intervals and p are paired over repositories,
10,000 draws. semble ran its own code on the same folders without its model (`alpha=0`). {candidates:.0f} candidate
files a query; ranked perfectly they would reach {reachable:.3f}.

{table(["", "nDCG@10", *CATEGORIES, "minus semble"], rows)}
## By language

{_by_language(judged, languages, served[DECAY], by_language, theirs)}
## What each group of features gives

Added one after another, and taken away from all (one unit a file, out of fold).

{_groups(judged, names, run, fold)}
## Further units of a file

Each scores its file's best unit times this share, once more for every further one. The product uses {DECAY}.

{_decays(judged, run, served)}
## Weights

Per standard deviation, fitted on everything; `structure.json` holds them as they are applied.

{_weights(judged, names)}
## Probability

{_probability(judged, run)}"""


def _by_language(judged: Sequence[Judged], languages: Sequence[str], *columns: Vector) -> str:
    rows = [
        [name, *(f"{_mean(judged, v, lambda e, n=name: e.repository.language == n):.3f}" for v in columns)]  # type: ignore[misc]
        for name in languages
    ]
    return table(["language", "as served", "folds by language", "semble"], rows)


def _groups(judged: Sequence[Judged], names: Sequence[str], run: CrossFitted, fold: NDArray[np.int64]) -> str:
    rows: list[list[str]] = []
    kept: list[str] = []
    before: Vector | None = None
    for group, own in GROUPS.items():
        kept += own
        with_it = cross_fit(judged, names, fold, kept).values
        without = cross_fit(judged, names, fold, [name for name in names if name not in own]).values
        added = "" if before is None else _gap(judged, with_it, before)
        rows.append([group, f"{_mean(judged, with_it):.3f}", added, _gap(judged, without, run.values)])
        before = with_it
    return table(["group", "with those above", "added", "taken away from all"], rows)


def _decays(judged: Sequence[Judged], run: CrossFitted, served: Mapping[float, Vector]) -> str:
    rows = [[f"{d}", *levels(judged, v), _gap(judged, v, run.values)] for d, v in served.items()]
    return table(["share", "nDCG@10", *CATEGORIES, "minus one unit a file"], rows)


def _weights(judged: Sequence[Judged], names: Sequence[str]) -> str:
    fitted = fit(judged, names)
    deviations = np.concatenate([each.features for each in judged]).std(axis=0)
    rows = [
        [name, f"{p * d:+.2f}", f"{s * d:+.2f}"]
        for name, p, s, d in zip(names, fitted.prose, fitted.symbol, deviations, strict=True)
    ]
    return table(["feature", "prose-like", "symbol-like"], rows)


def _probability(judged: Sequence[Judged], run: CrossFitted) -> str:
    """Say how P(file) of the first ten files out of fold compares with how often they were relevant."""
    p, relevant, first, owners = _top_shares(judged, run)
    repositories = np.array(sorted(set(owners)))
    halves = np.isin(owners, repositories[::2])
    mapped = np.empty_like(p)
    for part in (halves, ~halves):
        intercept, slope = calibrate(p[~part], relevant[~part])
        odds = np.log(p[part] / (1 - p[part]))
        mapped[part] = 1 / (1 + np.exp(-(intercept + slope * odds)))
    rows = [
        [
            name,
            f"{v[first].mean():.2f}",
            f"{expected_calibration_error(v[first], relevant[first]):.3f}",
            f"{expected_calibration_error(v, relevant):.3f}",
        ]
        for name, v in (("P(file), as the logit gives it", p), ("after Platt's map", mapped))
    ]
    return (
        f"The first hit's file is relevant in {relevant[first].mean():.2f} of the queries. Calibration error over ten"
        " equal bins; the map is fitted on half of the repositories and judged on the other.\n\n"
        + table(["", "mean of the first hit", "error, first hits", "error, first ten files"], rows)
    )


def _top_shares(
    judged: Sequence[Judged], run: CrossFitted
) -> tuple[Vector, np.ndarray, np.ndarray, np.ndarray]:
    p, relevant, first, owners = [], [], [], []
    for each, weights in zip(judged, run.weights, strict=True):
        own = np.clip(shares(each, weights), 1e-9, 1 - 1e-9)
        order = np.argsort(-own, kind="stable")[:TOP]
        p.append(own[order])
        relevant.append(each.relevant[order])
        first.append(np.arange(len(order)) == 0)
        owners += [each.repository.name] * len(order)
    return np.concatenate(p), np.concatenate(relevant), np.concatenate(first), np.array(owners)


def table_of(judged: Sequence[Judged], scored: Sequence[Vector]) -> tuple[Vector, NDArray[np.bool_]]:
    """P(file) of the first ten files of each query by their scores, and which are relevant."""
    p, relevant = [], []
    for each, scores in zip(judged, scored, strict=True):
        own = np.exp(scores - scores.max())
        order = np.argsort(-own, kind="stable")[:TOP]
        p.append(np.clip(own[order] / own.sum(), 1e-9, 1 - 1e-9))
        relevant.append(each.relevant[order])
    return np.concatenate(p), np.concatenate(relevant)


def _write(stage: str, judged: Sequence[Judged], names: Sequence[str], run: CrossFitted) -> None:
    """Write the weights fitted on everything, and the map fitted on P out of fold."""
    fitted = fit(judged, names)
    p, relevant, _, _ = _top_shares(judged, run)
    tables = json.loads(WEIGHTS.read_text(encoding="utf-8")) if WEIGHTS.exists() else {}
    tables[stage] = {
        "features": list(names),
        "prose": {name: round(float(w), 4) for name, w in zip(names, fitted.prose, strict=True)},
        "symbol": {name: round(float(w), 4) for name, w in zip(names, fitted.symbol, strict=True)},
        "calibration": [round(each, 4) for each in calibrate(p, relevant)],
    }
    WEIGHTS.write_text(json.dumps(tables, indent=1) + "\n", encoding="utf-8")


def levels(judged: Sequence[Judged], values: Vector) -> list[str]:
    """Mean over repositories, then over the queries of each category."""
    categories = np.array([each.category for each in judged])
    return [
        f"{_mean(judged, values):.3f}",
        *(f"{values[categories == name].mean():.3f}" for name in CATEGORIES),
    ]


def _mean(judged: Sequence[Judged], values: Vector, only: Callable[[Judged], bool] = lambda _: True) -> float:
    keep = np.array([only(each) for each in judged])
    return float(
        by_repository_means([e for e, k in zip(judged, keep, strict=True) if k], values[keep]).mean()
    )


def _gap(judged: Sequence[Judged], a: Vector, b: Vector) -> str:
    found: Comparison = compare(by_repository_means(judged, a), by_repository_means(judged, b))
    return f"{found.difference:+.3f} [{found.low:+.3f}, {found.high:+.3f}], p {found.p:.3f}"


if __name__ == "__main__":
    main()
