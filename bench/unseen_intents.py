"""Banking77: a map fitted to the labelled intents 1-39 retrieves the unseen intents 40-77.

TELLAPART_DATA=... python bench/unseen_intents.py --output docs/benchmarks/unseen_intents.md
"""

from __future__ import annotations

import argparse
import csv
import time
from pathlib import Path

import numpy as np

from judged import data_folder, publish, table
from tellapart.encoders.load import load_encoder
from tellapart.experiments.statistics import Comparison, compare
from tellapart.experiments.verification import nearest_neighbours
from tellapart.learning.adapting.judging import mapped
from tellapart.learning.adapting.labels import adapt_to_labels

SEEN = 39


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    with (data_folder() / "banking77" / "banking77.tsv").open(encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
    labels = np.array([row["label"] for row in rows])
    vectors = load_encoder("minilm").encode_document([row["text"] for row in rows])
    seen = np.isin(labels, np.unique(labels)[:SEEN])
    started = time.perf_counter()
    found = adapt_to_labels(vectors[seen], labels[seen])
    seconds = time.perf_counter() - started
    unseen = vectors[~seen], labels[~seen]
    untouched = nearest_neighbours(*unseen)
    adapted = nearest_neighbours(mapped(unseen[0], found.matrix), unseen[1])
    lines = []
    for name, after, before in (
        ("MAP@R", adapted.map_at_r, untouched.map_at_r),
        ("R@1", adapted.recall_at_1, untouched.recall_at_1),
    ):
        against = compare(after, before, clusters=unseen[1])
        lines.append([name, f"{before.mean():.4f}", f"{after.mean():.4f}", limits(against)])
    publish(
        f"""# Unseen intents

Made by `python bench/unseen_intents.py --output docs/benchmarks/unseen_intents.md`: banking77, {len(rows):,} texts.
A map on frozen minilm vectors is fitted to the {int(seen.sum()):,} texts of the first {SEEN} intents (in the order of
their names), its strength chosen by leaving intents out (pull {found.pull:g}, stress {found.stress:g};
{seconds:.0f} s). Judged are the {int((~seen).sum()):,} texts of the other intents, leave-one-out, which played no part
in that; the strengths that are tried were chosen after a look at a third of them. Differences are paired and clustered
by intent: [95 % bootstrap-t], p of the sign-flip test.

{table(["", "minilm", "adapted", "difference"], lines)}""",
        arguments.output,
    )


def limits(against: Comparison) -> str:
    return f"{against.difference:+.4f} [{against.low:+.4f}, {against.high:+.4f}], p {against.p:.4f}"


if __name__ == "__main__":
    main()
