"""Probabilities against what drew them, and against plain loops."""

from __future__ import annotations

import numpy as np
import pytest

from tellapart.errors import TellapartError
from tellapart.scores.calibration import (
    CalibrationQuality,
    HitCalibrator,
    cross_fitted,
    expected_calibration_error,
)


def drawn(n, seed=0, shift=0.0):
    draw = np.random.default_rng(seed)
    features = draw.normal(size=(n, 3)) * [1, 10, 1] + [0, 5, 0]
    log_odds = 1.5 * features[:, 0] + 0.1 * (features[:, 1] - 5) - 1 + shift
    truth = 1 / (1 + np.exp(-log_odds))
    return features, (draw.uniform(size=n) < truth).astype(float), truth


@pytest.mark.parametrize("method", ["logistic", "isotonic"])
def test_probabilities_are_those_that_drew_the_labels(method):
    features, relevant, _ = drawn(6000)
    fitted = HitCalibrator(method).fit(features, relevant)
    new, labels, truth = drawn(6000, seed=1)
    found = fitted.predict_proba(new)
    assert found.shape == (6000, 2)
    assert np.allclose(found.sum(1), 1)
    assert np.abs(found[:, 1] - truth).mean() < 0.03
    assert expected_calibration_error(found[:, 1], labels) < 0.03
    assert (fitted.predict(new) == (found[:, 1] > 0.5)).all()


def test_isotonic_map_mends_what_a_logistic_function_cannot_say():
    draw = np.random.default_rng(3)
    features = draw.uniform(-3, 3, (4000, 1))
    relevant = (draw.uniform(size=4000) < np.where(features[:, 0] > 0, 0.6, 0.1)).astype(float)
    groups = np.arange(4000) // 4
    logistic, isotonic = (
        expected_calibration_error(cross_fitted(HitCalibrator(m), features, relevant, groups), relevant)
        for m in ("logistic", "isotonic")
    )
    assert isotonic < 0.03 < logistic


def test_no_hit_is_predicted_by_a_fit_that_saw_its_group():
    draw = np.random.default_rng(4)
    groups = np.repeat(np.arange(40), 5)
    relevant = np.repeat(draw.integers(0, 2, 40), 5).astype(float)
    features = np.eye(40)[groups]  # tells the group and nothing else
    predicted = cross_fitted(HitCalibrator(), features, relevant, groups)
    assert CalibrationQuality.of(predicted, relevant).skill < 0.05
    alone = cross_fitted(HitCalibrator(), features, relevant)
    assert CalibrationQuality.of(alone, relevant).skill > 0.3


def test_weights_count_as_copies():
    features, relevant, _ = drawn(60)
    weights = np.random.default_rng(5).integers(1, 4, 60)
    weighted = HitCalibrator().fit(features, relevant, sample_weight=weights)
    copied = HitCalibrator().fit(np.repeat(features, weights, 0), np.repeat(relevant, weights))
    assert weighted.coef_ == pytest.approx(copied.coef_, abs=1e-3)
    assert weighted.intercept_ == pytest.approx(copied.intercept_, abs=1e-3)


def test_error_and_skill_by_hand():
    p, y = [0.1, 0.3, 0.6, 0.9], [0, 1, 1, 1]
    assert expected_calibration_error(p, y, bins=2) == pytest.approx((abs(0.2 - 0.5) + abs(0.75 - 1)) / 2)
    quality = CalibrationQuality.of(p, y)
    assert quality.brier == pytest.approx((0.01 + 0.49 + 0.16 + 0.01) / 4)
    assert quality.skill == pytest.approx(1 - quality.brier / 0.1875)


def test_perfect_probabilities_err_by_chance_as_is_said_and_wrong_ones_more():
    truth = drawn(300, seed=6)[2]
    draw = np.random.default_rng(7)
    right = [CalibrationQuality.of(truth, draw.uniform(size=300) < truth) for _ in range(60)]
    assert np.mean([each.ece for each in right]) == pytest.approx(right[0].ece_by_chance, rel=0.15)
    assert np.mean([each.ece > each.ece_by_chance_high for each in right]) < 0.15
    wrong = CalibrationQuality.of(truth / 2, draw.uniform(size=300) < truth)
    assert wrong.ece > wrong.ece_by_chance_high


def test_is_a_scikit_learn_estimator():
    from sklearn.base import clone

    copy = clone(HitCalibrator("isotonic", regularisation=0.5))
    assert (copy.method, copy.regularisation) == ("isotonic", 0.5)


def test_what_cannot_be_learned_is_refused():
    with pytest.raises(TellapartError, match="all 5 hits are relevant"):
        HitCalibrator().fit(np.zeros((5, 2)), np.ones(5))
    with pytest.raises(TellapartError, match="unknown method"):
        HitCalibrator("magic")
    with pytest.raises(TellapartError, match="give more queries"):
        cross_fitted(HitCalibrator(), np.zeros((4, 1)), [0, 1, 0, 1], ["q"] * 4)
