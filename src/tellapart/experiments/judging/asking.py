"""Which document to ask about next: the one whose judgement can move the differences between leaders most."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tellapart.experiments.judging.evidence import SequentialTest
from tellapart.experiments.judging.pools import Floats, Pools, discounts, pair_differences
from tellapart.experiments.judging.relevance import Relevance
from tellapart.experiments.statistics import ALPHA, DRAWS

FLOOR = 0.1
"""Share of the draws of new queries that is uniform: no query's probability is ever near 0."""

STAY = 0.5
"""A query is left when a question elsewhere promises 1 / STAY times as much: coming back to it is tiresome.

Tried on cacm, cranfield, mbpp, wikiqa and cosqa: at .15 verdicts take half as many answers again, at .9 as
many as at .5.
"""

REFIT = 1.15
"""The model is fitted anew whenever there are so many times as many answers. Our choice, not measured."""

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
