"""Learning from judged queries: every query is judged by what saw neither it nor its answers.

The queries are divided into folds, near-duplicates together. What judges a fold is fitted to pairs of the other folds,
without those whose document answers a query of the fold or nearly equals one that does. Which pull is taken for a
fold is decided on the others, as the verdict decides (experiments/verdict/crossfit.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tellapart.encoders.protocol import Vectors
from tellapart.experiments.experiment import FOLDS, assign_folds, chosen_variant, cross_fitted
from tellapart.experiments.statistics import ALPHA
from tellapart.learning.adapting.components import Components
from tellapart.learning.adapting.deciding import FEWEST, PULLS, Adaptation
from tellapart.learning.adapting.grouping import connected
from tellapart.learning.adapting.judges import BLOCK, Judges
from tellapart.learning.adapting.judging import mapped
from tellapart.learning.adapting.pairs import NEAR
from tellapart.learning.adapting.units import of_documents
from tellapart.progress import Progress, silent


@dataclass(frozen=True, slots=True)
class JudgedPairs:
    """Queries (p,) and documents (p,) that answer them, by row; `units` (p,) is the document's unit nearest to it."""

    queries: NDArray[np.int64]
    documents: NDArray[np.int64]
    units: NDArray[np.int64]

    @classmethod
    def of(cls, people: Judges) -> JudgedPairs:
        """List all pairs of a query and a document of the index that was found relevant."""
        place = {name: row for row, name in enumerate(people.units.names)}
        found = np.array(
            [
                (query, place[name])
                for query, grades in enumerate(people.grades)
                for name, grade in grades.items()
                if grade > 0 and name in place
            ],
            dtype=np.int64,
        ).reshape(-1, 2)
        ends = np.append(people.units.starts[1:], len(people.units.vectors))
        units = []
        for query, document in found.tolist():
            first = people.units.starts[document]
            near = people.units.vectors[first : ends[document]] @ people.queries[query]
            units.append(first + int(np.argmax(near)))
        return cls(found[:, 0], found[:, 1], np.array(units, dtype=np.int64))

    def without(self, held: NDArray[np.bool_], people: Judges) -> JudgedPairs:
        """Leave out the pairs of some queries (n,), and all whose document is one of their answers, or nearly one."""
        out = held[self.queries]
        answers = np.zeros(len(people.units.starts), dtype=bool)
        answers[self.documents[out]] = True
        for _, block in _blocks(people.units.vectors[np.unique(self.units[out])]):
            near = of_documents(block, people.units.vectors, people.units.starts) >= NEAR
            answers |= near.any(axis=0)
        kept = ~out & ~answers[self.documents]
        return JudgedPairs(self.queries[kept], self.documents[kept], self.units[kept])

    def components(self, people: Judges) -> Components:
        """Fit the linear map to these pairs."""
        return Components.of(people.queries[self.queries], people.units.vectors[self.units])


def teach(people: Judges, *, seed: int = 0, progress: Progress = silent) -> Adaptation | None:
    """Fit the linear map to judged queries, and judge it; None where too few queries are left to learn from."""
    pairs, folds = JudgedPairs.of(people), divided(people, seed)
    values = np.tile(people.untouched[:, None], (1, 1 + len(PULLS)))
    with progress("learning from judgements", FOLDS) as advance:
        for fold in range(FOLDS):
            held = folds == fold
            learned = pairs.without(held, people)
            if len(np.unique(learned.queries)) < FEWEST or not held.any():
                return None
            components, rows = learned.components(people), np.flatnonzero(held)
            for column, pull in enumerate(PULLS, start=1):
                matrix = components.map(pull)
                asked, offered = (
                    mapped(each, matrix) for each in (people.queries[held], people.units.vectors)
                )
                values[held, column] = people.values(rows, asked, offered)
            advance(1)
    found = concluded(people, values, folds, PULLS)
    matrix = np.eye(people.queries.shape[1], dtype=np.float32)
    if found.pull is not None:
        matrix = pairs.components(people).map(found.pull)
    return replace(found, map=matrix)


def concluded(
    people: Judges, values: NDArray[np.float64], folds: NDArray[np.int64], pulls: tuple[float, ...]
) -> Adaptation:
    """Choose a pull and conclude; no map is made.

    Args:
        people: Who judged.
        values: nDCG@10 (n, 1 + pulls): untouched, then by what did not see the query, for every pull.
        folds: Of each query (n,).
        pulls: That were tried.
    """
    evidence = people.evidence(cross_fitted(values, folds))
    best = chosen_variant(values)
    against = evidence.against_untouched
    better = best > 0 and against.p <= ALPHA and against.low > 0
    seen = f"{against.difference:+.3f} [{against.low:+.3f}, {against.high:+.3f}] nDCG@10"
    verdict = "better than" if better else "not separated from"
    reason = f"{verdict} the untouched encoder ({seen} on {evidence.queries:,} judged queries, each held out)"
    return Adaptation(None, pulls[best - 1] if best else None, (evidence,), better, reason)


def divided(people: Judges, seed: int) -> NDArray[np.int64]:
    """Give each query (n,) a fold; queries of one cluster, and near-duplicates, share theirs."""
    links = [
        np.argwhere(block @ people.queries.T >= NEAR) + np.array([start, 0])
        for start, block in _blocks(people.queries)
    ]
    first = {name: row for row, name in reversed(list(enumerate(people.clusters)))}
    same = np.array([(row, first[name]) for row, name in enumerate(people.clusters)])
    groups = connected(np.concatenate([*links, same]), len(people.names))
    return assign_folds([str(group) for group in groups.tolist()], seed=seed)


def _blocks(vectors: Vectors) -> Iterator[tuple[int, Vectors]]:
    for start in range(0, len(vectors), BLOCK):
        yield start, vectors[start : start + BLOCK]
