"""minilm adapted to a corpus, judged by people: is it better, and does the method know when not?

TELLAPART_DATA=... python bench/adaptation.py --indexes DIR --output docs/benchmarks/adaptation.md

DIR holds an index and the results of each set, or will: a run that was stopped goes on after the last set. Synthetic
queries choose the strength and recommend; people's judgements only judge. The last table is what is learned from
judgements.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
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
    """What one set gave, as it stands on the page, by adapter.

    `synthetic` are the cells of the tables of what synthetic queries conclude, `refused` says why nothing was
    recommended, `people` the gains at every strength, `judged` what judgements conclude.
    """

    name: str
    synthetic: dict[str, list[str]]
    refused: dict[str, str]
    people: dict[str, dict[str, str]]
    judged: dict[str, list[str]]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--output", type=Path)
    parser.add_argument("--indexes", type=Path, default=Path("build/adaptation"))
    parser.add_argument("--sets", nargs="*", default=[name for name, _ in SETS])
    arguments = parser.parse_args()
    rows = []
    for name, split in SETS:
        if name in arguments.sets:
            kept = arguments.indexes / f"{name}.json"
            if not kept.is_file():
                row = measured(name, split, arguments.indexes / name)
                kept.write_text(json.dumps(asdict(row)), encoding="utf-8")
            rows.append(Row(**json.loads(kept.read_text(encoding="utf-8"))))
            print(*rows[-1].synthetic["words"], sep=" | ", flush=True)
    few = "" if len(rows) == len(SETS) else f" --sets {' '.join(arguments.sets)}"
    publish(page(rows, f"python bench/adaptation.py{few}"), arguments.output)


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
    title = f"{name} {split} ({len(people.names)})"
    cost = f"{len(made.names):,} in {seconds:.0f} s"
    plain = [f"{people.bm25.mean():.3f}", f"{untouched.mean():.3f}"]
    return Row(
        title,
        {
            adapter: [
                title, cost, _pull(found), _of_verdict(found), _yes(found), *plain,
                _shown(None if found.pull is None else gains[adapter][found.pull]),
            ]
            for adapter, found in synthetic.items()
        },
        {adapter: found.reason for adapter, found in synthetic.items() if not found.recommended},
        {
            adapter: {f"{pull:g}": _bold(gain) for pull, gain in of.items()} for adapter, of in gains.items()
        },
        {adapter: [_pull(found), _of_verdict(found), _yes(found)] for adapter, found in judged.items()},
    )  # fmt: skip


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


def _pull(found: Adapted) -> str:
    return "-" if found.pull is None else f"{found.pull:g}"


def _yes(found: Adapted) -> str:
    return "**yes**" if found.recommended else "no"


def page(rows: Sequence[Row], command: str) -> str:
    head = [
        "set (judged queries)", "synthetic queries", "strength", "adapted - untouched, synthetic", "recommended",
        "BM25", "minilm", "adapted - untouched, judged by people",
    ]  # fmt: skip
    parts = [
        "# Adapting minilm to a corpus\n\n"
        f"Made by `{command}`: nDCG@10 over whole documents (each its best unit at the level that was adapted),\n"
        "vectors alone. Strength and recommendation come from queries that the corpus itself offers; people's\n"
        "judgements only judge. What such queries are worth was learned on these sets (bench/posterior.py), so the\n"
        "recommendations show what the rule does here, not what it would do elsewhere. Differences are paired:\n"
        "[95 % bootstrap-t], p of the sign-flip test. Seconds on a shared core.\n\n"
        "## Words beside the vectors (`--adapter words`)\n\n"
        "The strength is the weight of the vectors in units of the words'.\n\n"
        + table(head, [row.synthetic["words"] for row in rows]),
        "## A linear map (`--adapter linear`)\n\nThe strength is the pull to the identity.\n\n"
        + table(head, [row.synthetic["linear"] for row in rows]),
        "## Not recommended\n\n"
        + "".join(
            f"* {row.name}, {name}: {reason}.\n" for row in rows for name, reason in row.refused.items()
        ),
        "## Every strength, judged by people\n\nIn bold where p < .05.\n\n" + _strengths(rows),
        "## Learning from judgements\n\n`--queries` and `--qrels`: five folds of the judged queries, near-duplicates\n"
        "together; a query is judged by what saw neither it nor a document that answers it, nor a near-duplicate of\n"
        "one; the strength for a fold is chosen on the others.\n\n"
        + table(
            ["set", "weight", "words", "recommended", "pull", "linear map", "recommended"],
            [[row.name, *row.judged["words"], *row.judged["linear"]] for row in rows],
        ),
    ]
    return "\n".join(parts)


def _strengths(rows: Sequence[Row]) -> str:
    columns = [(name, pull) for name, gains in rows[0].people.items() for pull in gains]
    cells = [[row.name, *(row.people[name][pull] for name, pull in columns)] for row in rows]
    return table(["set", *(f"{name} {pull}" for name, pull in columns)], cells)


def _bold(gain: Comparison) -> str:
    text = f"{gain.difference:+.3f}"
    return f"**{text}**" if gain.p < 0.05 else text


if __name__ == "__main__":
    main()
