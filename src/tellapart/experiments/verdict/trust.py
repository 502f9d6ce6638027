"""Choosing on generated queries: only what is further ahead than such queries mislead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tellapart.engine.configuration import Configuration
from tellapart.experiments.statistics import ALPHA, DRAWS, compare, holm
from tellapart.experiments.verdict.transfer import Move, Transfer, log_odds, move_between

Values = NDArray[np.float64]

OTHER_UNITS = Move(distance=1.0, trained=0.0)
"""How far apart granularities are taken to be: what people's queries ask of passages was measured on no collection,
so a granularity is only left for a gain that would be large among rankers. Our choice."""


@dataclass(frozen=True, slots=True)
class Option:
    """A configuration with its values per query (n,), and those of budgeted recall (nan without passages)."""

    configuration: Configuration
    values: Values
    spans: Values


@dataclass(frozen=True, slots=True)
class Judgement:
    """What an option is worth against the default, in log odds of the mean.

    `gain` is what generated queries show, `predicted` the gain that people's queries should show, `doubt` how far
    that is off in half of the cases; `p` is Holm's, of the generated gain.
    """

    option: int
    gain: float
    predicted: float
    doubt: float
    p: float

    @property
    def score(self) -> float:
        """What is left of the gain when it is doubted."""
        return self.predicted - self.doubt

    @property
    def convincing(self) -> bool:
        """Whether it is a reason to leave the default."""
        return self.score > 0 and self.p <= ALPHA


@dataclass(frozen=True, slots=True)
class Trusted:
    """The option to use (None = the default), and the ranker that is furthest ahead of its doubt.

    `by_documents` is False where only its granularity differs from the default.
    """

    choice: int | None
    ahead: Judgement | None
    by_documents: bool = True


def trusted_choice(
    default: Option,
    options: Sequence[Option],
    clusters: Sequence[str],
    transfer: Transfer,
    *,
    seed: int = 0,
    draws: int = DRAWS,
) -> Trusted:
    """Choose a ranker by documents, then a granularity for it by what a reader sees of the passages.

    Among the options at the default's granularities, the one furthest ahead of its doubt replaces the default if its
    gain is significant over all of them. Then other granularities of the same encoder, ranker and parameters are
    compared with it by budgeted recall, and must be ahead of the doubt between granularities in the same way.
    """
    labels = np.array(clusters)
    levels = default.configuration.granularities
    rankers = [
        (position, move_between(default.configuration, option.configuration))
        for position, option in enumerate(options)
        if option.configuration.granularities == levels and option.configuration != default.configuration
    ]
    gains = [(options[position].values, default.values) for position, _ in rankers]
    ahead = _furthest(rankers, gains, labels, transfer, seed, draws)
    choice = ahead.option if ahead is not None and ahead.convincing else None
    used = default if choice is None else options[choice]
    if np.isnan(used.spans).any():
        return Trusted(choice, ahead)
    units = [
        (position, OTHER_UNITS)
        for position, option in enumerate(options)
        if option.configuration
        == replace(used.configuration, granularities=option.configuration.granularities)
        and option.configuration.granularities != levels
    ]
    read = [(options[position].spans, used.spans) for position, _ in units]
    finer = _furthest(units, read, labels, transfer, seed, draws)
    if finer is None or not finer.convincing:
        return Trusted(choice, ahead)
    return Trusted(finer.option, ahead, by_documents=choice is not None)


def _furthest(
    moves: Sequence[tuple[int, Move]],
    pairs: Sequence[tuple[Values, Values]],
    labels: NDArray[np.str_],
    transfer: Transfer,
    seed: int,
    draws: int,
) -> Judgement | None:
    """Judge every move and give the one that is furthest ahead of its doubt; the first of equals."""
    if not moves:
        return None
    raw = [compare(new, old, clusters=labels, draws=draws, seed=seed).p for new, old in pairs]
    judged = []
    for (position, move), (new, old), p in zip(moves, pairs, holm(raw), strict=True):
        gain = log_odds(new) - log_odds(old)
        judged.append(Judgement(position, gain, transfer.predicted(gain, move), transfer.doubt(move), p))
    return max(judged, key=lambda each: each.score)
