"""A paired permutation test that may be looked at after every answer."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tellapart.experiments.judging.pools import Floats
from tellapart.experiments.statistics import ALPHA, DRAWS

SPENDING = 1 / 3
"""The share of the error that is spent when a share f of all judgements is in: f ** SPENDING.

Most verdicts that matter come early; 1/2 and 1/3 were tried on cacm and mbpp and differ by less than chance.
"""

EQUAL = 1e-12
"""Sums that differ by less are equal: the order of adding moves them."""


class SequentialTest:
    """For each pair of leaders: could the answers so far be the work of chance?

    If two leaders were one system with noise, either could have given the other's list, for each query by
    itself: the signs of the differences are fair coins. The test follows `flips` patterns of such signs along
    with what was seen. Each look takes those patterns out that speak most loudly, as many as the spending
    function has released by then (Lan and DeMets 1983, here with the exact distribution under flips: neither
    the looks nor their number inflate anything). If what was seen is as loud as they are, the pair is decided.
    Seen and flipped patterns are exchangeable, so under the null a pair is ever decided with probability at
    most `alpha` (Bonferroni over pairs), as long as a query's difference only changes its sign when two
    leaders change places, and what is asked next never depends on those signs.
    """

    def __init__(self, pairs: int, *, alpha: float = ALPHA, flips: int = DRAWS, seed: int = 0) -> None:
        self.decided: NDArray[np.int8] = np.zeros(pairs, dtype=np.int8)
        self._alpha = alpha / max(pairs, 1)
        self._seed = seed
        self._flips = flips
        self._signs: dict[int, Floats] = {}
        self._values: dict[int, Floats] = {}
        self._sums = np.zeros((pairs, flips))
        self._seen = np.zeros(pairs)
        self._alive = np.ones((pairs, flips), dtype=bool)

    def put(self, query: int, differences: Floats) -> None:
        """Set what one query now says (pairs,), in place of what it said before."""
        if query not in self._signs:
            random = np.random.default_rng([self._seed, query])
            self._signs[query] = random.choice(np.array([-1.0, 1.0]), size=self._flips)
            self._values[query] = np.zeros(len(self.decided))
        change = differences - self._values[query]
        if change.any():
            self._sums += np.outer(change, self._signs[query])
            self._seen += change
            self._values[query] = differences

    def look(self, share: float) -> None:
        """Look when `share` of all judgements are in; `decided` (pairs,) then holds 1, -1, or 0 for open."""
        released = int(self._alpha * min(1.0, share) ** SPENDING * (self._flips + 1))
        for pair in np.flatnonzero(self.decided == 0):
            alive = np.flatnonzero(self._alive[pair])
            take = released - (self._flips - len(alive))
            if take <= 0:
                continue
            loudness = np.abs(self._sums[pair, alive])
            loudest = np.argpartition(-loudness, take - 1)[:take]
            if abs(self._seen[pair]) > loudness[loudest].min() + EQUAL:
                self.decided[pair] = np.sign(self._seen[pair])
            self._alive[pair, alive[loudest]] = False
