"""Do the weights of our packing hold on a collection that had no part in choosing them?

    TELLAPART_DATA=... python bench/context_weights.py --output docs/benchmarks/context_weights.md

Each collection is left out in turn: the setting that is best on the two others, over the small budgets at which they
tell settings apart, is judged on it. After a run of bench/context.py, whose figures of windows are read from `--work`.
"""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from context_methods import WINDOWS
from context_sets import Collection, chunking, indexed, recall, wikiqa, xquad
from judged import publish, table
from tellapart.engine import context, packing
from tellapart.experiments.statistics import compare

NEIGHBOURS = (0.0, 0.15, 0.3, 0.6)
WHOLES = (0, 120, 240)
BUDGETS = (150, 300, 1_000)
CHOSEN_AT = (150, 300)
"""At 1,000 tokens all answers of xquad-en and wikiqa are in every setting's context."""

JUDGED_AT = 1_000
SHIPPED = (0.3, 120)
Setting = tuple[float, int]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, default=Path("build/context"), help="Keeps what was measured.")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    found = {each.name: kept(each, options.work) for each in (chunking(), xquad(), wikiqa())}
    publish(report(found, options.work), options.output)


def kept(collection: Collection, work: Path) -> dict[str, NDArray[np.float64]]:
    file = work / f"weights {collection.name}.npz"
    if not file.exists():
        np.savez(file, allow_pickle=False, **measured(collection))
    with np.load(file) as stored:
        return {name: stored[name] for name in stored.files}


def key(setting: Setting, budget: int) -> str:
    return f"{setting[0]:g} {setting[1]} {budget}"


def measured(collection: Collection) -> dict[str, NDArray[np.float64]]:
    """Recall per answerable question, for every setting and budget."""
    values: dict[str, NDArray[np.float64]] = {}
    asked = [(text, answer) for text, answer in collection.questions if answer]
    with indexed(collection) as index:
        for setting in itertools.product(NEIGHBOURS, WHOLES):
            context.NEIGHBOUR, packing.WHOLE = setting
            for budget in BUDGETS:
                recalls = []
                for text, answer in asked:
                    made = index.context(text, tokens=budget, always=True)
                    recalls.append(recall(answer, [(each.document, *each.span) for each in made.passages]))
                values[key(setting, budget)] = np.array(recalls)
    context.NEIGHBOUR, packing.WHOLE = SHIPPED
    return values


def report(found: dict[str, dict[str, NDArray[np.float64]]], work: Path) -> str:
    settings = list(itertools.product(NEIGHBOURS, WHOLES))
    rows, grid = [], []
    for name, own in found.items():
        others = [values for other, values in found.items() if other != name]
        mean = {
            each: float(
                np.mean([values[key(each, budget)].mean() for values in others for budget in CHOSEN_AT])
            )
            for each in settings
        }
        chosen = max(settings, key=lambda each: (mean[each], each == SHIPPED))
        ours, shipped = own[key(chosen, JUDGED_AT)], own[key(SHIPPED, JUDGED_AT)]
        with np.load(work / f"{name}.npz") as stored:
            windows = [stored[f"{JUDGED_AT}/windows of {size}"] for size in WINDOWS]
        best = max(windows, key=lambda each: each.mean())
        against = compare(ours, best)
        rows.append(
            [
                f"{name} ({len(ours)})",
                f"{chosen[0]:g}, {chosen[1]}",
                f"{ours.mean():.3f}",
                f"{shipped.mean():.3f}",
                f"{best.mean():.3f}",
                f"{against.difference:+.3f} [{against.low:+.3f}, {against.high:+.3f}]",
                f"{against.p:.4f}",
            ]
        )
    for each in settings:
        cells = [f"{found[name][key(each, budget)].mean():.3f}" for name in found for budget in BUDGETS]
        grid.append([f"{each[0]:g}", f"{each[1]}", *cells])
    head = ["left out", "chosen elsewhere", "its recall", "shipped", "best window here", "difference", "p"]
    columns = [f"{name} {budget:,}" for name in found for budget in BUDGETS]
    return f"""# The weights of packing, chosen on other collections

Made by `python bench/context_weights.py`. Recall of the answer's characters at {JUDGED_AT:,} tokens on the collection
that is left out, with the weight of neighbours and the size of a paragraph that comes whole that were best on the two
other collections (mean recall at {" and ".join(map(str, CHOSEN_AT))} tokens), against the fixed window that is best on
the left-out collection itself. Shipped: {SHIPPED[0]:g}, {SHIPPED[1]}. Paired, bootstrap-t intervals, uncorrected.

{table(head, rows)}
## All settings

Recall by weight of neighbours, whole paragraphs up to so many tokens, collection and budget.

{table(["neighbours", "whole", *columns], grid)}"""


if __name__ == "__main__":
    main()
