"""How much of the judged passages a reader sees who reads the best units one after the other.

A whole document always covers a passage, so granularities are compared at equal reading: the share of the
passages' characters inside the first BUDGET characters of the ranked units, the last unit cut where the budget ends.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tellapart.engine import Index
from tellapart.experiments.qrels import SpanJudgement
from tellapart.experiments.scoring import Scores, Tier

TOKENS = 1_000
CHARACTERS_A_TOKEN = 4
"""The usual rule of thumb for English under byte-pair vocabularies; for comparing it need not be exact."""

BUDGET = TOKENS * CHARACTERS_A_TOKEN
SPELLING = f"Recall@{TOKENS}tokens"
"""How this measure is called in results."""

FIRST_UNITS = 64
DEEPER = 4

Offsets = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class JudgedPassage:
    """A passage to find: the document's number and code points [start, end)."""

    document: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class UnitSpans:
    """Where the units of a tier lie, level after level: document number, start and end, (rows,) each."""

    documents: Offsets
    starts: Offsets
    ends: Offsets

    @classmethod
    def of(cls, index: Index, tier: Tier) -> UnitSpans:
        """Read them from the containment trees; dead units have no length."""
        levels: list[Offsets] = []
        for level, table in zip(tier.levels, tier.tables, strict=True):
            of_level = np.zeros((3, table.n_rows), dtype=np.int64)
            alive = np.ones(table.n_rows, dtype=bool) if table.alive is None else table.alive
            for position in np.flatnonzero(np.diff(table.offsets)).tolist():
                first, last = table.offsets[position : position + 2]
                if not alive[first]:
                    continue
                number = int(table.documents[position])
                tree = index.stored(number).tree
                own = tree.levels[level].starts
                of_level[0, first:last] = number
                of_level[1, first:last] = own
                of_level[2, first:last] = [*own[1:], tree.length]
            levels.append(of_level)
        return cls(*np.concatenate(levels, axis=1))


def located(
    spans: Mapping[str, Sequence[SpanJudgement]], numbers: Mapping[str, int]
) -> dict[str, tuple[JudgedPassage, ...]]:
    """Passages of each query that has any with a grade above 0, in documents of the index."""
    found = {
        query: tuple(
            JudgedPassage(numbers[span.document], span.start, span.end)
            for span in of_query
            if span.grade > 0 and span.document in numbers
        )
        for query, of_query in spans.items()
    }
    return {query: passages for query, passages in found.items() if passages}


def recall_within(
    scores: Sequence[Scores],
    units: UnitSpans,
    passages: Sequence[Sequence[JudgedPassage]],
) -> NDArray[np.float64]:
    """Share of the passages read within the budget, (queries,); nan for a query without passages."""
    recalls = np.full(len(passages), np.nan)
    for position, wanted in enumerate(passages):
        if wanted:
            row = np.concatenate([of_level[position] for of_level in scores])
            read = _read(row, units, BUDGET)
            recalls[position] = _share(*read, wanted)
    return recalls


def _read(scores: Scores, units: UnitSpans, budget: int) -> tuple[Offsets, Offsets, Offsets]:
    """Documents, starts and ends of what is read, in order."""
    depth = min(FIRST_UNITS, len(scores))
    while True:
        lowest = np.partition(scores, len(scores) - depth)[len(scores) - depth]
        rows = np.flatnonzero((scores >= lowest) & (scores > -np.inf))
        rows = rows[np.argsort(-scores[rows], kind="stable")]
        lengths = units.ends[rows] - units.starts[rows]
        read_before = np.cumsum(lengths) - lengths
        if depth == len(scores) or (len(rows) and read_before[-1] + lengths[-1] >= budget):
            break
        depth = min(depth * DEEPER, len(scores))
    kept = read_before < budget
    rows, lengths = rows[kept], np.minimum(lengths[kept], budget - read_before[kept])
    return units.documents[rows], units.starts[rows], units.starts[rows] + lengths


def _share(documents: Offsets, starts: Offsets, ends: Offsets, passages: Sequence[JudgedPassage]) -> float:
    covered = total = 0
    for passage in passages:
        seen = np.zeros(passage.end - passage.start, dtype=bool)
        for unit in np.flatnonzero(documents == passage.document):
            low, high = starts[unit] - passage.start, ends[unit] - passage.start
            seen[max(low, 0) : max(high, 0)] = True
        covered += int(seen.sum())
        total += len(seen)
    return covered / total
