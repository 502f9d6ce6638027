"""Putting queries to the rankers and joining the answers into one list."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tellapart.corpus.document import Granularity
from tellapart.engine.asking import LevelQuery
from tellapart.rankers.exact import ExactSVM
from tellapart.rankers.hybrid import Hybrid
from tellapart.rankers.query import Certificate, Spread, Spreads
from tellapart.rankers.structure import Structure, side_of
from tellapart.rankers.vectors import VectorRanker

WORDS = "bm25"
"""Name of the spread of words in a fusion; the other is that of its vectors."""

LEAN = 50
"""Units of the pooled population that each granularity's spread is mixed with. With some
hundred units of a kind 5 and 100 do the same to .0001 nDCG@10 (bench/constants.py); with two units it decides."""


class Found(NamedTuple):
    """A unit found, before its text is fetched."""

    document: int
    granularity: Granularity
    ordinal: int
    score: float
    components: Mapping[str, float]
    probability: float | None = None


def rank_units(queries: Sequence[LevelQuery], k: int) -> list[Found]:
    """Give the best k units over all granularities.

    Fusions of several granularities are compared by `joint_spreads`; other scores stay as the ranker gives them.
    """
    if any(each.matches is not None for each in queries):
        return _rank_matches(queries, k)
    if ranker := _together(queries):
        return list(islice(_in_order(queries, ranker), k))
    found: list[Found] = []
    for each, spreads in zip(queries, common_spreads(queries), strict=True):
        ranking = each.ranker.rank(each.query, each.units, k, spreads)
        numbers, ordinals = each.table.locate(ranking.rows)
        names = list(ranking.components)
        parts = [values.tolist() for values in ranking.components.values()]
        rows = zip(numbers.tolist(), ordinals.tolist(), ranking.scores.tolist(), *parts, strict=True)
        for number, ordinal, score, *values in rows:
            components = {
                name: value for name, value in zip(names, values, strict=True) if math.isfinite(value)
            }
            found.append(Found(number, each.granularity, ordinal, score, components))
    if len(queries) > 1:
        found.sort(key=lambda each: (-each.score, each.granularity, each.document, each.ordinal))
    return found[:k]


def _together(queries: Sequence[LevelQuery]) -> Structure | None:
    """Give the ranker that looks at all granularities at once, if it is one."""
    ranker = queries[0].ranker if queries else None
    return ranker if isinstance(ranker, Structure) else None


class Growing:
    """Gives the best k units, and later more of them: those that nobody asks for cost nothing."""

    def __init__(self, rest: Iterator[Found]) -> None:
        self._rest = rest
        self._found: list[Found] = []

    def __call__(self, k: int) -> list[Found]:
        """Give the best k; fewer where there are no more."""
        self._found += islice(self._rest, max(k - len(self._found), 0))
        return self._found[:k]


def growing_ranking(queries: Sequence[LevelQuery]) -> Growing | None:
    """Rank the units one after another where the ranker can."""
    ranker = _together(queries)
    if ranker is None or any(each.matches is not None for each in queries):
        return None
    return Growing(_in_order(queries, ranker))


def _in_order(queries: Sequence[LevelQuery], ranker: Structure) -> Iterator[Found]:
    for placed in ranker.placed([side_of(each.query, each.units) for each in queries]):
        own = queries[placed.side]
        number = own.table.documents.item(placed.position)
        ordinal = placed.row - own.table.offsets.item(placed.position)
        yield Found(number, own.granularity, ordinal, placed.score, placed.components, placed.probability)


def _rank_matches(queries: Sequence[LevelQuery], k: int) -> list[Found]:
    """Give the units in which a regular expression matches: those that the ranker scores first, then by matches.

    The ranker of code scores log probabilities, which are shown as probabilities; a unit that it has nothing to say
    of scores 0.
    """
    logarithmic = _together(queries) is not None
    found: list[tuple[float, Found]] = []
    for each, scores in zip(queries, unit_scores(queries), strict=True):
        assert each.matches is not None
        rows = np.flatnonzero(each.matches)
        rows = rows[np.lexsort((rows, -each.matches[rows], -scores[rows]))][:k]
        numbers, ordinals = each.table.locate(rows)
        for row, number, ordinal in zip(rows.tolist(), numbers.tolist(), ordinals.tolist(), strict=True):
            ranked = float(scores[row])
            score = math.exp(ranked) if logarithmic else ranked if ranked > -math.inf else 0.0
            matches = {"matches": float(each.matches[row])}
            found.append((ranked, Found(number, each.granularity, ordinal, score, matches)))
    found.sort(key=lambda pair: (-pair[0], -pair[1].components["matches"], pair[1].document, pair[1].ordinal))
    return [each for _, each in found[:k]]


def unit_scores(queries: Sequence[LevelQuery]) -> list[NDArray[np.float32]]:
    """Score every unit, level by level, comparable between levels."""
    if ranker := _together(queries):
        return ranker.dense_together([side_of(each.query, each.units) for each in queries])
    spreads = common_spreads(queries)
    return [
        each.ranker.scores(each.query, each.units, own) for each, own in zip(queries, spreads, strict=True)
    ]


def certificates(queries: Sequence[LevelQuery]) -> tuple[Certificate, ...]:
    """Say what exact solvers proved of the rankings; they keep the answers to the queries just ranked."""
    proven = [
        each.ranker.certificate(each.query, each.units)
        for each in queries
        if isinstance(each.ranker, VectorRanker) and isinstance(each.ranker.direction, ExactSVM)
    ]
    return tuple(certificate for certificate in proven if certificate is not None)


def common_spreads(queries: Sequence[LevelQuery]) -> list[Spreads | None]:
    """Give the spreads by which a fusion of several granularities compares them; None where scores stay as they are.

    Scores of a single ranker are of one scale already: cosines, and BM25 with the statistics of all units.
    """
    if len(queries) < 2 or not all(isinstance(each.ranker, Hybrid) for each in queries):
        return [None] * len(queries)
    return list(joint_spreads([each.ranker.spreads(each.query, each.units) for each in queries]))


def joint_spreads(own: Sequence[Spreads]) -> list[Spreads]:
    """Make the z-scores of several granularities comparable; `own` holds the spreads of each.

    Vectors are measured from the mean over all units, plus how much nearer the query is to the units of this
    granularity than to all: a unit's score leans on that of its group, as in cluster-based retrieval (Liu and Croft
    2004). Words weigh against vectors as they do within the granularity, but a word is never worth more than among
    all units: otherwise the side wins in which the words are rare. docs/benchmarks/mixed.md shows what else was tried.
    """
    pooled = {name: Spread.of_all([spreads[name] for spreads in own]) for name in own[0]}
    return [{name: _joint(name, spreads, pooled) for name in spreads} for spreads in own]


def _joint(name: str, own: Spreads, pooled: Spreads) -> Spread:
    leaning = {
        each: Spread.of_all([own[each], Spread(LEAN, pooled[each].mean, pooled[each].std)]) for each in own
    }
    if name != WORDS:
        nearer = leaning[name].mean - pooled[name].mean
        return Spread(own[name].n, pooled[name].mean - nearer, pooled[name].std)
    (side,) = [each for each in own if each != WORDS]
    scale = pooled[side].std / leaning[side].std if leaning[side].std > 0 else 1.0
    return Spread(own[name].n, pooled[name].mean, scale * max(leaning[name].std, pooled[name].std))


def rank_documents(
    queries: Sequence[LevelQuery], depth: int, scored: Sequence[NDArray[np.float32]] | None = None
) -> tuple[list[int], list[float]]:
    """Rank documents by their best unit: numbers and scores, best first, at most `depth`.

    Every unit is scored (`scored`, where that was done before), so the maximum is exact; documents without any score
    are left out.
    """
    numbers: list[NDArray[np.int64]] = []
    best: list[NDArray[np.float32]] = []
    for each, scores in zip(queries, scored or unit_scores(queries), strict=True):
        offsets = each.table.offsets
        filled = np.flatnonzero(np.diff(offsets))
        if not len(filled):
            continue
        numbers.append(each.table.documents[filled])
        best.append(np.maximum.reduceat(scores, offsets[filled]))
    if not numbers:
        return [], []
    all_numbers, all_best = np.concatenate(numbers), np.concatenate(best)
    if len(queries) > 1:
        all_numbers, all_best = _highest(all_numbers, all_best)
    order = np.lexsort((all_numbers, -all_best))
    order = order[all_best[order] > -np.inf][:depth]
    return all_numbers[order].tolist(), all_best[order].tolist()


def _highest(
    numbers: NDArray[np.int64], scores: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Keep each document's highest score where several granularities scored it."""
    unique, inverse = np.unique(numbers, return_inverse=True)
    highest = np.full(len(unique), -np.inf, dtype=np.float32)
    np.maximum.at(highest, inverse, scores)
    return unique, highest
