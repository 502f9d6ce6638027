"""1:N: is a probe's identity found in a gallery, and is an unknown one turned away?"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tellapart.errors import TellapartError
from tellapart.experiments.verification.blocks import TILE, Rows, Scores, checked_vectors
from tellapart.experiments.verification.thresholds import SUPPORT, Acceptance, errors_allowed


@dataclass(frozen=True, slots=True)
class Identification:
    """Probes against a gallery.

    `ranks` (e,) and `scores` (e,) of the own identity of each enrolled probe (rank 1 = best; equal scores go
    by the identity's order); `unknown` (u,) the highest score that each unenrolled probe reaches, falling.
    """

    ranks: Rows
    scores: NDArray[np.float64]
    unknown: NDArray[np.float64]

    def cmc(self, depth: int) -> NDArray[np.float64]:
        """Share of the enrolled probes whose identity is within rank 1..depth: (depth,), closed set."""
        return np.array([(self.ranks <= rank).mean() for rank in range(1, depth + 1)])

    def dir_at_fpir(self, fpir: float, *, rank: int = 1, support: int = SUPPORT) -> Acceptance:
        """Detection and identification rate where at most `fpir` of the unknown probes are let in.

        A threshold of 1:1 must not be used here: over N identities its false accepts add up. `far` of the
        answer is the FPIR seen, `tar` the DIR: identity within `rank` and its score above the threshold.

        Raises:
            TellapartError: Too few unknown probes for this rate, or no enrolled one.
        """
        allowed = errors_allowed(fpir, len(self.unknown), support=support)
        threshold = float(self.unknown[allowed]) if allowed < len(self.unknown) else -math.inf
        if not len(self.ranks):
            raise TellapartError("no probe is enrolled in the gallery: give probes of known identities")
        detected = (self.ranks <= rank) & (self.scores > threshold)
        return Acceptance(threshold, float((self.unknown > threshold).mean()), float(detected.mean()))


def identify_all(
    probes: ArrayLike,
    probe_labels: ArrayLike,
    gallery: ArrayLike,
    gallery_labels: ArrayLike,
    *,
    tile: int = TILE,
) -> Identification:
    """Compare probes (n, d) with a gallery (m, d) of unit vectors; an identity scores as its best vector."""
    rows, names = checked_vectors(probes, probe_labels)
    kept, kept_names = checked_vectors(gallery, gallery_labels)
    identities, numbers = np.unique(kept_names, return_inverse=True)
    order = np.argsort(numbers, kind="stable")
    kept, starts = kept[order], np.searchsorted(numbers[order], np.arange(len(identities)))
    place = {name: number for number, name in enumerate(identities.tolist())}
    own = np.array([place.get(name, -1) for name in names.tolist()], dtype=np.int64)
    parts = [
        _block(rows[start : start + tile], own[start : start + tile], kept, starts)
        for start in range(0, len(rows), tile)
    ]
    ranks, scores, best = (np.concatenate(part) for part in zip(*parts, strict=True))
    known = own >= 0
    unknown = np.sort(best[~known].astype(np.float64))[::-1]
    return Identification(ranks[known], scores[known].astype(np.float64), unknown)


def _block(rows: Scores, own: Rows, gallery: Scores, starts: Rows) -> tuple[Rows, Scores, Scores]:
    """Rank and score of the own identity, and the best score, of a block of probes."""
    scores = np.maximum.reduceat(rows @ gallery.T, starts, axis=1)
    mine = scores[np.arange(len(rows)), np.maximum(own, 0)]
    earlier = np.arange(scores.shape[1]) < own[:, None]
    ahead = (scores > mine[:, None]) | ((scores == mine[:, None]) & earlier)
    return 1 + ahead.sum(axis=1), mine, scores.max(axis=1)
