"""What of an encoder to change: its vectors (linear, mlp), all of it (full), or a table in its place (static)?

TELLAPART_DATA=... python bench/adapters.py --output docs/benchmarks/adapters.md

Every cell is what `tellapart train --index` does with generated queries; judgements by people only judge. What is done
is kept in --work, and read when started again.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict
from pathlib import Path

from adaptation import SETS
from judged import data_folder, publish, table
from tellapart.encoders.load import load_encoder
from tellapart.engine import Index
from tellapart.experiments.queries.judgements import read_qrels, read_queries
from tellapart.experiments.queries.querysets import QueryGold
from tellapart.learning.adapting.judged import judge
from tellapart.learning.adapting.judges import Judges
from tellapart.learning.adapting.pairs import level_of
from tellapart.learning.adapting.train import Adapter, adapt_encoder

ENCODER = "minilm"
FULLY = ("cranfield",)
"""Sets on which all of MiniLM is trained: minutes each."""

SHOWN = (Adapter.LINEAR, Adapter.MLP, Adapter.FULL, Adapter.STATIC)
"""Words have a page of their own (bench/adaptation.py)."""

NAMES = ("scifact", "cosqa", "cranfield", "mbpp", "wikiqa", "cisi")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path)
    parser.add_argument("--indexes", type=Path, default=Path("build/indexes"))
    parser.add_argument("--work", type=Path, default=Path("build/adapters"))
    parser.add_argument("--adapters", nargs="*", default=list(SHOWN), type=Adapter)
    arguments = parser.parse_args()
    rows = []
    for adapter in arguments.adapters:
        for name, split in SETS:
            if name in NAMES and (adapter is not Adapter.FULL or name in FULLY):
                rows.append(measured(name, split, adapter, arguments.indexes / name, arguments.work))
                print(*rows[-1], sep=" | ", flush=True)
    publish(page(rows), arguments.output)


def measured(name: str, split: str, adapter: Adapter, folder: Path, work: Path) -> list[str]:
    """Adapt, keep the encoder whatever is recommended, and let people judge it."""
    output = work / f"{name}-{adapter}"
    done = output / "judged.json"
    if not done.exists():
        index = Index.open(folder)
        started = time.perf_counter()
        found = adapt_encoder(index, output, adapter=adapter, keep_anyway=True).adaptation
        seconds = time.perf_counter() - started
        source = data_folder() / name
        texts, qrels = (
            read_queries(source / "queries.jsonl").texts,
            read_qrels(source / "qrels" / f"{split}.tsv"),
        )
        gold = QueryGold({query: texts[query] for query in qrels.grades}, qrels)
        level = level_of(index, ENCODER)[1]
        changed = found.map if found.map is not None else load_encoder(f"folder:{output}")
        people = judge(index, Judges.of(index, ENCODER, level, gold), changed)
        made = found.evidence[0].against_untouched if found.evidence else None
        record = {
            "recommended": found.recommended,
            "reason": found.reason,
            "seconds": seconds,
            "generated": asdict(made) if made else None,
            "people": asdict(people),
        }
        done.write_text(json.dumps(record))
    record = json.loads(done.read_text())
    people = record["people"]
    recommended = "**yes**" if record["recommended"] else "no"
    return [
        f"{name} {split} ({people['queries']})",
        adapter,
        f"{record['seconds']:.0f}",
        difference(record["generated"]) if record["generated"] else "-",
        "made" if adapter is Adapter.STATIC else recommended,
        f"{people['untouched']:.3f}",
        f"{people['adapted']:.3f}",
        difference(people["against_untouched"]),
    ]


def difference(against: dict[str, float]) -> str:
    return (
        f"{against['difference']:+.3f} [{against['low']:+.3f}, {against['high']:+.3f}], p {against['p']:.4f}"
    )


def page(rows: list[list[str]]) -> str:
    head = [
        "set (judged queries)",
        "adapter",
        "s",
        "adapted - untouched, generated",
        "recommended",
        ENCODER,
        "adapted",
        "adapted - untouched, judged by people",
    ]
    return f"""# Adapters

Made by `python bench/adapters.py --output docs/benchmarks/adapters.md`: nDCG@10 over whole
documents, vectors alone, {ENCODER} adapted to each corpus by queries the corpus itself offers. People's judgements
only judge. Differences are paired: [95 % bootstrap-t], p of the sign-flip test, uncorrected. Seconds on one shared
core, with vectors of the corpus at hand.

{table(head, rows)}
What became the default has a page of its own: [words beside the vectors](adaptation.md). The linear map would have
helped on scifact, where it is not recommended, and is separated from minilm on no set where it is. The residual map is
recommended on three sets; people find it better on cranfield, and separated from minilm on no other set, either way;
none of its numbers was chosen on these results. Sixty steps of all of MiniLM are no gain on
cranfield. A table is 44 to 65 times as fast as the network; on cranfield and cisi it is not separated from its teacher,
on scifact it loses a little, on code and single sentences much. Its ridge was chosen on cranfield, scifact and cisi.
"""


if __name__ == "__main__":
    main()
