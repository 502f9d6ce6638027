"""From the scores of one search to the probability of each hit: what a calibration kept in the index is applied to.

Only `scores/` fits calibrations (`tellapart calibrate`); a search reads the record and applies it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from tellapart.engine.asking import LevelQuery
from tellapart.engine.configuration import Configuration, parse_granularities
from tellapart.engine.hit_features import (
    ANSWER_FEATURES,
    COMPARED_HITS,
    FEATURES,
    SPREAD_HITS,
    answer_features,
    hit_features,
)
from tellapart.engine.planning import SearchPlan
from tellapart.engine.records import CorpusState, why_stale
from tellapart.engine.request import SearchRequest
from tellapart.engine.searching import Found
from tellapart.engine.second_look import units_ranking
from tellapart.errors import TellapartError
from tellapart.index.reading import DocumentStore
from tellapart.index.snapshot import Snapshot
from tellapart.rankers.registry import Parameters

Floats = NDArray[np.float64]

CALIBRATION = "calibration"
"""Name of the record that holds the map from features to probabilities."""


@dataclass(frozen=True, slots=True)
class LogisticMap:
    """A fitted map from features to a probability, as plain values.

    Attributes:
        means: Of each feature over what it was fitted on.
        scales: Standard deviation of each feature.
        weights: Of the standardised features in the log odds (logistic regression).
        intercept: Log odds at average features.
        steps: Log odds and probabilities of an isotonic map after it; empty = the logistic function.
    """

    means: tuple[float, ...]
    scales: tuple[float, ...]
    weights: tuple[float, ...]
    intercept: float
    steps: tuple[tuple[float, float], ...] = ()

    def log_odds(self, features: Floats) -> Floats:
        """Log odds (n,) of rows of features (n, d), before an isotonic map."""
        standardised = (features - np.array(self.means)) / np.array(self.scales)
        return np.asarray(standardised @ np.array(self.weights) + self.intercept, dtype=np.float64)

    def probabilities(self, features: Floats) -> Floats:
        """Give the probabilities (n,) of rows of features (n, d)."""
        log_odds = self.log_odds(features)
        if not self.steps:
            return np.asarray(0.5 * (1 + np.tanh(log_odds / 2)), dtype=np.float64)
        at, values = (np.array(column) for column in zip(*self.steps, strict=True))
        return np.asarray(np.interp(log_odds, at, values), dtype=np.float64)

    @classmethod
    def decode(cls, kept: Mapping[str, Any], features: Sequence[str]) -> Self:
        """Read what `asdict` gave; raise ValueError where it has other features."""
        plain = {each: tuple(map(float, kept[each])) for each in ("means", "scales", "weights")}
        if any(len(values) != len(features) for values in plain.values()):
            raise ValueError("a map of other features")
        steps = tuple((float(at), float(value)) for at, value in kept["steps"])
        return cls(**plain, intercept=float(kept["intercept"]), steps=steps)


@dataclass(frozen=True, slots=True)
class HitCalibration:
    """What the scores of one configuration mean.

    Attributes:
        configuration: The only one whose scores it reads.
        relevance: From the features of a hit to P(relevant).
        answer: From the features of a list (`answer_features`) to the probability that the corpus holds an answer,
            if that were as likely as not; None = not known.
        answer_threshold: Below this probability of `answer` nothing in the corpus answers a query; None = not known.
        basis: How the threshold was found and the figures of the fit, in a sentence.
        provenance: `judged` or `synthetic`.
        queries: How many it was fitted on.
        corpus: Documents that were searched.
        encoder_fingerprint: Of the configuration's encoder.
        made: ISO date and time.
        generation: Of the index, that the record came with.
    """

    configuration: Configuration
    relevance: LogisticMap
    answer: LogisticMap | None
    answer_threshold: float | None
    basis: str
    provenance: str
    queries: int
    corpus: CorpusState
    encoder_fingerprint: str | None
    made: str
    generation: int

    def encode(self) -> str:
        """Write as JSON."""
        chosen = self.configuration
        content: dict[str, Any] = {
            each: getattr(self, each)
            for each in self.__slots__
            if each not in ("configuration", "corpus", "relevance", "answer")
        }
        content["corpus"] = asdict(self.corpus)
        content["relevance"] = asdict(self.relevance)
        content["answer"] = None if self.answer is None else asdict(self.answer)
        content["configuration"] = [
            chosen.encoder,
            chosen.granularity,
            chosen.ranker,
            chosen.parameters.given(),
        ]
        return json.dumps(content)

    @classmethod
    def decode(cls, text: str) -> Self | None:
        """Read what `encode` wrote; None where another version of tellapart wrote something else."""
        try:
            kept = json.loads(text)
            encoder, levels, ranker, given = kept.pop("configuration")
            relevance, answer = kept.pop("relevance"), kept.pop("answer")
            return cls(
                configuration=Configuration(
                    encoder, parse_granularities(levels), ranker, Parameters(**given)
                ),
                relevance=LogisticMap.decode(relevance, FEATURES),
                answer=None if answer is None else LogisticMap.decode(answer, ANSWER_FEATURES),
                corpus=CorpusState(**kept.pop("corpus")),
                **kept,
            )
        except (ValueError, KeyError, TypeError, AttributeError, TellapartError):
            return None


@dataclass(frozen=True, slots=True)
class CheckedCalibration:
    """The calibration kept in an index and, where it must not be applied any more, why (`stale`)."""

    record: HitCalibration
    stale: str | None

    @classmethod
    def of(cls, store: DocumentStore, snapshot: Snapshot) -> CheckedCalibration | None:
        """Look at what is kept and whether corpus and encoder are still those it was fitted on.

        Once per generation.
        """
        if snapshot not in _checked:
            text = store.record(CALIBRATION)
            record = HitCalibration.decode(text) if text else None
            _checked[snapshot] = None if record is None else cls(record, why_stale(record, store, snapshot))
        return _checked[snapshot]

    def applies(self, plan: SearchPlan, request: SearchRequest) -> bool:
        """Whether the scores of a search are those it was fitted on: same configuration, words only, all documents."""
        restricted = request.examples or request.where or request.regex is not None
        return self.stale is None and not restricted and plan.configuration == self.record.configuration


_checked: WeakKeyDictionary[Snapshot, CheckedCalibration | None] = WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class CalibratedRanking:
    """How units are ranked: `rank` gives so many, best first.

    `calibration` says where probabilities come from, `best` is the highest of ten, `answered` the probability that the
    corpus holds an answer.
    """

    rank: Callable[[int], Sequence[Found]]
    calibration: HitCalibration | None
    best: float | None
    answered: float | None


def calibrated_ranking(
    store: DocumentStore,
    snapshot: Snapshot,
    plan: SearchPlan,
    request: SearchRequest,
    queries: Sequence[LevelQuery],
) -> CalibratedRanking:
    """Rank units over all granularities, with probabilities where the index has a calibration for this search.

    What is said of a list does not depend on how many hits were asked for: ten are looked at in any case. The
    probability of a hit is that of a query with an answer; where nothing answers, times the probability that something
    does.
    """
    kept = CheckedCalibration.of(store, snapshot)
    if kept is None or not kept.applies(plan, request):
        return CalibratedRanking(
            units_ranking(store, snapshot, plan.configuration.parameters, queries), None, None, None
        )
    record = kept.record
    ranked = units_ranking(store, snapshot, plan.configuration.parameters, queries)

    looked_by = plan.configuration.parameters.rerank
    first = hit_features(ranked(SPREAD_HITS), queries, looked_by, described=COMPARED_HITS)
    answered, share = None, 1.0
    if len(first) and record.answer is not None:
        whole = answer_features(first, record.relevance.log_odds(first))
        answered = float(record.answer.probabilities(whole[None])[0])
        if record.answer_threshold is not None and answered < record.answer_threshold:
            share = answered  # the map of hits was learned from queries that have an answer

    def rank(k: int) -> list[Found]:
        found = ranked(max(k, SPREAD_HITS))
        features = hit_features(found, queries, looked_by, described=max(k, COMPARED_HITS))
        values = (share * record.relevance.probabilities(features)).tolist()
        return [each._replace(probability=value) for each, value in zip(found[:k], values, strict=False)]

    best = share * float(record.relevance.probabilities(first).max()) if len(first) else None
    return CalibratedRanking(rank, record, best, answered)
