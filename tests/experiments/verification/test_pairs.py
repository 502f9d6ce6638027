from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tellapart.errors import TellapartError
from tellapart.experiments.verification import (
    PairScores,
    equal_error_rate,
    guaranteed_threshold,
    min_dcf,
    roc,
    tar_at_far,
    threshold_at_far,
)

SCORES = st.lists(st.integers(-4, 4), min_size=1, max_size=30)


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def all_pairs(vectors: np.ndarray, labels: np.ndarray) -> tuple[list[float], list[float]]:
    genuine, impostors = [], []
    for i in range(len(vectors)):
        for j in range(i):
            (genuine if labels[i] == labels[j] else impostors).append(float(vectors[i] @ vectors[j]))
    return genuine, impostors


def rates(genuine: list[float], impostors: list[float], threshold: float) -> tuple[float, float]:
    return (
        sum(score > threshold for score in impostors) / len(impostors),
        sum(score > threshold for score in genuine) / len(genuine),
    )


@given(SCORES, SCORES)
def test_the_curve_passes_the_rates_of_every_threshold(genuine, impostors):
    curve = roc(PairScores.of(genuine, impostors))
    corners = set(zip(curve.far.tolist(), curve.tar.tolist(), strict=True))
    for threshold in {-math.inf, *genuine}:
        assert rates(genuine, impostors, threshold) in corners
    assert (np.diff(curve.far) >= 0).all()
    assert (np.diff(curve.tar) >= 0).all()


@given(SCORES, SCORES)
def test_the_area_is_the_chance_of_the_right_order(genuine, impostors):
    wins = sum((g > i) + (g == i) / 2 for g in genuine for i in impostors)
    area = roc(PairScores.of(genuine, impostors)).area
    assert area == pytest.approx(wins / len(genuine) / len(impostors))


@settings(deadline=None)
@given(SCORES, SCORES)
def test_the_curve_is_that_of_scikit_learn(genuine, impostors):
    from sklearn.metrics import roc_auc_score, roc_curve

    truth = [1] * len(genuine) + [0] * len(impostors)
    scores = [*genuine, *impostors]
    far, tar, _ = roc_curve(truth, scores, drop_intermediate=False)
    curve = roc(PairScores.of(genuine, impostors))
    assert curve.area == pytest.approx(roc_auc_score(truth, scores))
    # same polyline: at each rate of one, the other takes the same values
    for x, y in zip(far, tar, strict=True):
        at = np.flatnonzero(np.isclose(curve.far, x))
        between = np.interp(x, curve.far, curve.tar)
        assert np.isclose(between, y) or (
            len(at) and curve.tar[at].min() - 1e-9 <= y <= curve.tar[at].max() + 1e-9
        )


@given(SCORES, SCORES)
def test_exchanging_genuine_and_impostor_mirrors_the_error_rate(genuine, impostors):
    error = equal_error_rate(PairScores.of(genuine, impostors))
    assert equal_error_rate(PairScores.of(impostors, genuine)) == pytest.approx(1 - error)


def test_equal_error_rates_by_hand():
    assert equal_error_rate(PairScores.of([3, 4], [1, 2])) == 0
    assert equal_error_rate(PairScores.of([1, 2], [3, 4])) == 1
    assert equal_error_rate(PairScores.of([1, 1], [1, 1])) == 0.5
    assert equal_error_rate(PairScores.of([9, 9, 9, 1], [8, 0, 0, 0])) == 0.25


@given(SCORES, SCORES, st.floats(0.01, 0.99))
def test_the_cost_is_the_least_of_all_thresholds_and_at_most_1(genuine, impostors, target):
    expected = math.inf
    for threshold in {-math.inf, *genuine, *impostors, max(genuine + impostors)}:
        far, tar = rates(genuine, impostors, threshold)
        expected = min(expected, target * (1 - tar) + (1 - target) * far)
    found = min_dcf(PairScores.of(genuine, impostors), target=target)
    assert found == pytest.approx(expected / min(target, 1 - target))
    assert found <= 1


@given(SCORES, SCORES, st.floats(0.01, 1.0))
def test_at_most_so_many_impostors_pass_and_one_more_would_be_too_many(genuine, impostors, far):
    pairs = PairScores.of(genuine, impostors)
    if math.floor(far * len(impostors) * (1 + 1e-12)) < 1:
        with pytest.raises(TellapartError, match="cannot be measured"):
            threshold_at_far(pairs, far, support=1)
        return
    found = tar_at_far(pairs, far, support=1)
    seen_far, seen_tar = rates(genuine, impostors, found.threshold)
    assert (found.far, found.tar) == (pytest.approx(seen_far), pytest.approx(seen_tar))
    assert found.far <= far + 1e-12
    lower = [score for score in impostors if score < found.threshold] or [-math.inf]
    if found.threshold > -math.inf:
        assert rates(genuine, impostors, max(lower))[0] > far - 1e-12


def test_the_threshold_by_hand_with_ties():
    pairs = PairScores.of([5, 7, 9], [9, 8, 7, 7, 7, 6, 5, 4, 3, 2])
    assert threshold_at_far(pairs, 0.1, support=1) == 8
    assert threshold_at_far(pairs, 0.29, support=1) == 7
    assert tar_at_far(pairs, 0.4, support=1).far == 0.2  # the three 7s pass together or not at all
    assert tar_at_far(pairs, 0.2, support=1).tar == pytest.approx(1 / 3)
    assert tar_at_far(pairs, 1, support=1).tar == 1


def test_equal_scores_leave_nothing_between_all_and_none():
    pairs = PairScores.of([1] * 5, [1] * 100)
    assert {tar_at_far(pairs, far).far for far in (0.3, 0.5, 0.99, 1.0)} == {0.0, 1.0}


@given(SCORES)
def test_thresholds_fall_as_the_rate_grows(impostors):
    pairs = PairScores.of([0], impostors)
    found = [threshold_at_far(pairs, k / len(impostors), support=1) for k in range(1, len(impostors) + 1)]
    assert found == sorted(found, reverse=True)


def test_a_rate_the_impostors_cannot_carry_is_refused_with_what_would():
    pairs = PairScores.of([1], np.arange(2_700))
    with pytest.raises(TellapartError, match=r"2,700 impostors.*give 30,000 or ask for 0.011"):
        tar_at_far(pairs, 1e-3)
    assert tar_at_far(pairs, 0.012).threshold == 2_700 - 32 - 1


def test_a_guaranteed_threshold_holds_for_new_impostors():
    random = np.random.default_rng(0)
    passed = []
    for _ in range(2_000):
        scores = random.normal(size=40)
        passed.append(scores[0] > guaranteed_threshold(PairScores.of([0], scores[1:]), 0.1))
    assert 0.07 < np.mean(passed) <= 0.115
    with pytest.raises(TellapartError, match=r"ask for 0.025"):
        guaranteed_threshold(PairScores.of([0], scores[1:]), 0.02)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 40), st.integers(1, 7), st.integers(1, 9))
def test_blocks_find_what_all_pairs_give(seed, count, tile, kept):
    random = np.random.default_rng(seed)
    vectors = random.integers(-2, 3, size=(count, 4)).astype(np.float32)  # products are exact: ties are ties
    labels = random.integers(0, 4, size=count)
    genuine, impostors = all_pairs(vectors, labels)
    if not genuine or not impostors:
        with pytest.raises(TellapartError):
            PairScores.within(vectors, labels)
        return
    expected = PairScores.of(genuine, impostors)
    found = PairScores.within(vectors, labels, tile=tile, kept=kept)
    np.testing.assert_array_equal(found.genuine, expected.genuine)
    np.testing.assert_array_equal(found.at_least, expected.at_least)
    np.testing.assert_array_equal(found.above, expected.above)
    np.testing.assert_array_equal(found.highest, expected.highest[:kept])
    assert found.impostors == expected.impostors
    assert (found.highest_of[:, 0] != found.highest_of[:, 1]).all()


def test_probes_against_a_gallery():
    random = np.random.default_rng(1)
    a, b = random.integers(-3, 4, size=(20, 5)), random.integers(-3, 4, size=(15, 5))
    x, y = random.integers(0, 4, 20), random.integers(0, 5, 15)
    scores, same = a @ b.T, x[:, None] == y
    expected = PairScores.of(scores[same], scores[~same])
    found = PairScores.between(a, x, b, y, tile=4)
    np.testing.assert_array_equal(found.genuine, expected.genuine)
    np.testing.assert_array_equal(found.at_least, expected.at_least)
    np.testing.assert_array_equal(found.highest, expected.highest)


def test_the_interval_resamples_people_not_pairs():
    random = np.random.default_rng(2)
    people = np.repeat(np.arange(40), 5)
    # a quarter of the people are never recognised: the rate is as uncertain as their number
    spread = np.where(people % 4 == 0, 20.0, 0.05)
    vectors = unit(random.normal(size=(40, 24))[people] + spread[:, None] * random.normal(size=(200, 24)))
    pairs = PairScores.within(vectors, people)
    found = tar_at_far(pairs, 0.01, draws=400)
    by_pairs = 1.96 * math.sqrt(found.tar * (1 - found.tar) / len(pairs.genuine))
    assert found.low < found.tar < found.high
    assert found.high - found.low > 2 * 1.5 * by_pairs
    assert found == tar_at_far(pairs, 0.01, draws=400)


def test_scores_without_identities_have_no_interval():
    with pytest.raises(TellapartError, match=r"PairScores\.within"):
        tar_at_far(PairScores.of([1, 2], np.arange(100)), 0.5, draws=10)


def test_a_threshold_beyond_the_kept_impostors_says_so():
    vectors = unit(np.random.default_rng(3).normal(size=(40, 4)))
    with pytest.raises(TellapartError, match="only the 10 highest"):
        tar_at_far(PairScores.within(vectors, np.arange(40) // 2, kept=10), 0.5)


def test_wrong_inputs_are_named():
    vectors = unit(np.random.default_rng(4).normal(size=(6, 3)))
    vectors[4, 1] = np.nan
    with pytest.raises(TellapartError, match=r"vector 4 \(of bo\)"):
        PairScores.within(vectors, ["al", "al", "bo", "bo", "bo", "bo"])
    with pytest.raises(ValueError, match="floats"):
        PairScores.within(vectors[:2], np.array([1.0, 2.0]))
    with pytest.raises(TellapartError, match="not a finite"):
        PairScores.of([math.nan], [0.0])
