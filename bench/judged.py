"""Judged collections for the encoder benchmarks: documents, queries, and nDCG@10 per query of some vectors."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tellapart.experiments.measures import Measure, evaluate_run
from tellapart.experiments.qrels import Qrels, read_qrels
from tellapart.rankers.run import Run, rank_documents

MEASURE = Measure.parse("nDCG@10")
DEPTH = 100


@dataclass(frozen=True)
class Judged:
    """One collection: documents by id (title, newline, text), judged queries, judgements."""

    name: str
    documents: Mapping[str, str]
    queries: Mapping[str, str]
    qrels: Qrels


def load(name: str, split: str, *, corpus: str = "corpus.jsonl") -> Judged:
    """Read one collection below TELLAPART_DATA."""
    folder = data_folder() / name
    qrels = read_qrels(folder / "qrels" / f"{split}.tsv")
    documents = {
        record["_id"]: "\n".join(part for part in (record.get("title"), record["text"]) if part)
        for record in records(folder / corpus)
    }
    texts = {record["_id"]: record["text"] for record in records(folder / "queries.jsonl")}
    return Judged(f"{name} {split}", documents, {query: texts[query] for query in qrels.grades}, qrels)


def ndcg(judged: Judged, queries: NDArray[np.float32], documents: NDArray[np.float32]) -> NDArray[np.float64]:
    """NDCG@10 of each query that has a relevant document, by cosine (rows of unit length)."""
    ids = list(judged.documents)
    rankings = {}
    for query, scores in zip(judged.queries, queries @ documents.T, strict=True):
        top = np.argpartition(-scores, min(DEPTH, len(ids) - 1))[:DEPTH]
        rankings[query] = rank_documents([ids[row] for row in top], scores[top].tolist())
    return evaluate_run(Run(rankings), judged.qrels, [MEASURE]).values[MEASURE]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def publish(text: str, output: Path | None) -> None:
    """Print a result and keep it where asked."""
    sys.stdout.write(text)
    if output:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(text, encoding="utf-8")


def data_folder() -> Path:
    """Give the folder of judged collections, or end with a line that says how to name it."""
    folder = os.environ.get("TELLAPART_DATA", "")
    if not folder or not Path(folder).is_dir():
        sys.exit("set TELLAPART_DATA to the folder of judged collections")
    return Path(folder)


def records(path: Path) -> list[dict[str, Any]]:
    """Read a file of JSON lines."""
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]
