"""The weights of the ranker of code, as `bench/code_search.py` fitted them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tellapart.rankers.structure_names import Asked

WEIGHTS = Path(__file__).with_name("structure.json")


@dataclass(frozen=True, slots=True)
class Weights:
    """What `bench/code_search.py` fitted: w of both kinds of query, and the map from P(file) to a probability.

    The map is Platt's: the logistic function of `intercept` + `slope` x log odds of P.
    """

    features: tuple[str, ...]
    prose: NDArray[np.float64]
    symbol: NDArray[np.float64]
    intercept: float
    slope: float

    def of(self, asked: Asked) -> NDArray[np.float64]:
        """Give the weights for a query."""
        return self.symbol if asked.symbol else self.prose

    def calibrated(self, shares: NDArray[np.float64]) -> NDArray[np.float64]:
        """Turn P(file) into the probability that the file is relevant: several may be."""
        shares = np.minimum(np.maximum(shares, 1e-9), 1 - 1e-9)
        odds = self.intercept + self.slope * (np.log(shares) - np.log1p(-shares))
        calibrated: NDArray[np.float64] = 1 / (1 + np.exp(-odds))
        return calibrated


@cache
def stages() -> frozenset[str]:
    """Name the stages that were fitted: `words`, and `vectors` beside them."""
    return frozenset(json.loads(WEIGHTS.read_text(encoding="utf-8")))


@cache
def weights(stage: str) -> Weights:
    """Read the fitted table of one stage, `words` or `vectors`."""
    table = json.loads(WEIGHTS.read_text(encoding="utf-8"))[stage]
    names = tuple(table["features"])
    prose, symbol = (np.array([table[kind][name] for name in names]) for kind in ("prose", "symbol"))
    return Weights(names, prose, symbol, *table["calibration"])
