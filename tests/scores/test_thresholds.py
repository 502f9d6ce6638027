"""Thresholds against plain loops and against what they promise, on drawn data."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from tellapart.errors import TellapartError
from tellapart.scores.thresholds import (
    false_accept_threshold,
    lower_quantile,
    mean_below_p,
    one_each,
    precision_threshold,
    recall_threshold,
)


@given(
    st.lists(st.floats(0, 1, allow_nan=False), min_size=1, max_size=60),
    st.sampled_from([0.05, 0.1, 0.25, 0.5]),
)
def test_quantile_is_the_largest_value_that_leaves_few_enough_below(values, share):
    # the oracle counts: a value may be kept if at most share of n + 1 places lie below it
    allowed = [v for v in values if sum(w < v for w in values) + 1 <= share * (len(values) + 1) + 1e-9]
    if not allowed:
        with pytest.raises(TellapartError, match=r"needs [\d,]+ more"):
            lower_quantile(values, share)
    else:
        assert lower_quantile(values, share) == max(allowed)


def test_number_of_queries_that_are_missing_is_exact():
    with pytest.raises(TellapartError, match="needs 4 more"):
        lower_quantile([0.5] * 15, 0.05)
    assert lower_quantile([0.5] * 19, 0.05) == 0.5


def test_what_is_never_reached_is_refused():
    with pytest.raises(TellapartError, match="only 80%"):
        recall_threshold([0.9] * 80 + [-math.inf] * 20, 0.9)


def test_recall_and_false_accepts_hold_on_average_over_new_queries():
    draw = np.random.default_rng(0)
    lost, accepted = [], []
    for _ in range(300):
        lost.append((draw.beta(4, 2, 200) < recall_threshold(draw.beta(4, 2, 60), 0.9).threshold).mean())
        found = false_accept_threshold(draw.beta(2, 4, 60), 0.1).threshold
        accepted.append((draw.beta(2, 4, 200) >= found).mean())
    # expectation floor(.1 x 61) / 61 = .098; the standard error of 300 means is below .003
    assert np.mean(lost) == pytest.approx(6 / 61, abs=0.009)
    assert np.mean(accepted) == pytest.approx(6 / 61, abs=0.009)


def test_precision_holds_as_often_as_promised():
    draw = np.random.default_rng(1)
    failed, found = 0, 0
    for _ in range(200):
        p = draw.uniform(0, 1, (150, 3))
        relevant = draw.uniform(size=p.shape) < p**0.5
        try:
            threshold = precision_threshold(list(p), list(relevant), 0.8).threshold
        except TellapartError:
            continue
        found += 1
        new = draw.uniform(0, 1, (4000, 3))
        right = draw.uniform(size=new.shape) < new**0.5
        shown = new >= threshold
        counts = shown.sum(1)
        precision = ((right & shown).sum(1)[counts > 0] / counts[counts > 0]).mean()
        failed += precision < 0.8 - 0.005
    assert found > 100
    assert failed <= binom.ppf(0.999, 200, 0.05)


def test_precision_out_of_reach_is_refused_and_says_what_is_missing():
    with pytest.raises(TellapartError, match="needs 19 more"):
        precision_threshold([[0.9]] * 10, [[True]] * 10, 0.9)
    with pytest.raises(TellapartError, match="was not reached"):
        precision_threshold([[0.9]] * 100, [[i % 2 == 0] for i in range(100)], 0.9)


def test_precision_that_more_queries_would_carry_says_how_many():
    with pytest.raises(TellapartError, match=r"reach 0\.80, which needs about \d+ more"):
        precision_threshold([[0.9]] * 60, [[i % 5 != 0] for i in range(60)], 0.75)


def test_p_value_is_the_binomial_tail_for_zeros_and_ones():
    values = np.array([1.0] * 18 + [0.0] * 2)
    tail = sum(math.comb(20, k) * 0.7**k * 0.3 ** (20 - k) for k in range(18, 21))
    assert mean_below_p(values, 0.7) == pytest.approx(tail)
    assert mean_below_p(np.zeros(0), 0.7) == 1
    assert mean_below_p(np.full(50, 0.7), 0.7) == 1


def test_p_value_of_shares_is_never_too_small():
    draw = np.random.default_rng(2)
    rejected = [mean_below_p(draw.beta(3, 1, 40), 0.75) <= 0.05 for _ in range(2000)]
    assert np.mean(rejected) <= 0.05


def test_one_query_of_each_cluster():
    clusters = ["a", "b", "a", "c", "b"]
    drawn = one_each(clusters, seed=3)
    assert sorted(clusters[i] for i in drawn) == ["a", "b", "c"]
