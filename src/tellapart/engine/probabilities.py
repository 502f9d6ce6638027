"""From the scores of one search to the probability of each hit: what a calibration kept in the index is applied to.

Only `scores/` fits calibrations (`tellapart calibrate`); a search reads the record and applies it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Self
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from tellapart.corpus.document import KIND_OF, Granularity
from tellapart.engine.asking import LevelQuery
from tellapart.engine.configuration import Configuration, parse_granularities
from tellapart.engine.planning import SearchPlan
from tellapart.engine.records import CorpusState, why_stale
from tellapart.engine.request import SearchRequest
from tellapart.engine.searching import Found
from tellapart.engine.second_look import units_ranking
from tellapart.errors import TellapartError
from tellapart.index.catalogue import Catalogue
from tellapart.index.lexical.bm25 import defaults
from tellapart.index.snapshot import Snapshot
from tellapart.index.store import Store
from tellapart.rankers.registry import Parameters

Floats = NDArray[np.float64]

CALIBRATION = "calibration"
"""Name of the record that holds the map from features to probabilities."""

FEATURES = (
    "score",
    "relative",
    "lead",
    "tail",
    "coverage",
    "density",
    "words",
    "rank",
    "cosine",
    "agreement",
    "second look",
    "best second look",
)
"""What is known of a hit; `hit_features` says what each is."""

COMPARED_HITS = 10
"""Hits that are ranked at least, so that the features of a hit do not depend on how many were asked for."""


@dataclass(frozen=True, slots=True)
class HitCalibration:
    """A fitted map from the features of a hit to P(relevant), for one configuration, as plain values.

    Attributes:
        configuration: The only one whose scores it reads.
        means: Of each feature over the hits it was fitted on.
        scales: Standard deviation of each feature.
        weights: Of the standardised features in the log odds (logistic regression).
        intercept: Log odds of a hit with average features.
        steps: Log odds and probabilities of an isotonic map after it; empty = the logistic function.
        answer_threshold: Best probability below which nothing in the corpus answers a query; None = not known.
        basis: How the threshold was found and the figures of the fit, in a sentence.
        provenance: `judged` or `synthetic`.
        queries: How many it was fitted on.
        corpus: Documents that were searched.
        encoder_fingerprint: Of the configuration's encoder.
        made: ISO date and time.
        generation: Of the index, that the record came with.
    """

    configuration: Configuration
    means: tuple[float, ...]
    scales: tuple[float, ...]
    weights: tuple[float, ...]
    intercept: float
    steps: tuple[tuple[float, float], ...]
    answer_threshold: float | None
    basis: str
    provenance: str
    queries: int
    corpus: CorpusState
    encoder_fingerprint: str | None
    made: str
    generation: int

    def probabilities(self, features: Floats) -> Floats:
        """P(relevant) (n,) of hits with these features (n, 12)."""
        standardised = (features - np.array(self.means)) / np.array(self.scales)
        log_odds = standardised @ np.array(self.weights) + self.intercept
        if not self.steps:
            return np.asarray(0.5 * (1 + np.tanh(log_odds / 2)), dtype=np.float64)
        at, values = (np.array(column) for column in zip(*self.steps, strict=True))
        return np.asarray(np.interp(log_odds, at, values), dtype=np.float64)

    def encode(self) -> str:
        """Write as JSON."""
        chosen = self.configuration
        content: dict[str, Any] = {
            each: getattr(self, each) for each in self.__slots__ if each not in ("configuration", "corpus")
        }
        content["corpus"] = asdict(self.corpus)
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
            for name in ("means", "scales", "weights"):
                kept[name] = tuple(float(value) for value in kept[name])
                if len(kept[name]) != len(FEATURES):
                    return None
            steps = tuple((float(at), float(value)) for at, value in kept.pop("steps"))
            chosen = Configuration(encoder, parse_granularities(levels), ranker, Parameters(**given))
            return cls(configuration=chosen, steps=steps, corpus=CorpusState(**kept.pop("corpus")), **kept)
        except (ValueError, KeyError, TypeError, AttributeError, TellapartError):
            return None


@dataclass(frozen=True, slots=True)
class CheckedCalibration:
    """The calibration kept in an index and, where it must not be applied any more, why (`stale`)."""

    record: HitCalibration
    stale: str | None

    @classmethod
    def of(cls, store: Store, snapshot: Snapshot) -> CheckedCalibration | None:
        """Look at what is kept and whether corpus and encoder are still those it was fitted on.

        Once per generation.
        """
        if snapshot not in _checked:
            text = Catalogue(store).record(CALIBRATION)
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
    """How units are ranked: `rank` gives so many, best first; where probabilities come from, and the best of ten."""

    rank: Callable[[int], Sequence[Found]]
    calibration: HitCalibration | None
    best: float | None


def calibrated_ranking(
    store: Store, snapshot: Snapshot, plan: SearchPlan, request: SearchRequest, queries: Sequence[LevelQuery]
) -> CalibratedRanking:
    """Rank units over all granularities, with probabilities where the index has a calibration for this search.

    What is said of a list does not depend on how many hits were asked for: ten are looked at in any case.
    """
    kept = CheckedCalibration.of(store, snapshot)
    if kept is None or not kept.applies(plan, request):
        return CalibratedRanking(
            units_ranking(store, snapshot, plan.configuration.parameters, queries), None, None
        )
    record = kept.record
    ranked = units_ranking(store, snapshot, plan.configuration.parameters, queries)

    def rank(k: int) -> list[Found]:
        found = ranked(max(k, COMPARED_HITS))
        values = record.probabilities(
            hit_features(found, queries, plan.configuration.parameters.rerank)
        ).tolist()
        return [replace(each, probability=value) for each, value in zip(found[:k], values, strict=False)]

    best = max((each.probability or 0.0 for each in rank(COMPARED_HITS)), default=None)
    return CalibratedRanking(rank, record, best)


def hit_features(
    found: Sequence[Found], queries: Sequence[LevelQuery], looked_by: str | None = None
) -> Floats:
    """Describe the hits of one search, best first, (n, 12) in the order of `FEATURES`.

    score: as the ranker gives it. relative: its share of the top hit's score. lead: for the first hit, how far the
    second is behind, as a share of the top score; 0 for the others. tail: `relative` of the tenth hit, 0 where there
    are fewer. coverage: share of the query's words that stand in the unit, rare ones weighing more (idf). density:
    BM25 of the unit, as a share of the most that the query's words can give. words: ln(1 + distinct words of the
    query). rank: ln(rank). cosine: that with the query, 0 without vectors. agreement: the mean share of the other hits
    that words and vectors, asked apart, put behind this one. second look: the cross-encoder's score, 0 without one; a
    hit that it did not look at gets the lowest that it gave. best second look: the highest that it gave.
    """
    if not found:
        return np.zeros((0, len(FEATURES)))
    scores = np.array([each.score for each in found], dtype=np.float64)
    lexical = np.array([_words_in(each, queries) for each in found])
    words = math.log1p(max(len(set(each.query.terms)) for each in queries))
    ranks = np.log(np.arange(1, len(found) + 1))
    columns = [score_features(scores), lexical, np.full(len(found), words), ranks]
    return np.column_stack([*columns, *_component_features(found, looked_by)])


def _component_features(
    found: Sequence[Found], looked_by: str | None
) -> tuple[Floats, Floats, Floats, Floats]:
    """Cosine, agreement, second look and the best of it, (n,) each."""
    cosine, words = (np.array([each.components.get(name, 0.0) for each in found]) for name in ("knn", "bm25"))
    agreement = (_share_behind(cosine) + _share_behind(words)) / 2
    given = (
        [each.components[looked_by] for each in found if looked_by in each.components] if looked_by else []
    )
    if not given:
        return cosine, agreement, np.zeros(len(found)), np.zeros(len(found))
    second = np.array([each.components.get(str(looked_by), min(given)) for each in found])
    return cosine, agreement, second, np.full(len(found), max(given))


def _share_behind(values: Floats) -> Floats:
    """Share of the other values (n,) that each one exceeds."""
    return np.asarray(
        (values[:, None] > values[None, :]).sum(axis=1) / max(len(values) - 1, 1), dtype=np.float64
    )


def score_features(scores: Floats) -> Floats:
    """Give score, relative, lead and tail (n, 4) of a list of falling scores (n,)."""
    top = scores[0]
    relative = 1 - (top - scores) / max(abs(top), 1e-9)
    lead = np.zeros(len(scores))
    lead[0] = 1 - relative[1] if len(scores) > 1 else 1.0
    tail = relative[COMPARED_HITS - 1] if len(scores) >= COMPARED_HITS else 0.0
    return np.column_stack([scores, relative, lead, np.full(len(scores), tail)])


def _words_in(found: Found, queries: Sequence[LevelQuery]) -> tuple[float, float]:
    """Coverage and density of one hit."""
    own = next(each for each in queries if each.granularity == found.granularity)
    words, lexical = set(own.query.terms), own.units.lexical
    if not words or found.granularity is Granularity.IMAGE:
        return 0.0, 0.0
    k1, b = defaults(KIND_OF[found.granularity])
    row = own.table.row(found.document, found.ordinal)
    given = lexical.weights(sorted(words), row, k1=k1, b=b)
    units = own.table.n_alive
    idf = {}
    for word in words:
        frequency = lexical.document_frequency(word)
        idf[word] = math.log1p((units - frequency + 0.5) / (frequency + 0.5))
    total = sum(idf.values())
    covered = sum(idf[word] for word, weight in given.items() if weight > 0)
    return covered / total, sum(given.values()) / total
