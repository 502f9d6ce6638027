"""How far generated queries are believed."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tellapart.corpus.types import Granularity
from tellapart.engine.configuration import Configuration
from tellapart.experiments.verdict.transfer import (
    Move,
    Pair,
    Transfer,
    in_measure,
    load_transfer,
    log_odds,
    move_between,
)
from tellapart.experiments.verdict.trust import Option, trusted_choice
from tellapart.rankers.registry import Parameters

PROSE, WHOLE = (Granularity.PARAGRAPH,), (Granularity.DOCUMENT,)
N = 300
CLUSTERS = [str(number) for number in range(N)]
TRANSFER = Transfer(trained=0.5, error=0.3, pairs=1, collections=())


def hybrid(weight=None, encoder="minilm", levels=PROSE):
    return Configuration(encoder, levels, "hybrid", Parameters(weight=weight))


def words(levels=PROSE):
    return Configuration(None, levels, "bm25")


def option(configuration, mean, seed=0, spans=math.nan):
    """Zeros and ones with a given mean, drawn so that larger means contain smaller ones."""
    ranks = np.random.default_rng(seed).permutation(N)
    return Option(
        configuration,
        (ranks < mean * N).astype(float),
        np.full(N, spans) if np.isnan(spans) else (ranks < spans * N).astype(float),
    )


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
    found = Transfer.fit(pairs, ["a"])
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
    default = option(hybrid(), 0.60)
    trusted = trusted_choice(default, [default, option(words(), 0.66)], CLUSTERS, TRANSFER)
    assert trusted.choice is None
    assert trusted.ahead is not None
    assert trusted.ahead.p < 0.05, "significant, and still not believed"
    assert trusted.ahead.gain > 0 > trusted.ahead.score


def test_a_gain_beyond_the_doubt_leaves_it():
    default = option(hybrid(), 0.60)
    options = [default, option(hybrid(0.5), 0.72), option(words(), 0.76)]
    trusted = trusted_choice(default, options, CLUSTERS, TRANSFER)
    assert trusted.choice == 1, "further ahead of its doubt, though not further ahead"
    assert trusted.by_documents


def test_a_gain_that_is_not_significant_keeps_the_default():
    few = [str(number) for number in range(20)]
    default = Option(hybrid(), np.zeros(20), np.full(20, np.nan))
    lucky = Option(hybrid(0.5), np.r_[np.ones(4), np.zeros(16)], np.full(20, np.nan))
    trusted = trusted_choice(default, [lucky], few, TRANSFER)
    assert trusted.ahead is not None
    assert trusted.ahead.score > 0
    assert trusted.choice is None


def test_trained_encoders_get_the_benefit_of_the_doubt():
    default = option(hybrid(encoder="lsa"), 0.60)
    for encoder, left in (("minilm", True), ("lsa", False)):
        knn = option(Configuration(encoder, PROSE, "hybrid", Parameters(weight=0.7)), 0.62)
        trusted = trusted_choice(default, [knn], CLUSTERS, Transfer(1.0, 0.3, 1, ()))
        assert (trusted.choice is not None) == left


def test_passages_decide_between_granularities_only():
    default = option(hybrid(), 0.60, spans=0.50)
    finer = option(hybrid(levels=WHOLE), 0.95, spans=0.75)
    other = option(words(WHOLE), 0.99, spans=0.99)
    trusted = trusted_choice(default, [finer, other], CLUSTERS, TRANSFER)
    assert trusted.choice == 0
    assert not trusted.by_documents
    close = option(hybrid(levels=WHOLE), 0.95, spans=0.52)
    assert trusted_choice(default, [close, other], CLUSTERS, TRANSFER).choice is None
