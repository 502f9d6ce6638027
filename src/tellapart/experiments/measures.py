"""Retrieval measures: values named by their ir_measures spelling, computed per query in one pass."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from tellapart.errors import TellapartError
from tellapart.experiments.qrels import Qrels
from tellapart.rankers.run import Run

PerQuery = NDArray[np.float64]

UNJUDGED = np.iinfo(np.int32).min
"""Stands in the grade matrix where nobody judged; no reader admits this grade."""

BLOCK = 1024
"""Queries per grade matrix: 4 MB at depth 1,000, so memory does not grow with the query set."""

_SPELLING = re.compile(r"(?P<name>[A-Za-z]+)(?:@(?P<cutoff>[1-9][0-9]{0,8}))?")


@dataclass(frozen=True, slots=True)
class Measure:
    """A measure as a value: equal, hashed and printed by its spelling, `nDCG@10` or `AP`."""

    name: str
    cutoff: int | None = None

    def __post_init__(self) -> None:
        if self.name not in _FORMULAS:
            raise TellapartError(f"unknown measure {str(self)!r}; known are {', '.join(SPELLINGS)}")
        if self.cutoff is None and self.name in NEEDS_CUTOFF:
            raise TellapartError(f"the measure {self.name!r} needs a depth; write {self.name}@10")
        if self.cutoff is not None and self.cutoff < 1:
            raise TellapartError(f"the measure {str(self)!r} looks at no rank; its depth must be 1 or more")

    @classmethod
    def parse(cls, spelling: str) -> Measure:
        """Read ir_measures' spelling.

        Raises:
            TellapartError: The spelling names no measure known here.
        """
        match = _SPELLING.fullmatch(spelling.strip()) if isinstance(spelling, str) else None
        if match is None or match["name"] not in _FORMULAS:
            raise TellapartError(f"unknown measure {spelling!r}; known are {', '.join(SPELLINGS)}")
        return cls(match["name"], int(match["cutoff"]) if match["cutoff"] else None)

    def __str__(self) -> str:
        return self.name if self.cutoff is None else f"{self.name}@{self.cutoff}"


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A run scored against judgements.

    `values[measure]` (n,) belongs to `queries`: every judged query that has a relevant document, in the
    order of the judgements; one that the run does not answer (`absent`) counts as 0. `left_out` are
    judged queries without any relevant document, `unjudged` the run's queries without any judgement.
    """

    queries: tuple[str, ...]
    values: Mapping[Measure, PerQuery]
    absent: tuple[str, ...]
    left_out: tuple[str, ...]
    unjudged: tuple[str, ...]

    def mean(self, measure: Measure) -> float:
        """Average over `queries`."""
        return float(self.values[measure].mean())


def evaluate_run(run: Run, qrels: Qrels, measures: Iterable[Measure]) -> Evaluation:
    """Score a run under all measures in one pass.

    Definitions are trec_eval's: linear gains, discount 1 / log2(rank + 1), the ideal and the recall base
    from all judged documents, grades <= 0 gain nothing, unjudged is not relevant. Judged@k divides by the
    documents retrieved if they are fewer than k (as ir_measures does), P@k always by k.

    Raises:
        TellapartError: No judged query has a relevant document, or no query of the run is judged.
    """
    wanted = tuple(dict.fromkeys(measures))
    relevant = {query: _positives(grades) for query, grades in qrels.grades.items()}
    queries = tuple(query for query, positives in relevant.items() if positives)
    _refuse_hopeless(run, qrels, queries)
    blocks = [queries[start : start + BLOCK] for start in range(0, len(queries), BLOCK)]
    parts: dict[Measure, list[PerQuery]] = {measure: [] for measure in wanted}
    for block in blocks:
        judged = _judge(run, qrels, relevant, block, _depth(wanted))
        for measure in wanted:
            parts[measure].append(_FORMULAS[measure.name](judged, measure.cutoff))
    return Evaluation(
        queries=queries,
        values=MappingProxyType({measure: np.concatenate(part) for measure, part in parts.items()}),
        absent=tuple(query for query in queries if query not in run.rankings),
        left_out=tuple(query for query, positives in relevant.items() if not positives),
        unjudged=tuple(query for query in run.rankings if query not in qrels.grades),
    )


@dataclass(frozen=True, slots=True)
class _Judged:
    """What the formulas need of a block of n queries.

    `grades` (n, depth) int32 by rank, UNJUDGED where nobody judged and beyond the end of a ranking;
    `hits` (n, depth) bool; `ideal` (n, most) float64 positive grades, descending, padded with 0;
    `relevant` (n,) and `retrieved` (n,) counts.
    """

    grades: NDArray[np.int32]
    hits: NDArray[np.bool_]
    ideal: NDArray[np.float64]
    relevant: NDArray[np.int64]
    retrieved: NDArray[np.int64]


def _positives(grades: Mapping[str, int]) -> list[int]:
    return sorted((grade for grade in grades.values() if grade > 0), reverse=True)


def _depth(measures: Sequence[Measure]) -> int | None:
    cutoffs = [measure.cutoff for measure in measures]
    return None if None in cutoffs else max((cutoff for cutoff in cutoffs if cutoff), default=1)


def _refuse_hopeless(run: Run, qrels: Qrels, queries: Sequence[str]) -> None:
    if not queries:
        raise TellapartError(
            f"none of the {len(qrels.grades)} judged queries has a relevant document (a grade above 0); "
            "nothing can be measured with these judgements"
        )
    if run.rankings and not any(query in qrels.grades for query in run.rankings):
        raise TellapartError(
            f"no query of the run is judged: the run has ids such as {next(iter(run.rankings))!r}, "
            f"the judgements such as {queries[0]!r}; give the judgements that belong to these queries"
        )


def _judge(
    run: Run, qrels: Qrels, relevant: Mapping[str, list[int]], block: Sequence[str], depth: int | None
) -> _Judged:
    rankings = [run.rankings.get(query) for query in block]
    retrieved = np.array([0 if ranking is None else len(ranking) for ranking in rankings], dtype=np.int64)
    width = int(retrieved.max(initial=0)) if depth is None else min(depth, int(retrieved.max(initial=0)))
    grades = np.full((len(block), width), UNJUDGED, dtype=np.int32)
    ideal = np.zeros((len(block), max(len(relevant[query]) for query in block)))
    for row, (query, ranking) in enumerate(zip(block, rankings, strict=True)):
        positives = relevant[query]
        ideal[row, : len(positives)] = positives
        if ranking is not None:
            documents = ranking.documents[:width]
            grades[row, : len(documents)] = list(
                map(qrels.grades[query].get, documents, repeat(int(UNJUDGED)))
            )
    counts = np.array([len(relevant[query]) for query in block], dtype=np.int64)
    return _Judged(grades, grades > 0, ideal, counts, retrieved)


def discounts(depth: int) -> NDArray[np.float64]:
    """What a gain counts at ranks 1 to `depth`: 1 / log2(rank + 1)."""
    return 1 / np.log2(np.arange(2, depth + 2))


def _ndcg(judged: _Judged, cutoff: int | None) -> PerQuery:
    gains = np.maximum(judged.grades[:, :cutoff], 0)
    ideal = judged.ideal[:, :cutoff]
    found = gains @ discounts(gains.shape[1])
    return np.asarray(found / (ideal @ discounts(ideal.shape[1])), dtype=np.float64)


def _average_precision(judged: _Judged, cutoff: int | None) -> PerQuery:
    hits = judged.hits[:, :cutoff]
    precisions = hits.cumsum(axis=1) / np.arange(1, hits.shape[1] + 1)
    return np.asarray((precisions * hits).sum(axis=1) / judged.relevant, dtype=np.float64)


def _reciprocal_rank(judged: _Judged, cutoff: int | None) -> PerQuery:
    hits = judged.hits[:, :cutoff]
    if hits.shape[1] == 0:
        return np.zeros(len(hits))
    first = hits.argmax(axis=1) + 1
    return np.asarray(hits.any(axis=1) / first, dtype=np.float64)


def _precision(judged: _Judged, cutoff: int | None) -> PerQuery:
    depth = judged.hits.shape[1] if cutoff is None else cutoff
    return np.asarray(judged.hits[:, :cutoff].sum(axis=1) / max(depth, 1), dtype=np.float64)


def _recall(judged: _Judged, cutoff: int | None) -> PerQuery:
    return np.asarray(judged.hits[:, :cutoff].sum(axis=1) / judged.relevant, dtype=np.float64)


def _success(judged: _Judged, cutoff: int | None) -> PerQuery:
    return np.asarray(judged.hits[:, :cutoff].any(axis=1), dtype=np.float64)


def _judged_share(judged: _Judged, cutoff: int | None) -> PerQuery:
    known = (judged.grades[:, :cutoff] != UNJUDGED).sum(axis=1)
    looked_at = judged.retrieved if cutoff is None else np.minimum(judged.retrieved, cutoff)
    return np.asarray(known / np.maximum(looked_at, 1), dtype=np.float64)


_FORMULAS: Mapping[str, Callable[[_Judged, int | None], PerQuery]] = MappingProxyType(
    {
        "nDCG": _ndcg,
        "AP": _average_precision,
        "RR": _reciprocal_rank,
        "R": _recall,
        "P": _precision,
        "Success": _success,
        "Judged": _judged_share,
    }
)

NEEDS_CUTOFF = frozenset({"R", "P", "Success"})
"""Measures that ir_measures defines at a depth only."""

SPELLINGS = ("nDCG@10", "nDCG", "AP", "AP@100", "RR", "RR@10", "R@100", "P@5", "Success@1", "Judged@10")
"""An example of each form that can be parsed, for messages and help."""
