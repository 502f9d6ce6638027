"""The second stage of the structure ranker: what minilm's similarities add to words, names and places.

    TELLAPART_DATA=... python bench/code_vectors.py --checkouts DIR --only flask --only click ... --output FILE

Encoding all repositories takes an hour, so those named with `--only` are encoded; the weights of words come from all.
For prose-like queries the logit of the first stage, scaled, and three similarities make the second; symbol-like queries
keep the first: on them similarities only lost. `--write` writes the weights that are shipped.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from code_data import Judged, Repository, repositories, searched
from code_fit import Vector, calibrate, cross_fit, fit, fit_kind, folds
from code_search import CATEGORIES, by_repository_means, levels, table_of
from judged import data_folder, publish, table
from tellapart.experiments.statistics import compare
from tellapart.rankers.structure import WEIGHTS, Weights
from tellapart.rankers.structure_features import FEATURES, NEAR_FEATURES

ENCODER = "minilm"
FIRST = len(FEATURES)


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--checkouts", type=Path, required=True)
    options.add_argument("--indexes", type=Path, default=Path("build") / "code")
    options.add_argument("--encoded", type=Path, default=Path("build") / "code-minilm")
    options.add_argument("--only", action="append", default=[], required=True)
    options.add_argument("--write", action="store_true")
    options.add_argument("--output", type=Path)
    chosen = options.parse_args()
    every = repositories(data_folder(), chosen.checkouts)
    words = _judged(every, chosen.indexes, None)
    near = _judged([each for each in every if each.name in chosen.only], chosen.encoded, ENCODER)
    scored = [_scores(each, *_without(each.repository.name, words, near)) for each in near]
    values = np.array([each.value(own) for each, own in zip(near, scored, strict=True)])
    first = cross_fit(words, FEATURES, folds(words, lambda each: each.repository.name)).values
    by_query = {each.query: value for each, value in zip(words, first, strict=True)}
    alone = np.array([by_query[each.query] for each in near])
    gap = compare(by_repository_means(near, values), by_repository_means(near, alone))
    shown = f"{gap.difference:+.3f} [{gap.low:+.3f}, {gap.high:+.3f}], p {gap.p:.3f}"
    rows = [["words, names, places", *levels(near, alone), ""], ["and minilm", *levels(near, values), shown]]
    names = sorted({each.repository.name for each in near})
    publish(
        f"# Code search with vectors\n\n`python bench/code_vectors.py`: {len(names)} repositories ({', '.join(names)}),"
        f" {len(near)} queries, one unit a file, each repository scored by weights fitted without it. The interval is"
        " paired over repositories: so few cannot tell a small gain from none.\n\n"
        + table(["", "nDCG@10", *CATEGORIES, "minus words"], rows),
        chosen.output,
    )
    if chosen.write:
        _write(near, scored, fit(words, FEATURES), words)


def _judged(every: Sequence[Repository], place: Path, encoder: str | None) -> list[Judged]:
    return [
        one.judged(query)
        for one in searched(every, place, encoder)
        for query in one.repository.annotations.targets
    ]


def _without(name: str, words: Sequence[Judged], near: Sequence[Judged]) -> tuple[Weights, Vector]:
    """Fit both stages without one repository."""
    first = fit([each for each in words if each.repository.name != name], FEATURES)
    return first, _second([each for each in near if each.repository.name != name], first)


def _second(near: Sequence[Judged], first: Weights) -> Vector:
    """Fit the scale of the first stage and the weights of the similarities, for prose-like queries."""
    prose = [replace(each, features=_reduced(each, first)) for each in near if not each.asked.symbol]
    return fit_kind(prose, np.arange(1 + len(NEAR_FEATURES)))


def _reduced(each: Judged, first: Weights) -> Vector:
    return np.column_stack([each.features[:, :FIRST] @ first.of(each.asked), each.features[:, FIRST:]])


def _scores(each: Judged, first: Weights, second: Vector) -> Vector:
    reduced = _reduced(each, first)
    return np.asarray(reduced[:, 0] if each.asked.symbol else reduced @ second)


def _write(near: Sequence[Judged], scored: Sequence[Vector], first: Weights, words: Sequence[Judged]) -> None:
    second = _second(near, first)
    shares, relevant = table_of(near, scored)
    names = FEATURES + NEAR_FEATURES
    prose, symbol = [*(second[0] * first.prose), *second[1:]], [*first.symbol, *np.zeros(len(NEAR_FEATURES))]
    tables = json.loads(WEIGHTS.read_text(encoding="utf-8"))
    tables["vectors"] = {
        "features": list(names),
        "prose": {name: round(float(w), 4) for name, w in zip(names, prose, strict=True)},
        "symbol": {name: round(float(w), 4) for name, w in zip(names, symbol, strict=True)},
        "calibration": [round(each, 4) for each in calibrate(shares, relevant)],
    }
    WEIGHTS.write_text(json.dumps(tables, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
