"""What is learned and what is kept back to judge by."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tellapart.errors import TellapartError
from tellapart.learning.images.reading import LabelledImages

HELD_OUT = 0.1
"""Share of the identities kept for judging: a tenth, as is usual."""

FEWEST_HELD_OUT = 5
"""Fewer identities say nothing about new ones: their interval would span half the scale."""

LEAST_IDENTITIES = 20
"""Below so many, all are needed for learning, and images are held out instead: a tenth of them would be two people."""

LEAST_IMAGES = 4
"""Of an identity, from which two can be held out and two are left to learn from."""


@dataclass(frozen=True, slots=True)
class Split:
    """Images to learn from and images to judge by; `unseen` says what these are: identities, images, or nothing."""

    train: LabelledImages
    held_out: LabelledImages | None
    unseen: str = "identities"

    def turned(self) -> Split:
        """Learn from turned identities as well; what is held out stays as it is."""
        return replace(self, train=self.train.with_turns())


def split_identities(data: LabelledImages, *, share: float = HELD_OUT, seed: int = 0) -> Split:
    """Hold out a share of the identities that have two images; below LEAST_IDENTITIES, of each identity's images."""
    if not 0 <= share < 1:
        raise TellapartError(f"a held-out share of {share:g} is none: give one from 0 to below 1")
    if not share:
        return Split(data, None)
    counts = np.bincount(data.labels, minlength=len(data.names))
    able = np.flatnonzero(counts >= 2)
    wanted = max(round(share * len(data.names)), FEWEST_HELD_OUT)
    if len(data.names) < LEAST_IDENTITIES or len(able) < wanted:
        return _split_images(data, counts, share, seed)
    chosen = np.sort(np.random.default_rng(seed).permutation(able)[:wanted])
    rest = np.setdiff1d(np.arange(len(data.names)), chosen)
    return Split(data.of_identities(rest), data.of_identities(chosen))


def _split_images(data: LabelledImages, counts: NDArray[np.int64], share: float, seed: int) -> Split:
    draw = np.random.default_rng(seed)
    held: list[NDArray[np.int64]] = []
    for identity in np.flatnonzero(counts >= LEAST_IMAGES):
        rows = draw.permutation(np.flatnonzero(data.labels == identity))
        held.append(rows[: min(max(2, round(share * len(rows))), len(rows) - 2)])
    if not held:
        return Split(data, None)
    out = np.sort(np.concatenate(held))
    rest = np.setdiff1d(np.arange(len(data.labels)), out)
    return Split(data.take(rest), data.take(out), unseen="images")
