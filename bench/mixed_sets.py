"""Pairs of a prose and a code collection, alone and in one index: what bench/mixed.py measures."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from judged import records as read_records
from tellapart.engine import Index
from tellapart.experiments.qrels import read_beir

LEVELS = ("paragraph", "function")
ENCODER = "minilm"


@dataclass(frozen=True)
class Side:
    """One collection of a pair; `documents` and `queries` bound the sample, None = all of them."""

    name: str
    splits: tuple[str, ...]
    kind: str
    corpus: str = "corpus.jsonl"
    documents: int | None = None
    queries: int | None = None


@dataclass(frozen=True)
class Judged:
    """Queries of one side: texts and grades by query id."""

    texts: Mapping[str, str]
    grades: Mapping[str, Mapping[str, int]]


PAIRS = (
    (Side("cacm", ("test",), "prose"), Side("humaneval", ("test",), "code")),
    (
        Side("wikiqa", ("section-train", "section-dev"), "prose", "sections.jsonl", 1_400, 400),
        Side("mbpp", ("train", "dev"), "code"),
    ),
    (
        Side("scifact", ("train",), "prose", documents=2_000, queries=300),
        Side("cosqa", ("dev",), "code", documents=2_500, queries=300),
    ),
)
"""Sampled where encoding all would take an hour: the documents judged for the sampled queries, and others at random."""


def judged_side(data: Path, side: Side) -> Judged:
    """Read the judged queries of a side, sampled with a fixed seed; ids of documents get the side's name in front."""
    texts: dict[str, str] = {}
    grades: dict[str, dict[str, int]] = {}
    for split in side.splits:
        judged = read_beir(data / side.name, split)
        for query, own in judged.qrels.grades.items():
            relevant = {f"{side.name}:{document}": grade for document, grade in own.items() if grade > 0}
            if relevant:
                texts[query], grades[query] = judged.queries.texts[query], relevant
    chosen = _sample(sorted(texts), side.queries)
    return Judged({query: texts[query] for query in chosen}, {query: grades[query] for query in chosen})


def records(data: Path, side: Side, judged: Judged) -> Iterator[dict[str, str]]:
    """Give the sampled documents of a side as records that say their kind."""
    wanted = {document for own in judged.grades.values() for document in own}
    named = {f"{side.name}:{each['_id']}": each for each in read_records(data / side.name / side.corpus)}
    others = [name for name in named if name not in wanted]
    more = others if side.documents is None else _sample(others, max(side.documents - len(wanted), 0))
    for name in [*sorted(wanted & named.keys()), *more]:
        record = named[name]
        yield {"_id": name, "title": record.get("title", ""), "text": record["text"], "kind": side.kind}


def build(folder: Path, parts: Iterable[Iterable[dict[str, str]]]) -> Index:
    """Index records with vectors, or open what an earlier run left."""
    if (folder / "index" / "store.sqlite").exists():
        return Index.open(folder / "index")
    source = folder / "source"
    source.mkdir(parents=True, exist_ok=True)
    with (source / "corpus.jsonl").open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(record, ensure_ascii=False) + "\n" for part in parts for record in part)
    return Index.build([source], folder / "index", encoders=[ENCODER], granularities=LEVELS)


def _sample(names: list[str], size: int | None) -> list[str]:
    if size is None or size >= len(names):
        return names
    chosen = np.random.default_rng(0).choice(len(names), size, replace=False)
    return [names[position] for position in sorted(chosen.tolist())]
