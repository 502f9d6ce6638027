"""Thresholds from the scores of strangers, with a promise for new ones that holds for any distribution.

Views of one person are alike, so they are no independent trials: a person, or a pair of people, is one. With G groups
of scores, each group weighs 1 / (G + 1), spread evenly over its scores, and the weight that is left over lies above
all of them. The threshold for a rate f is the least score above which lies a weight of at most f. Where groups are
exchangeable, a new group's score then exceeds it with a probability of at most f, on average over what was measured
(hierarchical conformal prediction: Lee, Barber and Willett 2023, arXiv 2306.06342). A rate below 1 / (G + 1) cannot be
promised, and is refused.
"""

from __future__ import annotations

import math

import numpy as np

from tellapart.errors import TellapartError
from tellapart.identities.answers import Floats, Rows

ROUNDING = 1e-12


def grouped_threshold(scores: Floats, groups: Rows, rate: float) -> float:
    """Give the threshold for scores (n,) of groups (n,); accept what lies strictly above.

    Raises:
        TellapartError: The groups cannot carry the rate.
    """
    check_rate(rate)
    _, members, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    count = len(sizes)
    if rate * (count + 1) < 1 - ROUNDING:
        raise TellapartError(f"{count} independent groups of scores cannot carry a rate of {rate:g}")
    weights = 1.0 / ((count + 1) * sizes[members])
    order = np.argsort(-scores, kind="stable")
    falling, above = scores[order], np.cumsum(weights[order])
    budget = (rate - 1 / (count + 1)) * (1 + ROUNDING) + ROUNDING
    # the weight strictly above a score is that of all before the first equal one
    first = np.searchsorted(-falling, -falling, side="left")
    strictly = np.where(first > 0, above[first - 1], 0.0)
    return float(falling[np.flatnonzero(strictly <= budget)[-1]])


def check_rate(rate: float) -> None:
    """Refuse what is no rate."""
    if not 0 < rate < 1:
        raise TellapartError(f"a rate of {rate:g} is none: give one between 0 and 1")


def least_rate(groups: int) -> float:
    """Give the smallest rate that so many groups can carry."""
    return 1 / (groups + 1)


def identities_for_far(far: float) -> int:
    """How many identities have enough pairs among them for a false-accept rate."""
    pairs = math.ceil(1 / far * (1 - ROUNDING)) - 1
    return math.ceil((1 + math.sqrt(1 + 8 * pairs)) / 2 - 1e-9)


def identities_for_fpir(fpir: float) -> int:
    """How many strangers carry a false-positive identification rate."""
    return math.ceil(1 / fpir * (1 - ROUNDING)) - 1


def refuse_far(far: float, identities: int) -> TellapartError:
    """Say that the pairs of some identities cannot carry a rate, and what can."""
    pairs = identities * (identities - 1) // 2
    needed = identities_for_far(far)
    can = f", or ask for {least_rate(pairs):.2g} or more" if pairs else ""
    return TellapartError(
        f"a false-accept rate of {far:g} cannot be promised: it takes pairs of {needed:,} different identities, here"
        f" are {identities:,} ({pairs:,} pairs); enrol {needed - identities:,} more, add strangers with 'identity enrol"
        f" --cohort FOLDER'{can}"
    )


def refuse_fpir(fpir: float, strangers: int) -> TellapartError:
    """Say that some strangers cannot carry a rate, and what can."""
    needed = identities_for_fpir(fpir)
    can = f", or ask for {least_rate(strangers):.2g} or more" if strangers else ""
    return TellapartError(
        f"a false-positive identification rate of {fpir:g} cannot be promised: it takes {needed:,} different"
        f" identities that are strangers to each other, here are {strangers:,}; enrol {needed - strangers:,} more, add"
        f" strangers with 'identity enrol --cohort FOLDER'{can}"
    )
