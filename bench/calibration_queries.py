"""Queries of the judged collections with what searches found for them, kept so that a run that was cut goes on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from judged import data_folder
from tellapart import Index
from tellapart.engine.configuration import Configuration
from tellapart.engine.hit_features import COMPARED_HITS, FEATURES
from tellapart.experiments.qrels import Qrels
from tellapart.experiments.query_set import QuerySet
from tellapart.scores.calibrating import observe_synthetic
from tellapart.scores.observing import ObservedQuery, observe, observe_foreign

SETS = {
    "wikiqa": ("wikiqa", ("dev", "train")),
    "scifact": ("scifact", ("train",)),
    "cosqa": ("cosqa", ("dev",)),
    "cranfield": ("cranfield", ("test",)),
    "cranfield, sources": ("cranfield", ("test_src",)),
    "xquad-en": ("xquad-en", ("paragraph",)),
    "med": ("med", ("test",)),
    "cisi": ("cisi", ("test",)),
}
"""Folder and splits. Every question of cranfield was asked by the author of a paper that is in the corpus: that
counts as not relevant by convention, and as relevant in *sources*."""

ELSEWHERE = 40
"""Queries drawn of each other collection, as queries about something else."""

FIELDS = ("features", "relevant", "without")
"""Those of an observed query that are arrays."""


def drawn(queries: QuerySet, at_most: int) -> QuerySet:
    """Keep some of the queries that have an answer, and as many of those without."""
    draw = np.random.default_rng(0)
    has = set(draw.permutation(queries.answerable())[:at_most].tolist())
    without = set(draw.permutation(sorted(queries.unanswered))[:at_most].tolist())
    return replace(
        queries,
        queries={each: text for each, text in queries.queries.items() if each in has},
        unanswered={each: text for each, text in queries.unanswered.items() if each in without},
    )


def kept_observed(
    place: Path, index: Index, queries: QuerySet, configuration: Configuration, hits: int
) -> list[ObservedQuery]:
    """Search, or read what was found before: so many hits of each query."""
    if not place.exists():
        _keep(place, observe(index, queries, configuration), hits)
    return read_observed(place)


def kept_synthetic(place: Path, index: Index, configuration: Configuration) -> list[ObservedQuery]:
    """Search for queries made from the corpus, or read what was found before."""
    if not place.exists():
        _keep(place, observe_synthetic(index, configuration, 0), COMPARED_HITS)
    return read_observed(place)


def kept_foreign(place: Path, index: Index, configuration: Configuration) -> list[ObservedQuery]:
    """Search for the queries about something else that `calibrate` asks, or read what was found before."""
    if not place.exists():
        _keep(place, observe_foreign(index, configuration), COMPARED_HITS)
    return read_observed(place)


def kept_others(place: Path, index: Index, configuration: Configuration, folder: str) -> list[ObservedQuery]:
    """Search for queries of the other collections, or read what was found before."""
    if not place.exists():
        asked = {}
        for other in sorted({own for own, _ in SETS.values()} - {folder}):
            lines = (data_folder() / other / "queries.jsonl").read_text(encoding="utf-8").splitlines()
            texts = [json.loads(line)["text"] for line in lines]
            for at in np.random.default_rng(0).permutation(len(texts))[:ELSEWHERE].tolist():
                asked[f"{other} {at}"] = texts[at]
        _keep(place, observe(index, QuerySet({}, Qrels({}), unanswered=asked), configuration), COMPARED_HITS)
    return read_observed(place)


def _keep(place: Path, found: Sequence[ObservedQuery], hits: int) -> None:
    short = [replace(each, features=each.features[:hits], relevant=each.relevant[:hits]) for each in found]
    rows = [{each: _plain(getattr(one, each)) for each in one.__slots__} for one in short]
    place.write_text(json.dumps(rows))


def read_observed(place: Path) -> list[ObservedQuery]:
    """Read what was kept."""
    rows = json.loads(place.read_text())
    for row in rows:
        for each in FIELDS:
            row[each] = np.array(row[each], dtype=bool if each == "relevant" else float)
        row["without"] = row["without"].reshape(-1, len(FEATURES))
    return [ObservedQuery(**row) for row in rows]


def _plain(value: object) -> object:
    if isinstance(value, np.ndarray):
        return np.round(value, 5).tolist() if value.dtype.kind == "f" else value.tolist()
    return value
