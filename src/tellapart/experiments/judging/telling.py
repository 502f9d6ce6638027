"""How the judging stands, in words and as the documented JSON (schema 1)."""

from __future__ import annotations

from typing import Any

from tellapart.experiments.judging.standing import PairStanding, Standing, Status


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
