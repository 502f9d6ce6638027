"""Rankers by examples as estimators of scikit-learn: they rank rows of a matrix rather than units of an index."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.preprocessing import normalize
from sklearn.utils import check_array, check_X_y
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from tellapart.index.vectors import VectorIndex
from tellapart.rankers.exact import ExactSVM
from tellapart.rankers.examples import Doubles, like_rows
from tellapart.rankers.ridge import DEFAULT_RATIO as RIDGE_RATIO
from tellapart.rankers.ridge import Ridge
from tellapart.rankers.svm import DEFAULT_RATIO as SVM_RATIO
from tellapart.rankers.svm import ClosedFormSVM
from tellapart.rankers.vectors import Direction


class _ByExamples(BaseEstimator):
    """What both estimators share: rows of unit length, and a linear function of them."""

    def decision_function(self, X: ArrayLike) -> Doubles:
        """Score rows (n, d), higher = more like the examples: (n,)."""
        check_is_fitted(self)
        rows = check_array(X)
        if rows.shape[1] != self.n_features_in_:
            raise ValueError(
                f"X has {rows.shape[1]} features, but {type(self).__name__} is expecting {self.n_features_in_} features"
                " as input"
            )
        scores: Doubles = normalize(rows) @ self.coef_[0] + self.intercept_[0]
        return scores

    def _fit(self, X: ArrayLike, y: ArrayLike, direction: Direction) -> Self:
        rows, labels = check_X_y(X, y)
        check_classification_targets(labels)
        self.classes_ = np.unique(labels)
        if len(self.classes_) != 2:
            raise ValueError(f"y has {len(self.classes_)} classes: give 2, the larger one for the examples")
        self.n_features_in_ = rows.shape[1]
        vectors = VectorIndex([normalize(rows).astype(np.float16)])
        examples = np.flatnonzero(labels == self.classes_[1]).tolist()
        found = direction(like_rows(vectors, examples), vectors)
        self.coef_, self.intercept_ = found.w[None], np.array([found.b])
        return self


class ExemplarSVM(ClassifierMixin, _ByExamples):
    """The exemplar SVM (Malisiewicz et al. 2011): examples against all other rows, however many.

    Rows are brought to unit length and rounded to half precision, as an index keeps them. `solver="exact"` has the
    optimum of `LinearSVC(class_weight="balanced", dual=False, C=c)` on such rows; `closed` is its least-squares form,
    the ranker `svm` of a search.

    Args:
        regularisation: Lambda as a multiple of the mean eigenvalue of the rows' covariance.
        c: C of liblinear, in place of `regularisation`.
        solver: `closed` or `exact`.

    Attributes:
        coef_: (1, d).
        intercept_: (1,).
        classes_: The two labels; the second one is that of the examples.
    """

    def __init__(
        self, regularisation: float = SVM_RATIO, *, c: float | None = None, solver: str = "closed"
    ) -> None:
        self.regularisation = regularisation
        self.c = c
        self.solver = solver

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Fit on rows (n, d) and labels (n,), two classes: the larger label is that of the examples."""
        if self.solver not in ("closed", "exact"):
            raise ValueError(f"unknown solver {self.solver!r}: choose closed or exact")
        form = ClosedFormSVM(self.regularisation, self.c)
        return self._fit(X, y, ExactSVM(form) if self.solver == "exact" else form)

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Give the label of each row (n,): that of the examples where the score is above 0."""
        return np.asarray(self.classes_[(self.decision_function(X) > 0).astype(int)])


class ExemplarRidge(_ByExamples):
    """Ridge regression of relevance on rows of unit length: examples should score 1, all other rows 0, without a bias.

    The ranker `ridge` of a search. It orders rows; its scores have no natural threshold, so it predicts no labels.

    Args:
        regularisation: Lambda as a multiple of the mean eigenvalue of the rows' second moments.

    Attributes:
        coef_: (1, d).
        intercept_: (1,), 0.
        classes_: The two labels; the second one is that of the examples.
    """

    def __init__(self, regularisation: float = RIDGE_RATIO) -> None:
        self.regularisation = regularisation

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Fit on rows (n, d) and labels (n,), two classes: the larger label is that of the examples."""
        return self._fit(X, y, Ridge(self.regularisation))
