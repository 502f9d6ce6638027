"""Does a ranker find more than k-NN from examples here? Asked of the corpus itself.

Some units of one document, or some documents of one folder, are the examples; its other units should be found.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from tellapart.corpus.types import KIND_OF, LEVELS, Granularity
from tellapart.engine.facade import Index
from tellapart.engine.records import Advice, Gain, corpus_state
from tellapart.experiments.statistics import FEW_QUERIES, compare
from tellapart.index.snapshot import Snapshot
from tellapart.index.vectors import VectorIndex
from tellapart.rankers.examples import like_rows
from tellapart.rankers.feedback import FEEDBACK
from tellapart.rankers.vectors import Direction

EXAMPLES = 3
"""Examples in a simulated search; with one no gain could be shown on judged sets, with three it could."""

TARGETS = 2
"""Fewest units of a group that are left to be found."""

GROUPS = 200
"""Simulated searches: they show a difference of .02 nDCG@10 where single ones deviate by .10."""

TOP = 10

Group = NDArray[np.int64]
"""Rows of units that belong together."""


def measure_advice(
    index: Index, ranker: str, encoder: str, granularity: Granularity, *, seed: int = 0
) -> Advice:
    """Compare a ranker of examples and k-NN on simulated searches, one a group; the interval decides the answer.

    Below 30 groups the interval's coverage is not known, and the answer is that nothing can be told.
    """
    with index.reading() as snapshot:
        vectors = snapshot.vectors(encoder, granularity)
        groups, source = groups_of(index, snapshot, granularity)
        draw = np.random.default_rng(seed)
        usable = [group for group in groups if len(group) >= EXAMPLES + TARGETS]
        if len(usable) > GROUPS:
            usable = [usable[at] for at in np.sort(draw.choice(len(usable), GROUPS, replace=False))]
        drawn = [draw.permutation(group) for group in usable]
        ours, knn = (np.array(_gains(FEEDBACK[name], vectors, drawn)) for name in (ranker, "rocchio"))
        if len(drawn):
            found = compare(ours, knn, seed=seed)
            measured = (found.difference, found.low, found.high, found.p)
        else:
            measured = (0.0, 0.0, 0.0, 1.0)
        return Advice(
            ranker,
            encoder,
            granularity,
            _answer(len(drawn), measured[1], measured[2]),
            *measured,
            len(drawn),
            source,
            snapshot.encoders[encoder].fingerprint,
            corpus_state(index.store),
        )


def groups_of(index: Index, snapshot: Snapshot, granularity: Granularity) -> tuple[list[Group], str]:
    """Units of each document or, at the level of whole documents, documents of each folder; and which of the two."""
    table = snapshot.units(granularity)
    rows = np.arange(table.n_rows) if table.alive is None else np.flatnonzero(table.alive)
    numbers, _ = table.locate(rows)
    if granularity is not LEVELS[KIND_OF[granularity]][-1]:
        return _split(rows, numbers), f"units of one document ({granularity})"
    folders = {
        number: str(PurePosixPath(identifier).parent)
        for number, identifier in index.store.identifiers().items()
        if "/" in identifier
    }
    inside = np.array([number in folders for number in numbers.tolist()], dtype=bool)
    names = {name: at for at, name in enumerate(sorted(set(folders.values())))}
    keys = np.array([names[folders[number]] for number in numbers[inside].tolist()], dtype=np.int64)
    return _split(rows[inside], keys), f"documents of one folder ({granularity})"


def _split(rows: NDArray[np.int64], keys: NDArray[np.int64]) -> list[Group]:
    if not len(rows):
        return []
    order = np.argsort(keys, kind="stable")
    return np.split(rows[order], np.flatnonzero(np.diff(keys[order])) + 1)


def _gains(direction: Direction, vectors: VectorIndex, drawn: Sequence[Group]) -> list[float]:
    """NDCG@10 of each group's other units for its first units as examples."""
    if not drawn:
        return []
    queries = [like_rows(vectors, group[:EXAMPLES].tolist()) for group in drawn]
    w = np.stack([direction(query, vectors).w for query in queries]).astype(np.float32)
    rows, _ = vectors.search(w, TOP + EXAMPLES)
    return [_ndcg(found, group) for found, group in zip(rows, drawn, strict=True)]


def _ndcg(found: NDArray[np.int64], group: Group) -> float:
    others = found[(found >= 0) & ~np.isin(found, group[:EXAMPLES])][:TOP]
    discounts = 1.0 / np.log2(np.arange(2, TOP + 2))
    hits = np.isin(others, group[EXAMPLES:])
    return float(hits @ discounts[: len(hits)] / discounts[: len(group) - EXAMPLES].sum())


def _answer(n: int, low: float, high: float) -> Gain:
    if n < FEW_QUERIES or not np.isfinite([low, high]).all():
        return Gain.UNKNOWN
    if low > 0:
        return Gain.YES
    return Gain.NO if high < 0 else Gain.UNKNOWN
