"""How synthetic queries mislead about people's, learned from collections that have both.

Gains are compared as differences of log odds, since a mean near 0 or 1 leaves little room for differences. On
development collections synthetic queries mislead in two ways. They quote the corpus, so they undervalue encoders
that were trained to know paraphrases: people's queries add `trained` per share of the score that moves to such an
encoder. What is left errs by `error` in half of all pairs, times the root of how far the two configurations are
apart. Both are medians, so no single collection decides them (bench/transfer.py writes data/transfer.json).
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from tellapart.corpus.document import KIND_OF
from tellapart.engine.configuration import Configuration
from tellapart.experiments.experiment import Experiment
from tellapart.experiments.statistics import ALPHA, DRAWS, compare, holm
from tellapart.index.latent import LSA
from tellapart.rankers.registry import WEIGHT

DATA = "data/transfer.json"

SVM_APART = 0.5
"""What separates the svm from a nearest neighbour search, in shares of the score: with it the error per root of
distance is .31 for such pairs and .2 for others, without it .50."""

LEAST_APART = 0.2
"""Distance of configurations with the same shares: other parameters, other granularities. Our choice: such pairs
err less than any other, but not by nothing."""

EQUAL_PARTS = 0.5
"""Share of the vectors in reciprocal rank fusion."""

OTHER_UNITS_DISTANCE = 1.0
"""How far apart granularities are taken to be: what people's queries ask of passages was measured on no collection,
so a granularity is only left for a gain that would be large among rankers. Our choice."""

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Move:
    """From one configuration to another: how far, and what share of the score goes to trained encoders (signed)."""

    distance: float
    trained: float


OTHER_UNITS = Move(distance=OTHER_UNITS_DISTANCE, trained=0.0)


@dataclass(frozen=True, slots=True)
class Pair:
    """A move with its gain in log odds, by synthetic and by human queries."""

    move: Move
    synthetic: float
    human: float


@dataclass(frozen=True, slots=True)
class TransferModel:
    """What was learned from pairs: `trained` and `error` as explained above, and where from."""

    trained: float
    error: float
    pairs: int
    collections: tuple[str, ...]

    def predicted(self, gain: float, move: Move) -> float:
        """Give the gain in log odds that human queries should show."""
        return gain + self.trained * move.trained

    def doubt(self, move: Move) -> float:
        """Give how far that prediction is off in half of the cases, in log odds."""
        return self.error * math.sqrt(move.distance)

    @classmethod
    def fit(cls, pairs: Sequence[Pair], collections: Sequence[str]) -> TransferModel:
        """Learn from pairs of configurations, by least absolute deviations."""
        shares = np.array([pair.move.trained for pair in pairs])
        missed = np.array([pair.human - pair.synthetic for pair in pairs])
        moved = np.abs(shares) > 0
        trained = _weighted_median(missed[moved] / shares[moved], np.abs(shares[moved]))
        roots = np.sqrt([pair.move.distance for pair in pairs])
        error = float(np.median(np.abs(missed - trained * shares) / roots))
        return cls(trained, error, len(pairs), tuple(collections))

    def encode(self) -> str:
        """Write as JSON."""
        return json.dumps(asdict(self), indent=1) + "\n"


@cache
def load_transfer() -> TransferModel:
    """Read what was learned from the development collections."""
    kept = json.loads(files("tellapart.experiments").joinpath(DATA).read_text(encoding="utf-8"))
    return TransferModel(kept["trained"], kept["error"], kept["pairs"], tuple(kept["collections"]))


def log_odds(values: Values) -> float:
    """Log odds of a mean of values in [0, 1], with half a query added on either side so that it is finite."""
    mean = (float(values.sum()) + 0.5) / (len(values) + 1)
    mean = min(max(mean, 1e-6), 1 - 1e-6)  # weighted values may add up to more than their number
    return math.log(mean / (1 - mean))


def in_measure(log_odds_difference: float, mean: float) -> float:
    """Translate a difference of log odds into one of means, near a mean."""
    return log_odds_difference * mean * (1 - mean)


def move_between(origin: Configuration, target: Configuration) -> Move:
    """Measure the way from one configuration to another."""
    before, after = vector_share(origin), vector_share(target)
    other_encoder = origin.encoder is not None and target.encoder not in (None, origin.encoder)
    distance = before + after if other_encoder else abs(after - before)
    if (origin.ranker == "svm") != (target.ranker == "svm"):
        distance += SVM_APART
    trained = after * _is_trained(target.encoder) - before * _is_trained(origin.encoder)
    return Move(max(distance, LEAST_APART), trained)


def vector_share(configuration: Configuration) -> float:
    """Share of the score that comes from vectors."""
    if configuration.encoder is None:
        return 0.0
    if configuration.ranker == "hybrid":
        given = configuration.parameters.weight
        kinds = [WEIGHT[KIND_OF[level]] for level in configuration.granularities]
        return given if given is not None else sum(kinds) / len(kinds)
    return EQUAL_PARTS if configuration.ranker in ("rrf", "structure") else 1.0


def _is_trained(encoder: str | None) -> bool:
    """Whether an encoder knows more than this corpus."""
    return encoder not in (None, LSA)


def _weighted_median(values: Values, weights: Values) -> float:
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(reached, reached[-1] / 2)])


@dataclass(frozen=True, slots=True)
class ExpectedGain:
    """What a variant of an arm is worth against the default, in log odds of the mean.

    `gain` is what synthetic queries show, `predicted` the gain that people's queries should show, `doubt` how far
    that is off in half of the cases; `p` is Holm's, of the synthetic gain.
    """

    arm: str
    variant: int
    gain: float
    predicted: float
    doubt: float
    p: float

    @property
    def margin(self) -> float:
        """What is left of the predicted gain after the doubt."""
        return self.predicted - self.doubt

    @property
    def convincing(self) -> bool:
        """Whether it would be a reason to leave the default."""
        return self.margin > 0 and self.p <= ALPHA


@dataclass(frozen=True, slots=True)
class TransferChoice:
    """What synthetic queries would choose if they decided.

    `choice` and `variant` name an arm and one of its variants, None and 0 = the default. `ahead` is the ranker whose
    expected gain is furthest above its doubt; `by_documents` is False where the choice differs in granularity only.
    """

    choice: str | None
    variant: int
    ahead: ExpectedGain | None
    by_documents: bool = True


def choose_by_transfer(
    experiment: Experiment, transfer: TransferModel, *, seed: int = 0, draws: int = DRAWS
) -> TransferChoice:
    """Choose a ranker by documents, then a granularity for it by what a reader sees of the passages.

    Among the variants at the default's granularities, the one whose expected gain is furthest above its doubt replaces
    the default if its gain is significant over all of them. Then other granularities of the same encoder, ranker and
    parameters are compared with it by budgeted recall, and must be ahead of the doubt between granularities.
    """
    rivals = _Rivals(experiment, transfer, seed, draws)
    default = experiment.arms[experiment.default]
    start = default.arm.variants[0]
    ahead = rivals.furthest(
        default.values[:, 0],
        [
            (name, place, move_between(start, variant), measured.values[:, place])
            for name, measured in experiment.arms.items()
            for place, variant in enumerate(measured.arm.variants)
            if variant.granularities == start.granularities and variant != start
        ],
    )
    left = ahead is not None and ahead.convincing
    used_arm, used_variant = (
        (ahead.arm, ahead.variant) if ahead is not None and left else (experiment.default, 0)
    )
    choice = TransferChoice(used_arm if left else None, used_variant, ahead)
    used, spans = experiment.arms[used_arm].arm.variants[used_variant], experiment.arms[used_arm].spans
    if spans is None or np.isnan(spans[:, used_variant]).any():
        return choice
    finer = rivals.furthest(
        spans[:, used_variant],
        [
            (name, place, OTHER_UNITS, measured.spans[:, place])
            for name, measured in experiment.arms.items()
            for place, variant in enumerate(measured.arm.variants)
            if measured.spans is not None
            and variant.granularities != start.granularities
            and variant == replace(used, granularities=variant.granularities)
        ],
    )
    if finer is None or not finer.convincing:
        return choice
    return TransferChoice(finer.arm, finer.variant, ahead, by_documents=left)


@dataclass(frozen=True, slots=True)
class _Rivals:
    """Compares variants with one that is in use, on the queries of an experiment."""

    experiment: Experiment
    transfer: TransferModel
    seed: int
    draws: int

    def furthest(
        self, values: Values, rivals: Sequence[tuple[str, int, Move, Values]]
    ) -> ExpectedGain | None:
        """Give the rival whose expected gain is furthest above its doubt; the first of equals."""
        if not rivals:
            return None
        weights = self.experiment.query_set.weights_of(self.experiment.queries)
        clusters, base = np.array(self.experiment.clusters), values * weights
        raw = [
            compare(own * weights, base, clusters=clusters, draws=self.draws, seed=self.seed).p
            for *_, own in rivals
        ]
        gains = []
        for (name, place, move, own), p in zip(rivals, holm(raw), strict=True):
            gain = log_odds(own * weights) - log_odds(base)
            predicted, doubt = self.transfer.predicted(gain, move), self.transfer.doubt(move)
            gains.append(ExpectedGain(name, place, gain, predicted, doubt, p))
        return max(gains, key=lambda each: each.margin)
