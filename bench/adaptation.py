"""minilm adapted to a corpus, judged by people: is it better, and does the method know when not?

TELLAPART_DATA=... python bench/adaptation.py --indexes DIR --output docs/benchmarks/adaptation.md

DIR holds an index of each set, or will. Synthetic queries choose the strength and recommend; people's judgements only
judge. The last table is what is learned from judgements.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from judged import data_folder, publish, table
from tellapart.encoders.protocol import Encoder
from tellapart.engine import Index
from tellapart.experiments import Comparison, QuerySet, compare
from tellapart.experiments.qrels import read_qrels, read_queries
from tellapart.learning.adapting.adapt import Adapted, conclude
from tellapart.learning.adapting.adapters import Adapter, LinearMap, WordsBeside
from tellapart.learning.adapting.queries import (
    AdaptationQueries,
    judged_queries,
    level_of,
    synthetic_queries,
)

SETS = (
    ("scifact", "train"),
    ("cosqa", "dev"),
    ("cranfield", "test"),
    ("mbpp", "train"),
    ("wikiqa", "train"),
    ("cisi", "test"),
    ("cacm", "test"),
    ("med", "test"),
    ("java-cs", "valid"),
)
"""The first five are what the method is asked to do no harm on; all nine were looked at while it was made."""

ENCODER = "minilm"


@dataclass(frozen=True)
class Row:
    """What one set gave: `synthetic` and `judged` conclusions by adapter, and people's gains at every strength."""

    name: str
    queries: int
    seconds: float
    synthetic: dict[str, Adapted]
    judged: dict[str, Adapted]
    people: dict[str, dict[float, Comparison]]
    untouched: float
    bm25: float


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--output", type=Path)
    parser.add_argument("--indexes", type=Path, default=Path("build/adaptation"))
    parser.add_argument("--sets", nargs="*", default=[name for name, _ in SETS])
    arguments = parser.parse_args()
    rows = []
    for name, split in SETS:
        if name in arguments.sets:
            rows.append(measured(name, split, arguments.indexes / name))
            print(*first_cells(rows[-1]), sep=" | ", flush=True)
    publish(page(rows), arguments.output)


def measured(name: str, split: str, folder: Path) -> Row:
    source = data_folder() / name
    index = Index.open(folder) if folder.exists() else Index.build([source], folder)
    texts, qrels = read_queries(source / "queries.jsonl").texts, read_qrels(source / "qrels" / f"{split}.tsv")
    people = judged_queries(index, ENCODER, QuerySet({query: texts[query] for query in qrels.grades}, qrels))
    base = index.encoder(ENCODER)
    assert isinstance(base, Encoder)
    adapters: tuple[Adapter, ...] = (WordsBeside(base, level_of(index, ENCODER)[0]), LinearMap())
    started = time.perf_counter()
    made = synthetic_queries(index, ENCODER)
    synthetic = {each.name: conclude(made, each, ENCODER) for each in adapters}
    seconds = time.perf_counter() - started
    untouched = _values(people, people.queries, people.units.vectors)
    gains = {each.name: _gains(people, made, each, untouched) for each in adapters}
    judged = {each.name: conclude(people, each, ENCODER) for each in adapters}
    index.close()
    return Row(
        f"{name} {split} ({len(people.names)})",
        len(made.names),
        seconds,
        synthetic,
        judged,
        gains,
        float(untouched.mean()),
        float(people.bm25.mean()),
    )


def _values(
    people: AdaptationQueries, asked: NDArray[np.float32], offered: NDArray[np.float32]
) -> NDArray[np.float64]:
    return people.values(np.arange(len(people.names)), asked, offered)


def _gains(
    people: AdaptationQueries, made: AdaptationQueries, adapter: Adapter, untouched: NDArray[np.float64]
) -> dict[float, Comparison]:
    """People's gains at every strength, by what the synthetic queries alone taught."""
    clusters = [people.query_set.cluster(name) for name in people.names]
    found = {}
    for pull in adapter.pulls:
        changed = _values(people, *adapter.transform(made, people, pull))
        found[pull] = compare(changed, untouched, clusters=clusters)
    return found


def _shown(gain: Comparison | None) -> str:
    if gain is None:
        return "-"
    return f"{gain.difference:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}], p {gain.p:.4f}"


def _of_verdict(found: Adapted) -> str:
    if found.verdict is None:
        return "too few queries"
    gain = next(each for each in found.verdict.findings if each.name.startswith("adapted")).vs_default
    return (
        "-" if gain is None else f"{gain.difference:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}], p {gain.p:.4f}"
    )


def first_cells(row: Row, adapter: str = "words") -> list[str]:
    found = row.synthetic[adapter]
    people = None if found.pull is None else row.people[adapter][found.pull]
    return [
        row.name,
        f"{row.queries:,} in {row.seconds:.0f} s",
        "-" if found.pull is None else f"{found.pull:g}",
        _of_verdict(found),
        "**yes**" if found.recommended else "no",
        f"{row.bm25:.3f}",
        f"{row.untouched:.3f}",
        _shown(people),
    ]


def page(rows: Sequence[Row]) -> str:
    head = [
        "set (judged queries)", "synthetic queries", "strength", "adapted - untouched, synthetic", "recommended",
        "BM25", "minilm", "adapted - untouched, judged by people",
    ]  # fmt: skip
    parts = [
        "# Adapting minilm to a corpus\n\n"
        "Made by `python bench/adaptation.py --indexes DIR --output docs/benchmarks/adaptation.md`: nDCG@10 over\n"
        "whole documents (each its best unit at the level that was adapted), vectors alone. Strength and\n"
        "recommendation come from queries that the corpus itself offers; people's judgements only judge.\n"
        "Differences are paired: [95 % bootstrap-t], p of the sign-flip test. Seconds on a shared core.\n\n"
        "## Words beside the vectors (`--adapter words`)\n\n"
        "The strength is the weight of the vectors in units of the words'.\n\n"
        + table(head, [first_cells(row) for row in rows]),
        "## A linear map (`--adapter linear`)\n\nThe strength is the pull to the identity.\n\n"
        + table(head, [first_cells(row, "linear") for row in rows]),
        "## Not recommended\n\n"
        + "".join(
            f"* {row.name}, {name}: {found.reason}.\n"
            for row in rows
            for name, found in row.synthetic.items()
            if not found.recommended
        ),
        "## Every strength, judged by people\n\nIn bold where p < .05.\n\n" + _strengths(rows),
        "## Learning from judgements\n\n`--queries` and `--qrels`: five folds of the judged queries, near-duplicates\n"
        "together; a query is judged by what saw neither it nor a document that answers it, nor a near-duplicate of\n"
        "one; the strength for a fold is chosen on the others.\n\n"
        + table(
            ["set", "weight", "words", "recommended", "pull", "linear map", "recommended"],
            [
                [
                    row.name,
                    *(cell for name in ("words", "linear") for cell in _judged_cells(row.judged[name])),
                ]
                for row in rows
            ],
        ),
    ]
    return "\n".join(parts)


def _judged_cells(found: Adapted) -> list[str]:
    pull = "-" if found.pull is None else f"{found.pull:g}"
    return [pull, _of_verdict(found), "**yes**" if found.recommended else "no"]


def _strengths(rows: Sequence[Row]) -> str:
    columns = [(name, pull) for name, gains in rows[0].people.items() for pull in gains]
    cells = [[row.name, *(_bold(row.people[name][pull]) for name, pull in columns)] for row in rows]
    return table(["set", *(f"{name} {pull:g}" for name, pull in columns)], cells)


def _bold(gain: Comparison) -> str:
    text = f"{gain.difference:+.3f}"
    return f"**{text}**" if gain.p < 0.05 else text


if __name__ == "__main__":
    main()
