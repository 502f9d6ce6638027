"""The exemplar SVM solved exactly: squared hinge, examples against every other unit, certified at the end.

The objective is that of liblinear's LinearSVC(class_weight="balanced", dual=False), with x~ = [x; 1]:

    |t|^2 / 2 + sum_P p / (2 lambda) max(0, 1 - t.x~)^2 + sum_U 1 / (2 N lambda) max(0, 1 + t.x~)^2

and the like for counter-examples; lambda = 1 / (C n) and all weights are those of the closed form, which differs
only in punishing also what lies beyond the margin. At the optimum few units are active (inside the margin) and
the others might as well not be there. So: start from the closed form; solve for the nearest units and a sample
that stands for the rest; ask the index which units are active by this solution; solve for those; ask again and
add what is active but was not known, until there is nothing. Then every unit meets the conditions of the optimum,
which is unique as the problem is strictly convex. Of 100,000 units 7,000 to 11,000 are ever read in float64; where
many stay active (small C), all are, and their kept moments do much of the work.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tellapart.index.vectors import Moments, VectorReader
from tellapart.index.vectors.candidates import UNIT_ROUNDOFF, float32_error
from tellapart.rankers.examples import Doubles, Rows, Weighted, extended, live_rows
from tellapart.rankers.query import Certificate, Query, ScanKind
from tellapart.rankers.svm import ClosedFormSVM, Problem, nothing
from tellapart.rankers.vectors import Linear, VectorRanker

# The index is asked for so many more rows than are expected inside the margin.
_MORE = 256
# A heap of more rows than this costs more than scoring all rows by matrix products (1M rows, 20,000 wanted: 3 s
# against .3 s; 100k rows, 2,500 wanted: the same).
_LARGEST_HEAP = 2_048
# 3 MB of float64 at d = 384 stay in the cache; a fresh array a block costs as much as the product.
_BLOCK_ROWS = 1_024


@dataclass(frozen=True, slots=True)
class Scan:
    """Live `rows` with a score above -1, ascending, and their `scores`."""

    rows: Rows
    scores: Doubles
    kind: ScanKind


def scan(vectors: VectorReader, t: Doubles, *, without: Rows, expected: int, exact: bool) -> Scan:
    """Find every unit inside the margin of t (d + 1,), those of `without` left out.

    The vector index is asked for some more than `expected`. Where they all lie inside, or many are expected,
    all rows are scored. What is near the margin is scored again in float64. Unless `exact`, the index may use
    codes, which may overlook some.
    """
    w = t[:-1].astype(np.float32)
    # The index rounds w and the scores to float32.
    edge = -1.0 - float(t[-1]) - 4.0 * UNIT_ROUNDOFF * (float(np.linalg.norm(w)) + 1.0)
    k = expected + len(without) + _MORE
    if k <= _LARGEST_HEAP and w.any():
        found, scores = vectors.search(w[None], k, exact=exact)
        if found[0, -1] < 0 or scores[0, -1] < edge:
            kind: ScanKind = "exact" if exact or not vectors.coded else "approximate"
            return Scan(*_inside(vectors, t, found[0][scores[0] >= edge], without), kind)
    dense = vectors.scores(w) >= edge - float32_error(w)
    near = np.flatnonzero(dense if vectors.alive is None else dense & vectors.alive)
    return Scan(*_inside(vectors, t, near, without), "exact")


def _inside(vectors: VectorReader, t: Doubles, near: Rows, without: Rows) -> tuple[Rows, Doubles]:
    rows, values = [np.empty(0, np.int64)], [np.empty(0)]
    near = np.setdiff1d(near, without)
    for start in range(0, len(near), _BLOCK_ROWS):
        some = near[start : start + _BLOCK_ROWS]
        block = vectors.take(some)
        scores = extended(block) @ t
        inside = (scores > -1.0) & block.any(axis=1)
        rows.append(some[inside])
        values.append(scores[inside])
    return np.concatenate(rows), np.concatenate(values)


# Units solved for at first: the nearest by the closed form, and a sample that stands for all others.
_NEAREST = 1_000
_SAMPLED = 4_000
_SEED = 0
# Beyond this share of active units a working set saves little: each round reads what all rows once would. It
# changes time, never the optimum.
_MOST_ACTIVE = 0.25


@dataclass(frozen=True, slots=True)
class ExactSVM:
    """Rank by the exact exemplar SVM; `form` says lambda and the weights of examples.

    `exact_scan` proves optimality by an exact scan of all units; otherwise the codes of the index do, where it
    has some, and the certificate is called approximate. For as many rows as are active codes are also slower (1M rows,
    190-1,400 active: .2-.3 s exactly, .5-3 s by codes).
    """

    form: ClosedFormSVM = field(default_factory=ClosedFormSVM)
    exact_scan: bool = True

    def __call__(self, query: Query, vectors: VectorReader) -> Linear:
        """Give w, b and the certificate, None where there was nothing to solve."""
        problem = self.form.pose(query, vectors)
        if problem is None:
            return nothing(vectors)
        start = self.form.solve(problem, vectors)
        t, certificate = _solve(problem, vectors, start, self.exact_scan)
        return problem.linear(t, certificate)


def _solve(
    problem: Problem, vectors: VectorReader, start: Doubles, exact: bool
) -> tuple[Doubles, Certificate]:
    if problem.negatives <= _NEAREST + _SAMPLED:
        return _with_all(problem, vectors, start, 1)
    t, expected = _with_sample(problem, vectors, start)
    most, rounds = _MOST_ACTIVE * problem.negatives, 1
    known: Rows = np.empty(0, np.int64)
    if expected < most:
        known = scan(vectors, t, without=problem.own_rows, expected=expected, exact=True).rows
    while expected < most and len(known) < most:
        rounds += 1
        solved = minimise(problem.ridge, problem.given, Negatives(vectors, known, 1.0 / problem.negatives), t)
        certificate, new = certify(problem, vectors, solved, known, rounds, exact=exact)
        if not len(new):
            return solved.t, certificate
        t, known = solved.t, np.union1d(known, new)
    return _with_all(problem, vectors, t, rounds + 1)


def _with_sample(problem: Problem, vectors: VectorReader, start: Doubles) -> tuple[Doubles, int]:
    """Solve for the units nearest by the closed form and a weighted sample; also say how many to expect active."""
    wanted = _NEAREST + len(problem.own_rows)
    nearest = vectors.search(start[None, :-1].astype(np.float32), wanted, exact=True)[0][0]
    nearest = np.setdiff1d(nearest[nearest >= 0], problem.own_rows)
    live = np.arange(vectors.n_rows) if vectors.alive is None else np.flatnonzero(vectors.alive)
    drawn = np.random.default_rng(_SEED).choice(live, min(_SAMPLED, len(live)), replace=False)
    drawn = np.setdiff1d(drawn, np.concatenate([nearest, problem.own_rows]))
    drawn, _ = live_rows(vectors, drawn.tolist())
    stands_for = (problem.negatives - len(nearest)) / max(len(drawn), 1)
    weights = np.repeat([1.0, stands_for], [len(nearest), len(drawn)])
    rows = np.concatenate([nearest, drawn])
    solved = minimise(
        problem.ridge, problem.given, Negatives(vectors, rows, weights / problem.negatives), start
    )
    return solved.t, int(weights[solved.active].sum())


def _with_all(
    problem: Problem, vectors: VectorReader, start: Doubles, rounds: int
) -> tuple[Doubles, Certificate]:
    """Solve for all units at once: nothing is left to be overlooked."""
    moments = problem.moments(vectors) if problem.negatives else None
    whole = Negatives(vectors, problem.rows(vectors), 1.0 / max(problem.negatives, 1), moments)
    solved = minimise(problem.ridge, problem.given, whole, start)
    return solved.t, Certificate("exact", rounds, int(np.count_nonzero(solved.active)), 0.0, solved.gap)


def certify(
    problem: Problem, vectors: VectorReader, solved: Optimum, known: Rows, rounds: int, *, exact: bool
) -> tuple[Certificate, Rows]:
    """Look at all units for any inside the margin that is not `known`; also return those."""
    expected = int(np.count_nonzero(solved.active))
    seen = scan(vectors, solved.t, without=problem.own_rows, expected=expected, exact=exact)
    unknown = ~np.isin(seen.rows, known)
    violation = float((1.0 + seen.scores[unknown]).max(initial=0.0))
    return Certificate(seen.kind, rounds, len(seen.rows), violation, solved.gap), seen.rows[unknown]


def exact_svm(form: ClosedFormSVM) -> VectorRanker:
    """Rank by the exact exemplar SVM."""
    return VectorRanker("svm", ExactSVM(form))


Active = NDArray[np.bool_]

# Finite Newton for squared hinge (Mangasarian 2002; Keerthi and DeCoste, JMLR 2005) on some rows of an index. The
# objective is piecewise quadratic, so Newton's method with an exact line search ends after finitely many steps: when a
# full step leaves the active rows as they are, it has reached the optimum up to rounding.

# Up to so many rows are kept widened (50 MB at d = 384); more are widened again, block by block, at every look.
_KEPT_ROWS = 16_384
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

    Finite Newton (Mangasarian 2002; Keerthi and DeCoste, JMLR 2005): the objective is piecewise quadratic, so Newton's
    method with an exact line search ends after finitely many steps, when a full step changes no active row.

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
