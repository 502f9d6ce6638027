"""How far generated queries are believed."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tellapart.corpus.document import Granularity
from tellapart.engine.configuration import Configuration
from tellapart.experiments.arms import Arm
from tellapart.experiments.experiment import ArmValues, Experiment
from tellapart.experiments.qrels import Qrels
from tellapart.experiments.query_set import Provenance, QuerySet
from tellapart.experiments.transfer import (
    Move,
    Pair,
    TransferModel,
    choose_by_transfer,
    in_measure,
    load_transfer,
    log_odds,
    move_between,
)
from tellapart.rankers.registry import Parameters

PROSE, WHOLE = (Granularity.PARAGRAPH,), (Granularity.DOCUMENT,)
N = 300
TRANSFER = TransferModel(trained=0.5, error=0.3, pairs=1, collections=())


def hybrid(weight=None, encoder="minilm", levels=PROSE):
    return Configuration(encoder, levels, "hybrid", Parameters(weight=weight))


def words(levels=PROSE):
    return Configuration(None, levels, "bm25")


def values_of(mean, seed=0, n=N):
    """Zeros and ones with a given mean, drawn so that larger means contain smaller ones."""
    return (np.random.default_rng(seed).permutation(n) < mean * n).astype(float)


def experiment_of(options):
    """An experiment of (configuration, mean or values, spans or None), the first of them the default."""
    arms, n = {}, 0
    for place, (configuration, mean, spans) in enumerate(options):
        values = values_of(mean) if isinstance(mean, float) else mean
        n = len(values)
        read = None if spans is None else values_of(spans, n=n)[:, None]
        arms[f"arm {place}"] = ArmValues(Arm(f"arm {place}", (configuration,)), values[:, None], read)
    queries = tuple(f"q{number}" for number in range(n))
    query_set = QuerySet(dict.fromkeys(queries, ""), Qrels({}), provenance=Provenance.SYNTHETIC)
    return Experiment(query_set, queries, "nDCG@10", arms, "arm 0", "arm 0")


def chosen(options, transfer=TRANSFER):
    return choose_by_transfer(experiment_of(options), transfer, draws=2000)


@pytest.mark.parametrize(
    ("origin", "target", "distance", "trained"),
    [
        (hybrid(), words(), 0.7, -0.7),
        (hybrid(), hybrid(0.9), 0.2, 0.2),
        (hybrid(), Configuration("minilm", PROSE, "knn"), 0.3, 0.3),
        (hybrid(), Configuration("minilm", PROSE, "svm"), 0.8, 0.3),
        (hybrid(), Configuration("lsa", PROSE, "knn"), 1.7, -0.7),
        (hybrid(encoder="lsa"), words(), 0.7, 0.0),
        (hybrid(encoder="lsa"), hybrid(), 1.4, 0.7),
        (words(), words(WHOLE), 0.2, 0.0),
    ],
)
def test_how_far_apart_configurations_are(origin, target, distance, trained):
    move = move_between(origin, target)
    assert move.distance == pytest.approx(distance)
    assert move.trained == pytest.approx(trained)


def test_code_has_its_own_default_weight():
    code = Configuration("minilm", (Granularity.FUNCTION,), "hybrid")
    assert move_between(code, words((Granularity.FUNCTION,))).distance == pytest.approx(0.9)


def test_fitting_finds_what_was_planted():
    random = np.random.default_rng(0)
    pairs = []
    for _ in range(2_000):
        move = Move(float(random.uniform(0.2, 1.5)), float(random.choice([-0.5, 0.0, 0.5])))
        gain = float(random.normal())
        missed = random.normal(0, 0.4 / 0.6745) * math.sqrt(move.distance)
        pairs.append(Pair(move, gain, gain + 0.6 * move.trained + float(missed)))
    found = TransferModel.fit(pairs, ["a"])
    assert found.trained == pytest.approx(0.6, abs=0.1)
    assert found.error == pytest.approx(0.4, abs=0.04)


def test_log_odds_are_finite_and_translate_back():
    assert log_odds(np.ones(9)) == pytest.approx(math.log(9.5 / 0.5))
    assert log_odds(np.zeros(9)) == pytest.approx(-log_odds(np.ones(9)))
    low, high = np.r_[np.ones(500), np.zeros(500)], np.r_[np.ones(520), np.zeros(480)]
    assert in_measure(log_odds(high) - log_odds(low), 0.5) == pytest.approx(0.02, abs=1e-3)


def test_the_packaged_constants_can_be_read():
    kept = load_transfer()
    assert 0 < kept.error < 1
    assert 0 < kept.trained < 2
    assert kept.pairs > 100
    assert len(kept.collections) >= 10


def test_a_gain_below_the_doubt_keeps_the_default():
    found = chosen([(hybrid(), 0.60, None), (words(), 0.66, None)])
    assert found.choice is None
    assert found.ahead is not None
    assert found.ahead.p < 0.05, "significant, and still not believed"
    assert found.ahead.gain > 0 > found.ahead.margin


def test_a_gain_beyond_the_doubt_leaves_it():
    found = chosen([(hybrid(), 0.60, None), (hybrid(0.5), 0.72, None), (words(), 0.76, None)])
    assert found.choice == "arm 1", "further ahead of its doubt, though not further ahead"
    assert found.by_documents


def test_a_gain_that_is_not_significant_keeps_the_default():
    lucky = np.r_[np.ones(4), np.zeros(16)]
    found = chosen([(hybrid(), np.zeros(20), None), (hybrid(0.5), lucky, None)])
    assert found.ahead is not None
    assert found.ahead.margin > 0
    assert found.choice is None


def test_trained_encoders_get_the_benefit_of_the_doubt():
    for encoder, left in (("minilm", True), ("lsa", False)):
        rival = Configuration(encoder, PROSE, "hybrid", Parameters(weight=0.7))
        found = chosen(
            [(hybrid(encoder="lsa"), 0.60, None), (rival, 0.62, None)], TransferModel(1.0, 0.3, 1, ())
        )
        assert (found.choice is not None) == left


def test_passages_decide_between_granularities_only():
    default, other = (hybrid(), 0.60, 0.50), (words(WHOLE), 0.99, 0.99)
    found = chosen([default, (hybrid(levels=WHOLE), 0.95, 0.75), other])
    assert found.choice == "arm 1"
    assert not found.by_documents
    assert chosen([default, (hybrid(levels=WHOLE), 0.95, 0.52), other]).choice is None
