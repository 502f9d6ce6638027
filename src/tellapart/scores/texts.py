"""Does the SVM find more than k-NN for text queries here? Read off what `evaluate` measured on this corpus."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tellapart.errors import TellapartError
from tellapart.experiments.statistics import FEW_QUERIES, compare
from tellapart.scores.vectors import Concern, Diagnostic

SVM, KNN = "svm", "knn"


def read_verdict(path: Path) -> Mapping[str, Any]:
    """Read what `evaluate --json` printed.

    Raises:
        TellapartError: the file is no such JSON.
    """
    try:
        shape = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(shape, dict) or not isinstance(shape["configurations"], list):
            raise ValueError
    except (OSError, ValueError, KeyError) as error:
        raise TellapartError(
            f"{path} is not a verdict: give a file that 'tellapart evaluate --json' printed"
        ) from error
    return shape


def text_diagnostics(verdict: Mapping[str, Any], *, seed: int = 0) -> tuple[Diagnostic, ...]:
    """Compare svm with knn wherever a verdict (documented JSON) measured both on the same queries."""
    cells: dict[tuple[str, str], dict[str, Mapping[str, float]]] = defaultdict(dict)
    for each in sorted(
        verdict["configurations"], key=lambda each: bool(each["parameters"])
    ):  # defaults first
        if each["ranker"] in (SVM, KNN):
            cells[each["encoder"], each["granularity"]].setdefault(each["ranker"], each["per_query"])
    both = {place: cell for place, cell in cells.items() if SVM in cell and KNN in cell}
    if not both:
        raise TellapartError(
            "the verdict holds no svm and knn of one encoder and granularity: evaluate both, then inspect it"
        )
    return tuple(
        _diagnostic(f"{encoder}/{granularity}", cell, verdict, seed)
        for (encoder, granularity), cell in sorted(both.items())
    )


def _diagnostic(
    place: str, cell: Mapping[str, Mapping[str, float]], verdict: Mapping[str, Any], seed: int
) -> Diagnostic:
    queries = sorted(cell[SVM].keys() & cell[KNN].keys())
    svm, knn = (np.array([cell[ranker][query] for query in queries]) for ranker in (SVM, KNN))
    found = compare(svm, knn, seed=seed)
    low, high = found.low, found.high
    independent = int(verdict.get("independent", len(queries)))
    told = min(independent, len(queries)) >= FEW_QUERIES and bool(np.isfinite([low, high]).all())
    answer = "yes" if told and low > 0 else "no" if told and high < 0 else "can't tell"
    action = {
        "yes": "search with --ranker svm, or let evaluate choose",
        "no": "stay with knn or hybrid for text queries",
        "can't tell": "judge more queries, or stay with the default",
    }
    return Diagnostic(
        name=f"svm for texts, {place}",
        value=found.difference,
        shown=f"{answer}: {found.difference:+.3f} {verdict['measure']} [{low:+.3f}, {high:+.3f}],"
        f" {len(queries)} queries, p {found.p:.3f}",
        verdict=Concern.UNKNOWN if answer == "can't tell" else Concern.FINE,
        healthy="an interval above 0: use the svm; below 0: do not",
        meaning=f"SVM minus k-NN on {verdict['source']} queries"
        + ("" if independent >= len(queries) else f", which stand for {independent} independent ones"),
        action=action[answer],
        verify="tellapart evaluate",
    )
