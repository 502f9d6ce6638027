"""What happened to the queries of a calibration, by fits that did not see them: what promises rest on."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from tellapart.engine import Index
from tellapart.engine.hit_features import ANSWER_FEATURES, COMPARED_HITS, answer_features
from tellapart.scores.calibration import CalibrationQuality, HitCalibrator, cross_fitted, log_odds
from tellapart.scores.observing import ObservedQuery
from tellapart.scores.thresholds import one_each

Floats = NDArray[np.float64]

EVIDENCE = "calibration evidence"
"""Name of the record that thresholds are found on."""

DIGITS = 6
"""Decimals kept of a probability."""

LEAST = 1e-9
"""Keeps the share of a probability of 0 finite."""

RANK_POWER = 0.5
"""Of the rank in `claims`. Chosen among 0 (no rank), .25, .5, 1, 2 and 4 for the shortest lists on the sets of
bench/lists.py."""

FOREIGN_SHARE = 0.2
"""Of the weight of lists without an answer. docs/benchmarks/calibration.md has what it does to queries of other
collections. Chosen among .1, which does less, .2 and .33, with which near misses are told less well."""

SECOND_LOOK = ANSWER_FEATURES.index("best second look")


@dataclass(frozen=True, slots=True)
class HitTable:
    """Hits of queries: features (n, d), relevance (n,), cluster (n,) and weight (n,) of each."""

    features: Floats
    relevant: NDArray[np.bool_]
    clusters: NDArray[np.str_]
    weights: Floats

    @classmethod
    def of(cls, observed: Sequence[ObservedQuery]) -> Self:
        """Put the first ten hits of all queries below each other."""
        sizes = [len(each.features[:COMPARED_HITS]) for each in observed]
        return cls(
            np.concatenate([each.features[:COMPARED_HITS] for each in observed]),
            np.concatenate([each.relevant[:COMPARED_HITS] for each in observed]),
            np.repeat([each.cluster for each in observed], sizes),
            np.repeat([each.weight for each in observed], sizes),
        )

    def predicted(
        self, lists: Sequence[Floats], clusters: Sequence[str], method: str, seed: int
    ) -> list[Floats]:
        """P(relevant) of the hits of some lists (m, d), each of a cluster, by fits on the hits of other clusters."""
        sizes = [len(each) for each in lists]
        # what is predicted weighs nothing in the fits, and is left out of that of its own cluster
        every = cross_fitted(
            HitCalibrator(method),
            np.concatenate([self.features, *lists]),
            np.concatenate([self.relevant, np.zeros(sum(sizes), dtype=bool)]),
            np.concatenate([self.clusters, np.repeat(clusters, sizes)]),
            np.concatenate([self.weights, np.zeros(sum(sizes))]),
            seed=seed,
        )
        return np.split(every[len(self.relevant) :], np.cumsum(sizes)[:-1])


@dataclass(frozen=True, slots=True)
class AnswerTable:
    """Lists with and without an answer: features (n, 11), whether there is one (n,), cluster (n,), weight (n,).

    With: queries whose answer is among the first ten hits. Without: the same after their answers were taken out of the
    corpus (near misses), then the queries that people judged to have no answer, then queries about something else,
    which weigh `FOREIGN_SHARE` of those without. Lists with and without weigh the same in all.
    """

    features: Floats
    answered: NDArray[np.bool_]
    clusters: NDArray[np.str_]
    weights: Floats

    @classmethod
    def of(cls, observed: Sequence[ObservedQuery], seed: int = 0) -> Self | None:
        """Describe the lists; None where there are none of one kind.

        Relevance of their hits is predicted by a fit on queries of other clusters. With a second look only its best
        score is told: on development questions of wikiqa nothing learned beside it helped.
        """
        found = [each for each in observed if each.found]
        near = [each for each in found if len(each.without)]
        unanswered = [each for each in observed if not each.answerable and not each.foreign]
        foreign = [each for each in observed if each.foreign]
        if not found or not (near or unanswered or foreign):
            return None
        lists = [each.features[:COMPARED_HITS] for each in found]
        lists += [each.without for each in near]
        lists += [each.features[:COMPARED_HITS] for each in (*unanswered, *foreign)]
        own = [*found, *near, *unanswered, *foreign]
        clusters = [each.cluster for each in own]
        hits = HitTable.of([each for each in observed if each.answerable])
        said = hits.predicted(lists, clusters, "logistic", seed)
        rows = np.stack([answer_features(each, log_odds(p)) for each, p in zip(lists, said, strict=True)])
        used = np.ones(len(ANSWER_FEATURES))
        if rows[:, SECOND_LOOK].any():
            used[:] = 0.0
            used[SECOND_LOOK] = 1.0
        answered = np.arange(len(rows)) < len(found)
        weights = np.array([each.weight for each in own], dtype=np.float64)
        share = FOREIGN_SHARE if foreign and (near or unanswered) else float(bool(foreign))
        elsewhere = np.arange(len(rows)) >= len(rows) - len(foreign)
        for kind, part in ((answered, 1.0), (~answered & ~elsewhere, 1 - share), (elsewhere, share)):
            weights[kind] *= part * len(rows) / 2 / max(weights[kind].sum(), LEAST)
        return cls(rows * used, answered, np.array(clusters), weights)


def claims(probabilities: Floats) -> Floats:
    """How good a claim each hit of a list, best first, has on a place in a short one (n,).

    Its share of the highest probability (n,), divided by the root of its rank: by probability alone a few queries of
    which little is known get very long lists (Angelopoulos et al. 2021, regularised adaptive prediction sets).
    """
    shares = probabilities / max(float(probabilities.max(initial=0.0)), LEAST)
    return np.asarray(shares / np.arange(1, len(shares) + 1) ** RANK_POWER, dtype=np.float64)


def reached(probabilities: Floats, relevant: NDArray[np.bool_]) -> float | None:
    """Best claim of a relevant hit (n,), from the probabilities of all (n,); None without a relevant one."""
    return float(claims(probabilities)[relevant].max()) if relevant.any() else None


@dataclass(frozen=True, slots=True)
class CalibrationEvidence:
    """What happened to the queries of a calibration; probabilities are of fits that did not see the query's cluster.

    Attributes:
        clusters: Of each query with an answer.
        probabilities: Of its first ten hits.
        relevant: Whether each of these is.
        answered: That the corpus holds an answer, of the query as it is; None where its answer is not among the ten.
        misses: The same once its relevant hits were taken out of the corpus; None where nothing was there or is left.
        unanswered: The same of queries that people judged to have no answer.
        reached: Best claim (`claims`) of a relevant hit among 100; None without one.
        provenance: `judged` or `synthetic`.
        made: ISO date and time, that of the calibration.
        foreign: As `unanswered`, of queries about something else.
    """

    clusters: tuple[str, ...]
    probabilities: tuple[tuple[float, ...], ...]
    relevant: tuple[tuple[bool, ...], ...]
    answered: tuple[float | None, ...]
    misses: tuple[float | None, ...]
    unanswered: tuple[float, ...]
    reached: tuple[float | None, ...]
    provenance: str
    made: str
    foreign: tuple[float, ...] = ()

    @classmethod
    def of(
        cls, observed: Sequence[ObservedQuery], method: str, provenance: str, made: str, seed: int
    ) -> Self:
        """Predict the hits and lists of every query by fits on queries of other clusters."""
        has = [each for each in observed if each.answerable]
        clusters = tuple(each.cluster for each in has)
        lists = HitTable.of(has).predicted([each.features for each in has], clusters, method, seed)
        answered, misses, rest = _lists(observed, has, seed)
        foreign = sum(each.foreign for each in observed) if rest else 0
        return cls(
            clusters,
            tuple(tuple(np.round(each[:COMPARED_HITS], DIGITS).tolist()) for each in lists),
            tuple(tuple(each.relevant[:COMPARED_HITS].tolist()) for each in has),
            answered,
            misses,
            rest[: len(rest) - foreign],
            tuple(reached(each, own.relevant) for each, own in zip(lists, has, strict=True)),
            provenance,
            made,
            rest[len(rest) - foreign :],
        )

    def independent(self) -> CalibrationEvidence:
        """Keep one query of each cluster."""
        kept = one_each(self.clusters)

        def picked(values: Sequence[Any]) -> tuple[Any, ...]:
            return tuple(values[position] for position in kept)

        return replace(
            self,
            clusters=picked(self.clusters),
            probabilities=picked(self.probabilities),
            relevant=picked(self.relevant),
            answered=picked(self.answered),
            misses=picked(self.misses),
            reached=picked(self.reached),
        )

    def best_relevant(self) -> Floats:
        """Highest probability of a relevant hit of each query (n,), -inf without one."""
        return np.array(
            [
                max((p for p, hit in zip(own, labels, strict=True) if hit), default=-math.inf)
                for own, labels in zip(self.probabilities, self.relevant, strict=True)
            ]
        )

    def quality(self, first: int = 10) -> CalibrationQuality:
        """How well the probabilities of the first hits of every query hold."""
        predicted = [p for own in self.probabilities for p in own[:first]]
        return CalibrationQuality.of(predicted, [hit for own in self.relevant for hit in own[:first]])

    def encode(self) -> str:
        """Write as JSON."""
        return json.dumps({each: getattr(self, each) for each in self.__slots__})

    @classmethod
    def kept_in(cls, index: Index) -> Self | None:
        """Read what `calibrate` kept in an index; None where there is nothing this version can read."""
        with index.reading():
            text = index.store.record(EVIDENCE)
        try:
            kept = json.loads(text) if text else None
            if kept is None:
                return None
            for name in ("probabilities", "relevant"):
                kept[name] = tuple(tuple(each) for each in kept[name])
            for name in ("clusters", "answered", "misses", "unanswered", "reached", "foreign"):
                kept[name] = tuple(kept.get(name, ()))
            return cls(**kept)
        except (ValueError, KeyError, TypeError):
            return None


def _lists(
    observed: Sequence[ObservedQuery], has: Sequence[ObservedQuery], seed: int
) -> tuple[tuple[float | None, ...], tuple[float | None, ...], tuple[float, ...]]:
    """Probabilities that there is an answer: of the queries as they are, of near misses, of those without."""
    table = AnswerTable.of(observed, seed)
    if table is None:
        nothing = (None,) * len(has)
        return nothing, nothing, ()
    predicted = cross_fitted(
        HitCalibrator(), table.features, table.answered, table.clusters, table.weights, seed=seed
    )
    values = iter(np.round(predicted, DIGITS).tolist())
    answered = tuple(next(values) if each.found else None for each in has)
    misses = tuple(next(values) if each.found and len(each.without) else None for each in has)
    return answered, misses, tuple(values)
