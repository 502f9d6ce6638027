"""Do the defaults of `ridge` do what its cross-validated settings do in the evidence? Words, and examples beside them.

    TELLAPART_DATA=... python bench/svm_defaults.py --output docs/benchmarks/svm_defaults.md

`Rocchio()` and `Ridge()` are measured as they are.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from judged import data_folder, publish, table
from svm_draws import by_query, example_draws, text_draws, worth
from svm_methods import linear
from svm_sets import judged_collections
from tellapart.experiments.statistics import compare
from tellapart.index.vectors import VectorIndex
from tellapart.rankers.ridge import Ridge
from tellapart.rankers.rocchio import Rocchio

SIZES = (0, 1, 2, 3, 5)
SEED = 0
RANKERS = {
    "rocchio": Rocchio(),
    "ridge": Ridge(),
    "ridge, beta 1": Ridge(beta=1.0),
    "ridge, beta 2": Ridge(beta=2.0),
}
PAIRS = (("ridge", "rocchio"), ("ridge, beta 1", "ridge, beta 2"))
Values = dict[str, list[NDArray[np.float64]]]


def measured(place: Path) -> dict[tuple[str, int], Values]:
    """NDCG@10 per query by encoder and number of examples, of each ranker."""
    found: dict[tuple[str, int], Values] = {}
    for collection in judged_collections(data_folder(), place):
        index = VectorIndex([collection.vectors.astype(np.float16)])
        for size in SIZES:
            draws = example_draws(collection, size, wrong=False) if size else text_draws(collection)
            if not draws:
                continue
            for name, ranker in RANKERS.items():
                scores = linear(ranker, text=True)(collection, index, draws)
                reached = [worth(collection, draw, own) for draw, own in zip(draws, scores, strict=True)]
                values = by_query(draws, np.array(reached))
                found.setdefault((collection.encoder, size), {}).setdefault(name, []).append(values)
    return found


def rows(found: dict[tuple[str, int], Values]) -> list[list[str]]:
    lines = []
    for (encoder, size), parts in sorted(found.items()):
        values = {name: np.concatenate(own) for name, own in parts.items()}
        means = [f"{own.mean():.3f}" for own in values.values()]
        compared = [compare(values[a], values[b], seed=SEED) for a, b in PAIRS]
        differences = [f"{c.difference:+.3f} [{c.low:+.3f}, {c.high:+.3f}], p {c.p:.2g}" for c in compared]
        lines.append([encoder, str(size), str(len(values["rocchio"])), *means, *differences])
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--indexes", type=Path, metavar="DIR", help="keep the indexes there")
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as own:
        found = measured(arguments.indexes or Path(own))
    head = ["encoder", "examples", "queries", *RANKERS, *(f"{a} - {b}" for a, b in PAIRS)]
    text = (
        "# What `ridge` does by default, beside the query's words\n\n"
        "Command: `python bench/svm_defaults.py`. nDCG@10 over the judged sets of the [evidence](svm_evidence.md), "
        f"same draws, seed {SEED}; paired intervals of 95 %, p by sign flips, uncorrected. Nothing is cross-validated: "
        "`rocchio` (examples .75) and `ridge` are as `search --ranker` has them. That one example should weigh 1 was "
        "chosen on these sets, as 2 was for more: no set unseen has confirmed it.\n\n"
    )
    publish(text + table(head, rows(found)), arguments.output)


if __name__ == "__main__":
    main()
