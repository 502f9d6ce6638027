"""Estimators that turn features of a hit into P(relevant), and how well probabilities hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tellapart.errors import TellapartError

Floats = NDArray[np.float64]

METHODS = ("logistic", "isotonic")

STRENGTHS = (0.003, 0.03, 0.3, 3.0)
"""C of the logistic regression that is chosen among by likelihood on other groups: a decade apart, since it hardly
matters within one. Few queries get a strong prior, many a weak one."""

FOLDS = 5
"""Parts that whole groups are dealt to; each is predicted by a fit on the others. The usual number (Hastie et
al. 2009, 7.10)."""

DECILES = 10

CHANCES = 500
"""Draws of relevance from the probabilities themselves: an error that five in a hundred exceed is then known to about a
fortieth of itself."""


class HitCalibrator:
    """P(relevant) from features: logistic regression, and with `method="isotonic"` a monotone step map after it.

    Platt (1999) for the logistic map; Zadrozny and Elkan (2002) for the isotonic one, which is fitted on log odds that
    were predicted out of fold, group by group, so that it corrects what the regression gets wrong on queries it has
    not seen. In the manner of scikit-learn:

        calibrator = HitCalibrator().fit(features, relevant, groups=clusters)
        calibrator.predict_proba(features)[:, 1]

    Args:
        method: `logistic` or `isotonic`.
        regularisation: C of scikit-learn's LogisticRegression on standardised features, larger = weaker; None = chosen
            by the likelihood of groups left out.
        folds: Parts for predictions out of fold.

    Attributes:
        means_: Of the features (d,).
        scales_: Standard deviations (d,), 1 for a constant feature.
        coef_: Of the standardised features (d,).
        intercept_: Log odds at the means.
        strength_: C that was used.
        steps_: Log odds and probability (m, 2) of the isotonic map; empty for `logistic`.
        classes_: 0 and 1.
    """

    def __init__(
        self, method: str = "logistic", *, regularisation: float | None = None, folds: int = FOLDS
    ) -> None:
        if method not in METHODS:
            raise TellapartError(f"unknown method {method!r}: choose one of {', '.join(METHODS)}")
        self.method = method
        self.regularisation = regularisation
        self.folds = folds

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Give the arguments of the constructor, as scikit-learn's `clone` wants them."""
        return {"method": self.method, "regularisation": self.regularisation, "folds": self.folds}

    def set_params(self, **params: Any) -> Self:  # noqa: ANN401
        """Set arguments of the constructor."""
        for name, value in params.items():
            if name not in self.get_params():
                raise TellapartError(f"HitCalibrator has no parameter {name!r}")
            setattr(self, name, value)
        return self

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        groups: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Fit on features (n, d) and relevance 0 or 1 (n,).

        Args:
            X: Features.
            y: Relevance.
            groups: Cluster of queries of each hit (n,); None = each hit is its own.
            sample_weight: How much each hit counts (n,).

        Raises:
            TellapartError: Hits of only one kind: nothing can be learned.
        """
        features, relevant, weights = _checked(X, y, sample_weight)
        self.strength_ = self.regularisation or self._chosen_strength(features, relevant, groups, weights)
        self._fit_logistic(features, relevant, weights)
        self.steps_ = np.zeros((0, 2))
        if self.method == "isotonic":
            inner = HitCalibrator(regularisation=self.strength_, folds=self.folds)
            predicted = cross_fitted(inner, features, relevant, groups, weights)
            self.steps_ = _isotonic(log_odds(predicted), relevant, weights)
        return self

    def decision_function(self, X: ArrayLike) -> Floats:
        """Log odds (n,) of the logistic regression."""
        standardised = (np.asarray(X, dtype=np.float64) - self.means_) / self.scales_
        return np.asarray(standardised @ self.coef_ + self.intercept_, dtype=np.float64)

    def predict_proba(self, X: ArrayLike) -> Floats:
        """P(not relevant), P(relevant) (n, 2)."""
        log_odds = self.decision_function(X)
        relevant = 0.5 * (1 + np.tanh(log_odds / 2))
        if len(self.steps_):
            relevant = np.interp(log_odds, self.steps_[:, 0], self.steps_[:, 1])
        return np.column_stack([1 - relevant, relevant])

    def predict(self, X: ArrayLike) -> NDArray[np.int64]:
        """Relevance (n,): 1 where more likely than not."""
        return np.asarray(self.predict_proba(X)[:, 1] > 0.5, dtype=np.int64)

    def _chosen_strength(
        self, features: Floats, relevant: Floats, groups: ArrayLike | None, weights: Floats
    ) -> float:
        """Choose C by the mean log loss on groups that were left out; the strongest prior where that cannot be said."""
        names = np.arange(len(relevant)) if groups is None else np.asarray(groups)
        losses = []
        for strength in STRENGTHS:
            inner = HitCalibrator(regularisation=strength, folds=self.folds)
            try:
                predicted = np.clip(cross_fitted(inner, features, relevant, names, weights), 1e-6, 1 - 1e-6)
            except TellapartError:
                return STRENGTHS[0]
            hits = relevant * np.log(predicted) + (1 - relevant) * np.log1p(-predicted)
            losses.append(-float(np.average(hits, weights=weights)))
        return STRENGTHS[int(np.argmin(losses))]

    def _fit_logistic(self, features: Floats, relevant: Floats, weights: Floats) -> None:
        from sklearn.linear_model import LogisticRegression

        self.classes_ = np.array([0, 1])
        self.means_ = np.average(features, axis=0, weights=weights)
        spread = np.sqrt(np.average((features - self.means_) ** 2, axis=0, weights=weights))
        self.scales_ = np.where(spread > 1e-9, spread, 1.0)
        # few features and many hits: Newton's steps are exact, and fifteen times as fast as L-BFGS's
        regression = LogisticRegression(C=self.strength_, solver="newton-cholesky")
        regression.fit((features - self.means_) / self.scales_, relevant, sample_weight=weights)
        self.coef_, self.intercept_ = regression.coef_[0], float(regression.intercept_[0])


def cross_fitted(
    calibrator: HitCalibrator,
    features: ArrayLike,
    relevant: ArrayLike,
    groups: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    *,
    seed: int = 0,
) -> Floats:
    """P(relevant) (n,) of every hit by a fit on other groups only.

    Args:
        calibrator: Says method and folds; is itself left unfitted.
        features: (n, d).
        relevant: 0 or 1 (n,).
        groups: Cluster of queries of each hit (n,); None = each hit is its own.
        weights: How much each hit counts (n,).
        seed: Of dealing the groups.

    Raises:
        TellapartError: Fewer than two groups, or a part of the groups has hits of one kind only.
    """
    known, labels, counted = _checked(features, relevant, weights)
    names = np.arange(len(labels)) if groups is None else np.asarray(groups)
    unique, of_hit = np.unique(names, return_inverse=True)
    folds = min(calibrator.folds, len(unique))
    if folds < 2:
        raise TellapartError("one query cannot be predicted from others: give more queries")
    dealt = np.random.default_rng(seed).permutation(len(unique)) % folds
    predicted = np.zeros(len(labels))
    for fold in range(folds):
        inside = dealt[of_hit] == fold
        used = ~inside & (counted > 0)
        fitted = HitCalibrator(**calibrator.get_params())
        fitted.fit(known[used], labels[used], names[used], counted[used])
        predicted[inside] = fitted.predict_proba(known[inside])[:, 1]
    return predicted


@dataclass(frozen=True, slots=True)
class CalibrationQuality:
    """How well probabilities hold: of hits that were not used to fit them.

    `ece` is the expected calibration error in deciles (`expected_calibration_error`); `ece_by_chance` what perfect
    probabilities of these values would show on so many hits, on average, and `ece_by_chance_high` what they exceed in
    5 % of cases. `brier` is the mean squared error, `skill` that of `brier_skill`, `relevant` the share of relevant
    hits, `hits` how many.
    """

    ece: float
    ece_by_chance: float
    ece_by_chance_high: float
    brier: float
    skill: float
    relevant: float
    hits: int

    @classmethod
    def of(cls, probabilities: ArrayLike, relevant: ArrayLike) -> CalibrationQuality:
        """Compare probabilities (n,) with relevance 0 or 1 (n,)."""
        predicted, labels = (np.asarray(each, dtype=np.float64) for each in (probabilities, relevant))
        chance = errors_by_chance(predicted)
        return cls(
            expected_calibration_error(predicted, labels),
            float(chance.mean()),
            float(np.quantile(chance, 0.95)),
            float(((predicted - labels) ** 2).mean()),
            brier_skill(predicted, labels),
            float(labels.mean()),
            len(labels),
        )


def brier_skill(probabilities: ArrayLike, relevant: ArrayLike) -> float:
    """How much smaller the mean squared error is than that of always saying the share of relevant hits.

    1 = perfect, 0 = no better; 0 where all hits are of one kind.
    """
    predicted, labels = (np.asarray(each, dtype=np.float64) for each in (probabilities, relevant))
    base = float(labels.var())
    return 1 - float(((predicted - labels) ** 2).mean()) / base if base > 0 else 0.0


def expected_calibration_error(probabilities: ArrayLike, relevant: ArrayLike, bins: int = DECILES) -> float:
    """Mean |predicted - observed| over bins of equally many hits, weighed by their hits.

    ECE as in Naeini et al. (2015), with bins of equal mass (Nixon et al. 2019): deciles by default. It is biased
    upwards: perfect probabilities of n hits give about .8 sqrt(p (1 - p) bins / n).
    """
    predicted, labels = (np.asarray(each, dtype=np.float64) for each in (probabilities, relevant))
    if not len(labels):
        raise TellapartError("no hit: a calibration error needs some")
    return float(_bin_errors(predicted, labels[None], bins)[0])


def errors_by_chance(probabilities: ArrayLike) -> Floats:
    """Calibration errors (CHANCES,) in deciles that the probabilities (n,) show when they are perfect.

    Relevance is drawn from the probabilities themselves, so that nothing but the number of hits makes the error: the
    consistency resampling of Broecker and Smith (2007). An error found that lies within these says nothing against the
    probabilities.
    """
    predicted = np.asarray(probabilities, dtype=np.float64)
    draw = np.random.default_rng(0)
    return np.concatenate(
        [
            _bin_errors(predicted, draw.uniform(size=(1, len(predicted))) < predicted, DECILES)
            for _ in range(CHANCES)
        ]
    )


def _bin_errors(predicted: Floats, labels: NDArray[Any], bins: int) -> Floats:
    """Calibration errors (draws,) of probabilities (n,) against relevance (draws, n)."""
    order = np.argsort(predicted, kind="stable")
    sizes = [len(part) for part in np.array_split(order, min(bins, len(order)))]
    starts = np.cumsum([0, *sizes[:-1]])
    sums = np.add.reduceat(predicted[order] - labels[:, order], starts, axis=1)
    return np.asarray(np.abs(sums).sum(axis=1) / len(predicted), dtype=np.float64)


def _checked(
    features: ArrayLike, relevant: ArrayLike, weights: ArrayLike | None
) -> tuple[Floats, Floats, Floats]:
    known, labels = (np.asarray(each, dtype=np.float64) for each in (features, relevant))
    if known.ndim != 2 or labels.shape != (len(known),):
        raise TellapartError(f"features {known.shape} and relevance {labels.shape} do not belong together")
    if not ((labels == 1).any() and (labels == 0).any()):
        kind = "relevant" if len(labels) and labels[0] == 1 else "not relevant"
        raise TellapartError(
            f"all {len(labels):,} hits are {kind}: probabilities need queries with hits of both kinds"
        )
    counted = np.ones(len(labels)) if weights is None else np.asarray(weights, dtype=np.float64)
    return known, labels, counted


def log_odds(probabilities: Floats) -> Floats:
    """Log odds of probabilities, those of 0 and 1 as of a billionth from them."""
    safe = np.clip(probabilities, 1e-9, 1 - 1e-9)
    return np.asarray(np.log(safe) - np.log1p(-safe), dtype=np.float64)


def _isotonic(log_odds: Floats, relevant: Floats, weights: Floats) -> Floats:
    """Knots (m, 2) of the isotonic map, which is interpolated between them."""
    from sklearn.isotonic import IsotonicRegression

    fitted = IsotonicRegression(y_min=0, y_max=1).fit(log_odds, relevant, sample_weight=weights)
    return np.column_stack([fitted.X_thresholds_, fitted.y_thresholds_])
