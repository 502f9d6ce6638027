"""How the judging stands: who is ahead, whether the verdict is settled, and how many answers that may take."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from tellapart.experiments.judging.asking import Judging
from tellapart.experiments.judging.pools import Floats
from tellapart.experiments.statistics import MARGIN

BOUNDARY = 2.9
"""Standard errors at which the test decides most often, for forecasts: which are rough, and say "about"."""


class Status(StrEnum):
    """What can be said; OPEN is the only one that more answers may change."""

    OPEN = "open"
    BETTER = "better"
    AS_GOOD = "as good"
    TIED = "tied"


@dataclass(frozen=True, slots=True)
class PairStanding:
    """Two leaders by name: the estimated difference, its standard error, and who is decided to be better.

    `low` and `high` hold the difference over these queries whatever the answers still to come.
    """

    first: str
    second: str
    estimate: float
    error: float
    low: float
    high: float
    better: str | None


@dataclass(frozen=True, slots=True)
class Standing:
    """The state after some answers.

    `choice` is the leader to use: the one decided to be better (BETTER), the cheapest of those that no
    judgement can put more than .01 behind another (AS_GOOD), or, when everything is judged, the cheapest of
    those that stay tied (TIED). `remaining` forecasts the answers until it is settled; None means more than
    there are. `unfinished` answers would complete the pools begun.
    """

    status: Status
    choice: str | None
    pairs: tuple[PairStanding, ...]
    answers: int
    begun: int
    complete: int
    remaining: int | None
    unfinished: int
    left: int


def standing(judging: Judging) -> Standing:
    """Say how the judging stands. Leaders are taken to come cheapest first."""
    pairs = _pairs(judging)
    names = judging.pools.leaders
    beaten = {pair.second if pair.better == pair.first else pair.first for pair in pairs if pair.better}
    alive = [name for name in names if name not in beaten] or list(names)
    begun = np.array(judging.entered, dtype=np.int64)
    left = int((~judging.known[judging.disagreeing]).sum())
    status, choice = _status(pairs, alive, left)
    return Standing(
        status=status,
        choice=choice,
        pairs=pairs,
        answers=judging.answers,
        begun=len(begun),
        complete=int(judging.complete[begun].sum()),
        remaining=_forecast(judging, pairs, alive, left) if status is Status.OPEN else 0,
        unfinished=int((~judging.known[begun]).sum()),
        left=left,
    )


def _status(pairs: tuple[PairStanding, ...], alive: list[str], left: int) -> tuple[Status, str | None]:
    if len(alive) == 1:
        return Status.BETTER, alive[0]
    rivals = [pair for pair in pairs if pair.first == alive[0] and pair.second in alive]
    if all(pair.low >= -MARGIN for pair in rivals):
        return Status.AS_GOOD, alive[0]
    return (Status.OPEN, None) if left else (Status.TIED, alive[0])


def _pairs(judging: Judging) -> tuple[PairStanding, ...]:
    estimates, errors = weighted_estimates(judging)
    low, high = certain_limits(judging)
    names, found = judging.pools.leaders, []
    for at, (a, b) in enumerate(judging.pools.pairs):
        decided = int(judging.test.decided[at])
        # The test weighs queries as they were drawn, the estimate as they are: only both together decide.
        agreed = decided * estimates[at] > 0
        better = (names[a] if decided > 0 else names[b]) if agreed else None
        found.append(
            PairStanding(
                names[a],
                names[b],
                float(estimates[at]),
                float(errors[at]),
                float(low[at]),
                float(high[at]),
                better,
            )
        )
    return tuple(found)


def weighted_estimates(judging: Judging) -> tuple[Floats, Floats]:
    """Estimate the mean differences over all queries: (pairs,) and their standard errors.

    Each draw without replacement gives an unbiased estimate, what was drawn before plus the new difference
    over its probability (Raj 1956); they are averaged. Half judged queries count with their expectation.
    """
    rows = np.array(judging.entered, dtype=np.int64)
    if not len(rows):
        return np.zeros(len(judging.pools.pairs)), np.full(len(judging.pools.pairs), np.inf)
    differences = judging.differences(rows)
    before = np.cumsum(differences, axis=0) - differences
    single = before + differences / np.array(judging.probabilities)[:, None]
    single /= len(judging.pools.queries)
    spread = single.std(axis=0, ddof=1) if len(rows) > 1 else np.full(single.shape[1], np.inf)
    return single.mean(axis=0), spread / np.sqrt(len(rows))


def certain_limits(judging: Judging) -> tuple[Floats, Floats]:
    """Least and greatest mean difference (pairs,) that any answers still to come could leave."""
    low, high = judging.bounds
    done = judging.complete[:, None]
    known = judging.differences(np.arange(len(judging.known)))
    return np.where(done, known, low).mean(axis=0), np.where(done, known, high).mean(axis=0)


def _forecast(judging: Judging, pairs: tuple[PairStanding, ...], alive: list[str], left: int) -> int | None:
    rows = np.array(judging.entered, dtype=np.int64)
    if len(rows) < 2:
        return None
    differences = judging.differences(rows)
    sums, squares = np.abs(differences.sum(axis=0)), (differences**2).sum(axis=0)
    open_pairs = [
        at
        for at, pair in enumerate(pairs)
        if not pair.better and pair.first in alive and pair.second in alive
    ]
    # A sum grows as the answers, its noise as their root. The leader must leave every other one behind.
    needed = [
        judging.answers * BOUNDARY**2 * squares[at] / sums[at] ** 2 if sums[at] > 0 else np.inf
        for at in open_pairs
    ]
    needed.sort()
    worst = needed[min(len(alive) - 1, len(needed)) - 1] if needed else np.inf
    more = max(1.0, worst - judging.answers)
    return int(np.ceil(more)) if more <= left else None


def verdict_sentence(now: Standing) -> str:
    """Say in one sentence what is settled."""
    answers = counted(now.answers)
    if now.status is Status.BETTER:
        others = "; ".join(
            _against(pair, now.choice or "") for pair in now.pairs if now.choice in (pair.first, pair.second)
        )
        return f"Settled after {answers}: {now.choice} is better ({others})."
    if now.status is Status.AS_GOOD:
        return f"Settled after {answers}: whatever else is judged, {now.choice} is at most .01 behind the others."
    return f"All judged, {answers}: nothing separates the best. {now.choice} is the cheapest of them."


def standing_line(now: Standing) -> str:
    """Say how it stands in a line."""
    if now.status is not Status.OPEN:
        return verdict_sentence(now)
    closest = [_rough(_first_two(now))] if now.begun > 1 else []
    more = f"about {now.remaining} more" if now.remaining else f"still open, at most {now.left:,} more"
    complete = [f"{queries(now.complete)} complete"] if now.complete else []
    return "; ".join([counted(now.answers), *closest, more, *complete])


def counted(answers: int) -> str:
    """Give a number of answers in words that fit it."""
    return f"{answers:,} answer{'' if answers == 1 else 's'}"


def queries(count: int) -> str:
    """Give a number of queries in words that fit it."""
    return f"{count:,} quer{'y' if count == 1 else 'ies'}"


def _first_two(now: Standing) -> PairStanding:
    """The leader that is ahead of the others by estimate, and the one behind it."""
    total: dict[str, float] = {}
    for pair in now.pairs:
        total[pair.first] = total.get(pair.first, 0.0) + pair.estimate
        total[pair.second] = total.get(pair.second, 0.0) - pair.estimate
    first, second = sorted(total, key=lambda name: (-total[name], name))[:2]
    return next(pair for pair in now.pairs if {pair.first, pair.second} == {first, second})


def _rough(pair: PairStanding) -> str:
    if round(pair.estimate, 2) == round(pair.error, 2) == 0:
        return f"{pair.first} and {pair.second} are level"
    ahead, behind = (pair.first, pair.second) if pair.estimate >= 0 else (pair.second, pair.first)
    return f"{ahead} ahead of {behind} by {abs(pair.estimate):.2f} ± {pair.error:.2f}"


def _against(pair: PairStanding, name: str) -> str:
    ahead = pair.estimate if pair.first == name else -pair.estimate
    other = pair.second if pair.first == name else pair.first
    return f"{ahead:+.2f} ± {pair.error:.2f} against {other}"


def standing_json(now: Standing) -> dict[str, Any]:
    """Give the standing in the documented shape."""
    return {
        "schema": 1,
        "measure": "nDCG@5",
        "status": now.status.value,
        "choice": now.choice,
        "answers": now.answers,
        "remaining": now.remaining,
        "queries": {"begun": now.begun, "complete": now.complete},
        "unfinished": now.unfinished,
        "pairs": [
            {
                "first": pair.first,
                "second": pair.second,
                "difference": pair.estimate,
                "error": pair.error if now.begun > 1 else None,
                "better": pair.better,
            }
            for pair in now.pairs
        ],
    }
