"""Finite Newton for squared hinge (Mangasarian 2002; Keerthi and DeCoste, JMLR 2005) on some rows of an index.

The objective is piecewise quadratic, so Newton's method with an exact line search ends after finitely many
steps: when a full step leaves the active rows as they are, it has reached the optimum up to rounding.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tellapart.index.vectors import Moments, VectorReader
from tellapart.rankers.examples import Doubles, Rows, Weighted, extended

Active = NDArray[np.bool_]

# Up to so many rows are kept widened (50 MB at d = 384); more are widened again, block by block, at every look.
_KEPT_ROWS = 16_384
# 3 MB of float64 at d = 384 stay in the cache; a fresh array a block costs as much as the product.
_BLOCK_ROWS = 1_024
# The active rows halve with a step at worst: 60 are never needed, and a run that needs more has gone astray.
_STEPS = 60
_LINE_STEPS = 50
_WHOLE_STEP = 1e-6
# A gradient this much smaller than the forces it balances is rounding.
_FLAT = 1e-14


class Negatives:
    """Rows of the index as negatives with their weights: their scores, and sums over those that are active.

    With `moments` of exactly these rows, which then must weigh the same, sums over nearly all of them are the
    sums over all less those over the rest.
    """

    def __init__(
        self, index: VectorReader, rows: Rows, weights: Doubles | float, moments: Moments | None = None
    ) -> None:
        self.rows = rows
        self.weights: Doubles = np.broadcast_to(np.asarray(weights, dtype=np.float64), rows.shape)
        self._index = index
        self._kept = extended(index.take(rows)) if len(rows) <= _KEPT_ROWS else None
        self._total = None if moments is None else float(np.max(weights)) * _gram_of(moments)
        self._block = np.ones((_BLOCK_ROWS, index.dim + 1))
        self._scaled = np.empty_like(self._block)
        self._gram: Doubles = np.zeros((index.dim + 1, index.dim + 1))
        self._summed: Active = np.zeros(len(rows), dtype=bool)

    def __len__(self) -> int:
        return len(self.rows)

    def scores(self, t: Doubles) -> Doubles:
        """Give x~ . t of every row, (rows,)."""
        if self._kept is not None:
            own: Doubles = self._kept @ t
            return own
        parts = [block @ t for _, block in self._blocks(np.arange(len(self)))]
        return np.concatenate(parts) if parts else np.empty(0)

    def pull(self, scores: Doubles, active: Active) -> Doubles:
        """Sum weight (1 + score) x~ over the active rows, (d + 1,)."""
        total = np.zeros(self._index.dim + 1)
        for positions, block in self._blocks(np.flatnonzero(active)):
            total += (self.weights[positions] * (1.0 + scores[positions])) @ block
        return total

    def gram(self, active: Active) -> Doubles:
        """Sum weight x~ x~T over the active rows by whichever way adds the fewest: anew, or by what changed."""
        came, went = active & ~self._summed, self._summed & ~active
        cost = {"changed": np.count_nonzero(came) + np.count_nonzero(went), "anew": np.count_nonzero(active)}
        if self._total is not None:
            cost["rest"] = np.count_nonzero(~active)
        way = min(cost, key=lambda name: cost[name])
        if way == "changed":
            self._gram = self._gram + self._sum(came) - self._sum(went)
        elif way == "rest" and self._total is not None:
            self._gram = self._total - self._sum(~active)
        else:
            self._gram = self._sum(active)
        self._summed = active
        return self._gram

    def _sum(self, chosen: Active) -> Doubles:
        total = np.zeros((self._index.dim + 1, self._index.dim + 1))
        for positions, block in self._blocks(np.flatnonzero(chosen)):
            scaled = np.multiply(
                block, np.sqrt(self.weights[positions])[:, None], out=self._scaled[: len(block)]
            )
            total += scaled.T @ scaled
        return total

    def _blocks(self, positions: Rows) -> Iterator[tuple[Rows, Doubles]]:
        """Yield some positions and their rows, x~; the array is overwritten by the next block."""
        for start in range(0, len(positions), _BLOCK_ROWS):
            some = positions[start : start + _BLOCK_ROWS]
            block = self._block[: len(some)]
            if self._kept is not None:
                np.take(self._kept, some, axis=0, out=block, mode="clip")  # raise, the default, copies twice
            else:
                block[:, :-1] = self._index.take(self.rows[some])
            yield some, block


@dataclass(frozen=True, slots=True)
class Optimum:
    """Where Newton ended: `t` (d + 1,), which negatives are active, and the duality gap over the objective."""

    t: Doubles
    active: Active
    gap: float


def minimise(ridge: float, given: Weighted, negatives: Negatives, start: Doubles) -> Optimum:
    """Minimise ridge |t|^2 / 2 + sum w max(0, 1 - y t.x~)^2 / 2 over t (d + 1,), from `start`.

    `given` holds the examples, their vectors with the 1 appended, weights with the sign of y. The multipliers
    w max(0, 1 - y f) are dual feasible, and the gap they leave is |gradient|^2 / (2 ridge).
    """
    targets, pulls = np.sign(given.weights), np.abs(given.weights)
    settled, before = False, np.empty(0, dtype=bool)
    weights = np.concatenate([negatives.weights, pulls])
    t, scores = start, negatives.scores(start)
    for step in range(_STEPS + 1):
        active, values = scores > -1.0, given.vectors @ t
        hinge = targets * values < 1.0
        gram = negatives.gram(active)
        forces = np.where(hinge, given.weights - pulls * values, 0.0) @ given.vectors
        gradient = ridge * t + gram @ t + gram[-1] - forces  # the last row of gram is the sum of active rows
        seen = np.concatenate([active, hinge])
        flat = float(np.abs(gradient).max()) <= _FLAT * float(np.abs(forces).max(initial=0.0))
        if step == _STEPS or flat or (settled and (seen == before).all()):
            break
        near = given.vectors[hinge]
        hessian = gram + (near.T * pulls[hinge]) @ near
        hessian[np.diag_indices_from(hessian)] += ridge
        direction = -np.linalg.solve(hessian, gradient)
        moved = negatives.scores(direction)
        margins = np.concatenate([-scores, targets * values])
        slopes = np.concatenate([-moved, targets * (given.vectors @ direction)])
        regulariser = ridge * float(t @ direction), ridge * float(direction @ direction)
        length = _line_search(*regulariser, margins, slopes, weights)
        settled, before = abs(length - 1.0) < _WHOLE_STEP, seen
        t, scores = t + length * direction, scores + length * moved
    gradient = ridge * t + negatives.pull(scores, active) - forces  # anew, as sums that came and went round
    losses = np.maximum(0.0, 1.0 - np.concatenate([-scores, targets * values]))
    objective = 0.5 * ridge * float(t @ t) + 0.5 * float(weights @ losses**2)
    gap = 0.5 * float(gradient @ gradient) / ridge
    return Optimum(t, active, gap / objective if objective > 0 else 0.0)


def _line_search(first: float, second: float, margins: Doubles, slopes: Doubles, weights: Doubles) -> float:
    """Minimise along a direction exactly: find the root of the derivative, increasing and piecewise linear.

    `first` and `second` are the regulariser's share of the first two derivatives at 0.
    """
    low, high, length = 0.0, np.inf, 1.0
    for _ in range(_LINE_STEPS):
        losses = 1.0 - margins - length * slopes
        near = losses > 0.0
        pulled = weights[near] * slopes[near]
        derivative = first + length * second - float(pulled @ losses[near])
        low, high = (length, high) if derivative < 0.0 else (low, length)
        following = length - derivative / (second + float(pulled @ slopes[near]))
        if abs(following - length) <= 1e-12 * length:
            break
        inside = low < following < high
        length = following if inside else 0.5 * (low + high) if high < np.inf else 2.0 * length
    return length


def _gram_of(moments: Moments) -> Doubles:
    """Sum of x~ x~T over all rows."""
    gram = np.empty((moments.dim + 1, moments.dim + 1))
    gram[:-1, :-1], gram[:-1, -1], gram[-1, :-1] = moments.gram, moments.total, moments.total
    gram[-1, -1] = moments.n
    return gram
