"""The rankers by examples as scikit-learn has estimators."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import cross_val_score
from sklearn.svm import LinearSVC

from tellapart.rankers import ExemplarRidge, ExemplarSVM
from tellapart.scores import HitCalibrator


def drawn(n=400, dim=12, examples=15):
    draw = np.random.default_rng(1)
    rows = draw.normal(size=(n, dim))
    rows[:examples] += 2 * np.eye(dim)[0]
    return rows / np.linalg.norm(rows, axis=1, keepdims=True), np.arange(n) < examples


@pytest.mark.parametrize(
    "estimator",
    [ExemplarSVM(3.0, solver="exact"), ExemplarRidge(7.0), HitCalibrator("isotonic", regularisation=2.0)],
)
def test_they_are_cloned_with_their_settings(estimator):
    copy = clone(estimator)
    assert copy is not estimator
    assert copy.get_params() == estimator.get_params()
    name, value = next(iter(estimator.get_params().items()))
    assert copy.set_params(**{name: value}) is copy


def test_the_exact_solver_is_liblinear_on_rows_of_unit_length():
    rows, examples = drawn()
    own = ExemplarSVM(c=0.5, solver="exact").fit(rows * 3, examples)
    rows = rows.astype(np.float16).astype(float)  # as an index keeps them
    theirs = LinearSVC(C=0.5, class_weight="balanced", dual=False, tol=1e-10, max_iter=10_000).fit(
        rows, examples
    )
    np.testing.assert_allclose(own.coef_, theirs.coef_, atol=1e-3)
    np.testing.assert_allclose(own.decision_function(rows), theirs.decision_function(rows), atol=1e-3)
    assert (own.predict(rows) == theirs.predict(rows)).all()


@pytest.mark.parametrize("estimator", [ExemplarSVM(), ExemplarRidge()])
def test_examples_score_above_the_rest(estimator):
    rows, examples = drawn()
    names = np.where(examples, "wanted", "other")
    scores = estimator.fit(rows, np.where(examples, 1, 0)).decision_function(rows)
    assert scores[examples].mean() > scores[~examples].mean() + scores.std()
    assert scores.shape == (len(rows),)
    with pytest.raises(ValueError, match="12 features"):
        estimator.decision_function(rows[:, :3])
    with pytest.raises(ValueError, match="1 class"):
        estimator.fit(rows, np.zeros(len(rows), dtype=int))
    assert estimator.fit(rows, names).classes_.tolist() == ["other", "wanted"]


def test_the_svm_is_scored_by_cross_validation_as_any_classifier():
    rows, examples = drawn()
    assert cross_val_score(ExemplarSVM(), rows, examples, scoring="roc_auc", cv=3).min() > 0.8
