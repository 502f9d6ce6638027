"""The second stage of the structure ranker: what minilm's similarities add to words, names and places.

    TELLAPART_DATA=... python bench/code_vectors.py --checkouts DIR --output FILE

Encoding every unit of all repositories takes hours, so only what the second stage looks at is encoded: of the first
FILES files that words find for a query, the UNITS best units by words and the head of the file. The weights that choose
them were fitted without the query's repository. Vectors are kept in the user's cache: a second run is quick.

For prose-like queries the logit of the first stage, scaled, and three similarities make the second; symbol-like queries
keep the first: on them similarities only lost. `--write` writes the weights; `--only` names what is encoded.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from code_data import Judged, Searched, repositories, searched
from code_fit import Vector, calibrate, cross_fit, fit, fit_kind, folds
from code_search import CATEGORIES, by_repository_means, levels, table_of
from judged import data_folder, publish, table
from tellapart.corpus.document import Granularity
from tellapart.encoders.load import load_encoder
from tellapart.encoders.protocol import Encoder
from tellapart.experiments.statistics import compare
from tellapart.rankers.structure_features import FEATURES, NEAR_FEATURES, Side
from tellapart.rankers.structure_weights import WEIGHTS, Weights

ENCODER = "minilm"
FIRST = len(FEATURES)
FILES, UNITS = 10, 2
"""What the second stage looks at: a list of ten files has room for little else."""


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--checkouts", type=Path, required=True)
    options.add_argument("--indexes", type=Path, default=Path("build") / "code")
    options.add_argument("--only", action="append", default=[])
    options.add_argument("--write", action="store_true")
    options.add_argument("--output", type=Path)
    chosen = options.parse_args()
    every = repositories(data_folder(), chosen.checkouts)
    words = [
        one.judged(query)
        for one in searched(every, chosen.indexes)
        for query in one.repository.annotations.targets
    ]
    fold = folds(words, lambda each: each.repository.name, min(5, len(every)))
    run = cross_fit(words, FEATURES, fold)
    weights = {each.query: own for each, own in zip(words, run.weights, strict=True)}
    encoder, near, units = load_encoder(ENCODER), list[Judged](), 0
    encoded_ones = [each for each in every if not chosen.only or each.name in chosen.only]
    for one in searched(encoded_ones, chosen.indexes):
        judged, encoded = _second_stage(one, weights, encoder)
        near += judged
        units += encoded
        sys.stderr.write(f"{one.repository.name}: {encoded:,} units\n")
    place = {each.query: at for at, each in enumerate(words)}
    kept = [place[each.query] for each in near]
    first, first_values = [run.weights[at] for at in kept], run.values[kept]
    scored = _scores(near, first, fold[kept])
    values = np.array([each.value(own) for each, own in zip(near, scored, strict=True)])
    rows = [
        ["words, names, places", *levels(near, first_values), ""],
        ["and minilm", *levels(near, values), _gap(near, values, first_values)],
    ]
    names = ", ".join(each.name for each in encoded_ones)
    publish(
        f"# Code search with vectors\n\n`python bench/code_vectors.py`: {len(encoded_ones)} repositories, {len(near)}"
        " queries, one unit a file, every query scored by weights of both stages fitted without its repository (the"
        " folds of bench/code_search.py). Only what the second stage looks at was encoded: of the first"
        f" {FILES} files that words find for a query, the {UNITS} best units by words and the head; {units:,} units in"
        " all. Intervals are paired over repositories.\n\n"
        + table(["", "nDCG@10", *CATEGORIES, "minus words"], rows)
        + "\n## By language\n\n"
        + _by_language(near, first_values, values)
        + f"\nThe repositories: {names}. The weights of words come from all {len(every)}."
        " What is shipped for the second stage was fitted on 7 repositories that were encoded whole.\n",
        chosen.output,
    )
    if chosen.write:
        _write(near, scored, fit(words, FEATURES))


def _second_stage(
    one: Searched, weights: Mapping[str, Weights], encoder: Encoder
) -> tuple[list[Judged], int]:
    """Judge the files that the second stage looks at; say how many units were encoded for them."""
    files: dict[str, NDArray[np.int64]] = {}
    rows: dict[Granularity, set[int]] = {}
    for query in one.repository.annotations.targets:
        files[query], chosen = _looked_at(one, one.sides(query), weights[query])
        for level, own in chosen.items():
            rows.setdefault(level, set()).update(own)
    one.encode(encoder, {level: sorted(own) for level, own in rows.items()})
    return [one.judged(query, among) for query, among in files.items()], sum(map(len, rows.values()))


def _looked_at(
    one: Searched, sides: Sequence[Side], weights: Weights
) -> tuple[NDArray[np.int64], dict[Granularity, list[int]]]:
    """Choose the first files by words, and in each the best units by words and the head."""
    found, _ = one.ranker(weights).find(sides)
    logits = found.features.astype(np.float64) @ weights.of(found.asked)
    files = found.positions[np.argsort(-logits, kind="stable")[:FILES]]
    rows: dict[Granularity, list[int]] = {side.granularity: [] for side in sides}
    for position in files.tolist():
        for side, dense in zip(sides, found.dense, strict=True):
            low, high = side.offsets[position : position + 2].tolist()
            best = np.argsort(-dense[low:high], kind="stable")[:UNITS].tolist() if low < high else []
            rows[side.granularity] += [low + at for at in dict.fromkeys([*best, *([0] if best else [])])]
    return files, rows


def _scores(near: Sequence[Judged], first: Sequence[Weights], fold: NDArray[np.int64]) -> list[Vector]:
    """Score by both stages, fitted without a query's own fold."""
    second = {
        number: _second([(each, own) for each, own, f in zip(near, first, fold, strict=True) if f != number])
        for number in sorted(set(fold.tolist()))
    }
    return [
        _score(each, own, second[number])
        for each, own, number in zip(near, first, fold.tolist(), strict=True)
    ]


def _second(judged: Sequence[tuple[Judged, Weights]]) -> Vector:
    """Fit the scale of the first stage and the weights of the similarities, for prose-like queries."""
    prose = [replace(each, features=_reduced(each, first)) for each, first in judged if not each.asked.symbol]
    return fit_kind(prose, np.arange(1 + len(NEAR_FEATURES)))


def _reduced(each: Judged, first: Weights) -> Vector:
    return np.column_stack([each.features[:, :FIRST] @ first.of(each.asked), each.features[:, FIRST:]])


def _score(each: Judged, first: Weights, second: Vector) -> Vector:
    reduced = _reduced(each, first)
    return np.asarray(reduced[:, 0] if each.asked.symbol else reduced @ second)


def _gap(judged: Sequence[Judged], a: Vector, b: Vector) -> str:
    found = compare(by_repository_means(judged, a), by_repository_means(judged, b))
    return f"{found.difference:+.3f} [{found.low:+.3f}, {found.high:+.3f}], p {found.p:.3f}"


def _by_language(judged: Sequence[Judged], *columns: Vector) -> str:
    languages = np.array([each.repository.language for each in judged])
    rows = []
    for name in sorted(set(languages)):
        own = [each for each, language in zip(judged, languages, strict=True) if language == name]
        rows.append(
            [name, *(f"{by_repository_means(own, v[languages == name]).mean():.3f}" for v in columns)]
        )
    return table(["language", "words, names, places", "and minilm"], rows)


def _write(near: Sequence[Judged], scored: Sequence[Vector], first: Weights) -> None:
    second = _second([(each, first) for each in near])
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
