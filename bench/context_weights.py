"""Do the choices of our packing hold on a collection that had no part in making them?

    TELLAPART_DATA=... python bench/context_weights.py --output docs/benchmarks/context_weights.md

A share of its neighbours' scores for each sentence, which we tried and dropped, and the size of a paragraph that comes
whole: the setting that is best on xquad-en and wikiqa, at a small budget at which they tell settings apart, is judged
on chunking_evaluation. After a run of bench/context.py, whose figures of windows are read from `--work`.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from context_methods import WINDOWS
from context_sets import Collection, chunking, indexed, recall, wikiqa, xquad
from judged import publish, table
from tellapart.engine import context, packing
from tellapart.engine.context import LevelScores
from tellapart.engine.packing import Piece
from tellapart.experiments.statistics import compare
from tellapart.index.store import StoredDocument

NEIGHBOURS = (0.0, 0.3, 0.6)
WHOLES = (0, 120)
CHOSEN_AT, JUDGED_AT = 150, 1_000
"""At 1,000 tokens all answers of xquad-en and wikiqa are in every setting's context."""

SHIPPED = (0.0, 120)
Setting = tuple[float, int]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, default=Path("build/context"), help="Keeps what was measured.")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    settings = list(itertools.product(NEIGHBOURS, WHOLES))
    others = [kept(each, settings, CHOSEN_AT, options.work) for each in (xquad(), wikiqa())]
    mean = {each: float(np.mean([values[key(each)].mean() for values in others])) for each in settings}
    chosen = max(settings, key=lambda each: (mean[each], each == SHIPPED))
    judged = kept(chunking(), [chosen], JUDGED_AT, options.work)[key(chosen)]
    publish(report(others, mean, chosen, judged, options.work), options.output)


def kept(
    collection: Collection, settings: list[Setting], budget: int, work: Path
) -> dict[str, NDArray[np.float64]]:
    file = work / f"weights {collection.name} {len(settings)}.npz"
    if not file.exists():
        np.savez(file, allow_pickle=False, **measured(collection, settings, budget))
    with np.load(file) as stored:
        return {name: stored[name] for name in stored.files}


def key(setting: Setting) -> str:
    return f"{setting[0]:g} {setting[1]}"


def measured(collection: Collection, settings: list[Setting], budget: int) -> dict[str, NDArray[np.float64]]:
    """Recall per answerable question, for every setting."""
    values: dict[str, NDArray[np.float64]] = {}
    plain = context._of_document
    with indexed(collection) as index:
        for setting in settings:
            context._of_document, packing.WHOLE = partial(with_neighbours, plain, setting[0]), setting[1]
            recalls = []
            for text, answer in collection.questions:
                if answer:
                    made = index.context(text, tokens=budget, always=True)
                    recalls.append(recall(answer, [(each.document, *each.span) for each in made.passages]))
            values[key(setting)] = np.array(recalls)
    context._of_document, packing.WHOLE = plain, SHIPPED[1]
    return values


def with_neighbours(
    plain: Callable[..., list[Piece]],
    share: float,
    stored: StoredDocument,
    fine: LevelScores,
    coarse: LevelScores,
) -> list[Piece]:
    """Add a share of the scores of the pieces before and after to that of each."""
    pieces = plain(stored, fine, coarse)
    lowest = fine.floor + coarse.floor
    score = {piece.ordinal: piece.score for piece in pieces}
    return [
        replace(
            piece,
            score=piece.score
            + share * (score.get(piece.ordinal - 1, lowest) + score.get(piece.ordinal + 1, lowest)),
        )
        for piece in pieces
    ]


def report(
    others: list[dict[str, NDArray[np.float64]]],
    mean: dict[Setting, float],
    chosen: Setting,
    judged: NDArray[np.float64],
    work: Path,
) -> str:
    with np.load(work / "chunking_evaluation.npz") as stored:
        shipped = stored[f"{JUDGED_AT}/ours"]
        windows = {size: stored[f"{JUDGED_AT}/windows of {size}"] for size in WINDOWS}
    size = max(windows, key=lambda each: windows[each].mean())
    against = compare(judged, windows[size])
    grid = [
        [f"{each[0]:g}", f"{each[1]}", *(f"{values[key(each)].mean():.3f}" for values in others), f"{of:.3f}"]
        for each, of in mean.items()
    ]
    head = ["neighbours", "whole", "xquad-en", "wikiqa dev", "mean"]
    return f"""# The weights of packing, chosen on other collections

Made by `python bench/context_weights.py`: which weight of neighbours and which size of a paragraph that comes whole put
most of the answers of xquad-en and wikiqa into {CHOSEN_AT} tokens, and what that setting finds in chunking_evaluation,
which had no part in it. Shipped: {SHIPPED[0]:g} and {SHIPPED[1]}.

{table(head, grid)}
Chosen: **{chosen[0]:g} and {chosen[1]}**. With it {judged.mean():.3f} of the answers' characters of chunking_evaluation
are in {JUDGED_AT:,} tokens (shipped: {shipped.mean():.3f}). The fixed window that is best on chunking_evaluation
itself, {size} tokens, has {windows[size].mean():.3f}: {against.difference:+.3f}
[{against.low:+.3f}, {against.high:+.3f}], p {against.p:.4f} (paired, bootstrap-t interval, {len(judged)} questions).
"""


if __name__ == "__main__":
    main()
