"""How far generated queries may be trusted: what they said, and what people's queries said, on judged collections.

Gains are compared as differences of log odds, since a mean near 0 or 1 leaves little room for differences. On
development collections generated queries mislead in two ways. They quote the corpus, so they undervalue encoders
that were trained to know paraphrases: people's queries add `trained` per share of the score that moves to such an
encoder. What is left errs by `error` in half of all pairs, times the root of how far the two configurations are
apart. Both are medians, so no single collection decides them (bench/transfer.py writes data/transfer.json).
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from tellapart.corpus.types import KIND_OF
from tellapart.engine.configuration import Configuration
from tellapart.index.latent import LSA
from tellapart.rankers.registry import LEXICAL_ONLY, WEIGHT

DATA = "data/transfer.json"

SVM_APART = 0.5
"""What separates the svm from a nearest neighbour search, in shares of the score: with it the error per root of
distance is .31 for such pairs and .2 for others, without it .50."""

LEAST_APART = 0.2
"""Distance of configurations with the same shares: other parameters, other granularities. Our choice: such pairs
err less than any other, but not by nothing."""

EQUAL_PARTS = 0.5
"""Share of the vectors in reciprocal rank fusion."""

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Move:
    """From one configuration to another: how far, and what share of the score goes to trained encoders (signed)."""

    distance: float
    trained: float


@dataclass(frozen=True, slots=True)
class Pair:
    """A move with its gain in log odds, by generated and by human queries."""

    move: Move
    generated: float
    human: float


@dataclass(frozen=True, slots=True)
class Transfer:
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
    def fit(cls, pairs: Sequence[Pair], collections: Sequence[str]) -> Transfer:
        """Learn from pairs of configurations, by least absolute deviations."""
        shares = np.array([pair.move.trained for pair in pairs])
        missed = np.array([pair.human - pair.generated for pair in pairs])
        moved = np.abs(shares) > 0
        trained = _weighted_median(missed[moved] / shares[moved], np.abs(shares[moved]))
        roots = np.sqrt([pair.move.distance for pair in pairs])
        error = float(np.median(np.abs(missed - trained * shares) / roots))
        return cls(trained, error, len(pairs), tuple(collections))

    def encode(self) -> str:
        """Write as JSON."""
        return json.dumps(asdict(self), indent=1) + "\n"


@cache
def load_transfer() -> Transfer:
    """Read what was learned from the development collections."""
    kept = json.loads(files("tellapart.experiments").joinpath(DATA).read_text(encoding="utf-8"))
    return Transfer(kept["trained"], kept["error"], kept["pairs"], tuple(kept["collections"]))


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
    if configuration.ranker in LEXICAL_ONLY:
        return 0.0
    if configuration.ranker == "hybrid":
        given = configuration.parameters.weight
        kinds = [WEIGHT[KIND_OF[level]] for level in configuration.granularities]
        return given if given is not None else sum(kinds) / len(kinds)
    return EQUAL_PARTS if configuration.ranker == "rrf" else 1.0


def _is_trained(encoder: str | None) -> bool:
    """Whether an encoder knows more than this corpus."""
    return encoder not in (None, LSA)


def _weighted_median(values: Values, weights: Values) -> float:
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(reached, reached[-1] / 2)])
