"""Which document to ask about next: the one whose judgement can move the differences between leaders most."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tellapart.experiments.judging.pools import Floats, Pools, pair_differences
from tellapart.experiments.measures import discounts
from tellapart.experiments.statistics import ALPHA, DRAWS

PRIOR = (-2.5, 3.0, -0.5, 0.0)
"""Constant, strength, relevant ones seen so far in the query, rejected ones.

Between what logistic fits find on sparse collections, such as cosqa, and on dense ones, such as cacm.
"""

PRIOR_PRECISION = 0.3
"""One over the variance of each coefficient around PRIOR: some ten answers outweigh it; 1 was tried, and worse."""

STEPS = 8
"""Steps of a fit, which starts where the last one ended."""


@dataclass(slots=True)
class Relevance:
    """P(relevant) of a document from how high the leaders rank it and what the query's other answers were.

    Nothing in it tells one leader from another, so what is asked next never favours one of them: the
    evidence depends on that.
    """

    coefficients: Floats = field(default_factory=lambda: np.array(PRIOR))
    _rows: list[tuple[float, float, float, float]] = field(default_factory=list)
    _relevant: list[bool] = field(default_factory=list)

    def probability(self, strength: ArrayLike, found: ArrayLike, rejected: ArrayLike) -> Floats:
        """P(relevant) where the leaders' mean discount is `strength` and so many answers are known."""
        a, b, c, d = self.coefficients
        exponent = a + b * np.asarray(strength) + c * np.asarray(found) + d * np.asarray(rejected)
        return np.asarray(1 / (1 + np.exp(-exponent)))

    def learn(self, strength: float, found: int, rejected: int, *, relevant: bool) -> None:
        """Take one answer, with what was known of its query before it."""
        self._rows.append((1.0, strength, float(found), float(rejected)))
        self._relevant.append(relevant)

    def refit(self) -> None:
        """Move the coefficients to the mode given all answers and the prior.

        The curvature is bounded by that at p = 1/2, which makes every step an ascent (Boehning 1992).
        """
        rows, relevant = np.array(self._rows), np.array(self._relevant, dtype=np.float64)
        if not len(rows):
            return
        prior, beta = np.array(PRIOR), self.coefficients
        curve = rows.T @ rows / 4 + PRIOR_PRECISION * np.eye(len(beta))
        for _ in range(STEPS):
            p = 1 / (1 + np.exp(-(rows @ beta)))
            slope = rows.T @ (relevant - p) - PRIOR_PRECISION * (beta - prior)
            beta = beta + np.linalg.solve(curve, slope)
        self.coefficients = beta


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


FLOOR = 0.1
"""Share of the draws of new queries that is uniform: no query's probability is ever near 0."""

STAY = 0.5
"""A query is left when a question elsewhere promises 1 / STAY times as much: coming back to it is tiresome.

Chosen on cacm, cranfield, mbpp, wikiqa and cosqa: at .15 verdicts take more answers, at .9 as many as at .5.
"""

REFIT = 1.15
"""The model is fitted anew whenever there are so many times as many answers. At 1.15
there are 17 fits between 20 and 200 answers, at 1.3 nine, and what is asked next follows an older model for longer."""

NOTHING = -1.0
"""Worth of a question that cannot be asked: below that of any that can."""


@dataclass(frozen=True, slots=True)
class JudgingQuestion:
    """A document to judge: its query's row and its slot in the pool."""

    query: int
    slot: int


class Judging:
    """What is known of the pools, and what to ask.

    `known` (n, width) marks judged and empty slots, `gains` holds their gains, `bounds` the least and greatest
    differences (n, pairs) that any judgement could show. `entered` lists the queries in
    the order in which they were begun, `probabilities` with what chance each was drawn among those then left.
    Nothing here looks at who found a document except through symmetric functions of all leaders: the test
    depends on it.
    """

    def __init__(self, pools: Pools, *, seed: int = 0, alpha: float = ALPHA, flips: int = DRAWS) -> None:
        self.pools = pools
        self.disagreeing = pools.disagreeing()
        self.bounds = pools.bounds()
        self.total = int(pools.sizes[self.disagreeing].sum())
        self.known = ~pools.present
        self.gains = np.zeros(self.known.shape)
        self.answers = 0
        self.entered: list[int] = []
        self.probabilities: list[float] = []
        self.test = SequentialTest(len(pools.pairs), alpha=alpha, flips=flips, seed=seed)
        self._seed = seed
        self._relevance = Relevance()
        self._contrasts = pools.contrasts()
        self._spread = (self._contrasts**2).mean(axis=-1)
        self._strength = pools.weights.mean(axis=2)
        self._found = np.zeros(len(pools.queries), dtype=np.int64)
        self._rejected = np.zeros(len(pools.queries), dtype=np.int64)
        self._fresh = self.disagreeing.copy()
        self._current: int | None = None
        self._expected = np.zeros(self.known.shape)
        self._worth = np.full(self.known.shape, NOTHING)
        self._fit_at = 1.0
        if self.disagreeing.any():
            self._update(np.flatnonzero(self.disagreeing))

    @property
    def share(self) -> float:
        """How far the judging has come: the mean of the shares of answers and of queries begun."""
        return (self.answers / self.total + len(self.entered) / int(self.disagreeing.sum())) / 2

    @property
    def complete(self) -> NDArray[np.bool_]:
        """Queries (n,) whose pool is judged to the last document."""
        return np.asarray(self.known.all(axis=1))

    def question(self, *, begun_only: bool = False) -> JudgingQuestion | None:
        """Give the next question; None when every pool that tells leaders apart is judged.

        Args:
            begun_only: Ask no more about queries that have not been begun; None when those are complete.
        """
        best = self._worth.max(axis=1, initial=NOTHING)
        begun = np.where(self._fresh | ~self.disagreeing, NOTHING, best)
        deepest = int(begun.argmax()) if len(begun) else -1
        fresh = np.flatnonzero(self._fresh)
        if len(fresh) and not begun_only:
            chances = self._chances(best[fresh])
            promised = float(chances @ best[fresh])
            if max(self._here(begun) / STAY, begun[deepest]) < promised or begun[deepest] == NOTHING:
                place = int(self._random().choice(len(fresh), p=chances))
                self.enter(int(fresh[place]), float(chances[place]))
                return self._within(int(fresh[place]))
        if deepest < 0 or begun[deepest] == NOTHING:
            return None
        here = self._here(begun)
        stays = self._current is not None and here > NOTHING and here / STAY >= begun[deepest]
        return self._within(self._current if stays and self._current is not None else deepest)

    def _here(self, begun: Floats) -> float:
        return NOTHING if self._current is None else float(begun[self._current])

    def _within(self, query: int) -> JudgingQuestion:
        return JudgingQuestion(query, int(self._worth[query].argmax()))

    def _random(self) -> np.random.Generator:
        return np.random.default_rng([self._seed, len(self.entered)])

    def _chances(self, worth: Floats) -> Floats:
        """Probabilities of new queries: as the deviation that their best question promises, with a floor."""
        deviations = np.sqrt(np.maximum(worth, 0.0))
        total = deviations.sum()
        uniform = np.full(len(worth), 1 / len(worth))
        return np.asarray((1 - FLOOR) * deviations / total + FLOOR * uniform if total > 0 else uniform)

    def enter(self, query: int, probability: float) -> None:
        """Begin a query that was drawn with this probability."""
        self.entered.append(query)
        self.probabilities.append(probability)
        self._fresh[query] = False
        self._current = query

    def answer(self, question: JudgingQuestion, gain: float | None) -> None:
        """Take the gain of a document; None where the person could not say, which counts as 0."""
        query, slot = question.query, question.slot
        self._current = query
        if gain is not None:
            self._relevance.learn(
                float(self._strength[query, slot]),
                int(self._found[query]),
                int(self._rejected[query]),
                relevant=gain > 0,
            )
            self._found[query] += gain > 0
            self._rejected[query] += gain <= 0
        self.known[query, slot] = True
        self.gains[query, slot] = max(gain or 0.0, 0.0)
        self.answers += 1
        if self.answers >= self._fit_at:
            self._relevance.refit()
            self._fit_at = max(self.answers + 1, self.answers * REFIT)
            self._update(np.flatnonzero(self.disagreeing))
            changed = np.array(self.entered, dtype=np.int64)
        else:
            changed = np.array([query])
            self._update(changed)
        for row, differences in zip(changed, self.differences(changed), strict=True):
            self.test.put(int(row), differences)
        self.test.look(self.share)

    def differences(self, rows: NDArray[np.int64]) -> Floats:
        """Expected differences (len(rows), pairs) between leaders, given what is known."""
        return pair_differences(self._expected[rows], self._contrasts[rows], self.pools.depth)

    def _update(self, rows: NDArray[np.int64]) -> None:
        """Set the expected gains, and the worth of asking: the variance an answer takes out of a difference."""
        p = self._relevance.probability(
            self._strength[rows], self._found[rows, None], self._rejected[rows, None]
        )
        known = self.known[rows]
        expected = np.where(known, self.gains[rows], p)
        best = -np.sort(-expected, axis=1)[:, : self.pools.depth - 1]
        # The ideal once this document has turned out relevant: it first, the others moved down.
        ideal = 1 + best @ discounts(self.pools.depth)[1 : 1 + best.shape[1]]
        self._expected[rows] = expected
        self._worth[rows] = np.where(known, NOTHING, p * (1 - p) * self._spread[rows] / ideal[:, None] ** 2)
