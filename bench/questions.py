"""What BM25 gains when the beginning of a question ("how do I", "what is the") is left out: nDCG@10 by document.

TELLAPART_DATA=... python bench/questions.py --output docs/benchmarks/questions.md
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping
from pathlib import Path
from unittest import mock

import numpy as np
from numpy.typing import NDArray

from judged import MEASURE, Judged, data_folder, load, publish, table
from tellapart.engine import Index
from tellapart.experiments.measures import evaluate_run
from tellapart.experiments.statistics import compare
from tellapart.index.lexical import tokens
from tellapart.index.lexical.questions import without_beginning

SETS = {
    "cisi": "test",
    "cacm": "test",
    "cranfield": "test",
    "med": "test",
    "xquad-en": "paragraph",
    "scifact": "train",
    "mbpp": "train",
    "cosqa": "dev",
}


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--output", type=Path)
    chosen = options.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as place:
        for name, split in SETS.items():
            rows.append(_row(load(name, split), Path(place) / name, data_folder() / name))
    text = (
        "# The beginning of a question\n\n`python bench/questions.py`: BM25, nDCG@10 by document, with the beginning of"
        " each question as before, and left out (index/lexical/questions.py). Differences are paired over queries:"
        " bootstrap-t of 95 %, p of sign flips. `changed`: queries that have such a beginning.\n\n"
    )
    head = ["", "queries", "changed", "as before", "left out", "difference"]
    publish(text + table(head, rows), chosen.output)


def _row(judged: Judged, place: Path, source: Path) -> list[str]:
    with Index.build([source], place, encoders=()) as index:
        now = _values(index, judged.queries, judged)
        with mock.patch.object(tokens, "without_beginning", lambda text: text):
            before = _values(index, judged.queries, judged)
    changed = sum(without_beginning(text) != text for text in judged.queries.values())
    found = compare(now, before)
    return [
        judged.name,
        f"{len(judged.queries):,}",
        f"{changed:,}",
        f"{before.mean():.4f}",
        f"{now.mean():.4f}",
        f"{found.difference:+.4f} [{found.low:+.4f}, {found.high:+.4f}], p {found.p:.4f}",
    ]


def _values(index: Index, queries: Mapping[str, str], judged: Judged) -> NDArray[np.float64]:
    run = index.run(queries, depth=10, ranker="bm25")
    return np.asarray(evaluate_run(run, judged.qrels, [MEASURE]).values[MEASURE])


if __name__ == "__main__":
    main()
