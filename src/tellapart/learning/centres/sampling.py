"""Which class centres take part in a step (An et al. 2021 and 2022, Partial FC).

Every class of the global batch that is held here takes part, the rest is drawn uniformly from the other classes
held here, int(rate * held) in all; where the batch alone has more, only the batch's. Time and memory follow the
sample, not the classes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tellapart.errors import TellapartError

SURPLUS = 4.0
"""Standard deviations of distinct values drawn beyond the expectation: a second draw is then rare
(3e-5 of a normal distribution)."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Local classes in ascending order, and what is added to their logits (None: nothing)."""

    classes: Tensor
    shift: Tensor | None


@dataclass(frozen=True, slots=True)
class Sampling:
    """How large a share of the classes takes part, and whether the denominator is corrected for it.

    Without correction the denominator of the softmax is too small by the classes left out. `corrected` adds
    log((held - positives) / (sampled - positives)) to the logits of negatives; the mean over samples of the
    denominator is then the full one.
    """

    rate: float = 1.0
    seed: int = 0
    corrected: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.rate <= 1:
            raise TellapartError(f"sample rate {self.rate:g} is not above 0 and at most 1")

    def draw(self, positives: Tensor, held: int, *, rank: int, step: int) -> Sample:
        """Sample among classes 0 .. held - 1 of one worker.

        Args:
            positives: (P,) int64, different, ascending: classes of the global batch held here.
            held: classes held here.
            rank: the worker, which draws differently from the others.
            step: every step draws anew; the same seed, rank and step give the same classes.
        """
        size = int(self.rate * held)
        negatives = size - len(positives)
        if negatives <= 0:
            return Sample(positives, None)
        known = positives.numpy(force=True)
        draw = np.random.default_rng([self.seed, rank, step])
        gaps = distinct(held - len(known), negatives, draw)
        # the g-th class that is no positive stands after as many positives as have value - place <= g
        others = gaps + np.searchsorted(known - np.arange(len(known)), gaps, side="right")
        classes = np.insert(others, np.searchsorted(others, known), known)
        shift = None
        if self.corrected:
            missing = math.log((held - len(known)) / negatives)
            shift = torch.full((size,), missing, dtype=torch.float64, device=positives.device)
            shift[torch.from_numpy(np.searchsorted(classes, known))] = 0
        return Sample(torch.from_numpy(classes).to(positives.device), shift)


def distinct(total: int, size: int, draw: np.random.Generator) -> NDArray[np.int64]:
    """Draw `size` different numbers below `total`, ascending, every subset equally likely, in O(size log size)."""
    if size > total // 2:
        # half of everything is O(size) as well: leave out the complement
        kept = np.ones(total, dtype=bool)
        kept[distinct(total, total - size, draw)] = False
        return np.flatnonzero(kept)
    found = np.empty(0, dtype=np.int64)
    while len(found) < size:
        # n throws at t numbers hit t (1 - e^(-n/t)) of them; in ever more throws the set stays uniform
        missing = size - len(found)
        throws = -total * math.log1p(-size / total) * missing / size
        extra = draw.integers(0, total, int(throws + SURPLUS * math.sqrt(missing)) + 1)
        found = _unique(np.concatenate([found, extra]))
    surplus = len(found) - size
    if surplus:
        found = np.delete(found, distinct(len(found), surplus, draw))
    return found


def _unique(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    numbers.sort()
    first = np.empty(len(numbers), dtype=bool)
    first[:1] = True
    np.not_equal(numbers[1:], numbers[:-1], out=first[1:])
    return numbers[first]
