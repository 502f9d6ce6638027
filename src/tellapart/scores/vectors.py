"""Diagnostics of vectors alone: units without one, copies, the mean vector, the spectrum, hubs."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from tellapart.index.vectors import Moments, VectorReader


class Concern(StrEnum):
    """What a diagnostic says; `unknown` where this corpus cannot show it."""

    FINE = "fine"
    LOOK = "look"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """A value with its verdict.

    `value` is None where nothing could be measured; `healthy` says what is usual, `meaning` what the value
    does to a search, `action` what to do about it, `verify` the command that shows whether it helped.
    """

    name: str
    value: float | None
    shown: str
    verdict: Concern
    healthy: str
    meaning: str
    action: str
    verify: str


MUCH_MEAN = 0.5
"""Above it two units drawn at random share more than half of their cosine. It only marks
where a cosine is most easily misread."""

FEW_COPIES = 0.05
"""Share of copies above which a list of ten hits is likely to hold some: at .05 four
lists of ten in ten do (1 - .95^10), at .1 six or seven."""

FEW_DIRECTIONS = 10.0
"""Below so many effective directions ten hits are hardly told apart: there are fewer directions
than hits."""


def without_vector(vectors: VectorReader) -> Diagnostic:
    """Count the units that no search by vectors can find."""
    missing = vectors.n_alive - vectors.moments().n
    return Diagnostic(
        name="units without a vector",
        value=float(missing),
        shown=f"{missing:,} of {vectors.n_alive:,}",
        verdict=Concern.LOOK if missing else Concern.FINE,
        healthy="0",
        meaning="such units hold nothing the encoder reads; only words can find them",
        action="nothing, if they are empty or symbols only; else choose another encoder",
        verify="tellapart inspect",
    )


def copies(vectors: VectorReader) -> Diagnostic:
    """Count the units whose vector another unit has too, bit for bit."""
    keys = _keys(vectors)
    _, counts = np.unique(keys, return_counts=True)
    share = float(counts[counts > 1].sum() / len(keys)) if len(keys) else 0.0
    return Diagnostic(
        name="copies",
        value=share,
        shown=f"{share:.1%} of the units have the vector of another",
        verdict=Concern.LOOK if share > FEW_COPIES else Concern.FINE,
        healthy=f"below {FEW_COPIES:.0%}",
        meaning="copies take several places of a list for one text, and as examples count several times",
        action="leave out generated or vendored folders with .tellapartignore",
        verify="tellapart inspect",
    )


def common_direction(moments: Moments) -> Diagnostic:
    """Measure the mean vector: the cosine that two units drawn at random have."""
    squared = float(np.trace(moments.second))
    share = float(moments.mean @ moments.mean) / squared if squared else 0.0
    return Diagnostic(
        name="mean vector",
        value=share,
        shown=f"two units at random have cosine {share:.2f}",
        verdict=Concern.LOOK if share > MUCH_MEAN else Concern.FINE,
        healthy="no range holds for all encoders; near 0 a cosine can be read as it stands",
        meaning="this part of every cosine says nothing about what a unit is, and favours the units nearest to the"
        " mean; the more examples are averaged, the more it counts",
        action="compare scores of one query only; with examples use a ranker that takes the mean away (ridge, svm)",
        verify="tellapart search --like A --like B --ranker rocchio, and --ranker ridge",
    )


def effective_rank(moments: Moments) -> Diagnostic:
    """Measure over how many directions units spread: exp of the eigenvalues' entropy (Roy and Vetterli 2007)."""
    values = np.maximum(np.linalg.eigvalsh(moments.covariance), 0.0)
    shares = values[values > 0] / values.sum() if values.sum() > 0 else np.ones(1)
    rank = float(np.exp(-(shares * np.log(shares)).sum()))
    return Diagnostic(
        name="effective rank",
        value=rank,
        shown=f"{rank:.0f} of {moments.dim} dimensions",
        verdict=Concern.LOOK if rank < FEW_DIRECTIONS else Concern.FINE,
        healthy=f"no range holds for all corpora; below {FEW_DIRECTIONS:.0f} units are hardly told apart",
        meaning="how many directions the units really use; a corpus of one subject uses few",
        action="compare encoders on your own queries; a low rank alone is no reason to change",
        verify="tellapart evaluate",
    )


def _keys(vectors: VectorReader) -> NDArray[np.uint64]:
    """Hash each live vector that is not zero."""
    parts = [np.zeros(0, np.uint64)]
    for first, block in vectors.blocks():
        alive = block.any(axis=1)
        if vectors.alive is not None:
            alive &= vectors.alive[first : first + len(block)]
        parts.append(row_keys(block[alive]))
    return np.concatenate(parts)


def row_keys(rows: NDArray[np.float32]) -> NDArray[np.uint64]:
    """Hash each row (n, dim): a random combination of its bits, so that equal ones agree (n,)."""
    factors = np.random.default_rng(0).integers(1, 2**63, rows.shape[1], dtype=np.uint64) | np.uint64(1)
    keys: NDArray[np.uint64] = np.ascontiguousarray(rows).view(np.uint32).astype(np.uint64) @ factors
    return keys


NEIGHBOURS = 10
SAMPLE = 4_000
"""Units looked at, among themselves: the skew of a sample understates that of all, and costs .3 s."""

FEWEST = 100
"""Fewer units than this have no distribution to speak of."""

MUCH_SKEW = 3.0
"""Skew of the 10-occurrences above which hubs are listed as worth a look: chance
alone (a Poisson law with mean 10) has .3. The effect on a corpus is what `evaluate` measures between knn and svm."""

BLOCK = 512


def hubness(vectors: VectorReader, *, seed: int = 0) -> Diagnostic:
    """Measure how unevenly units occur among the nearest neighbours of others."""
    rows = sampled(vectors, seed)
    if len(rows) < FEWEST:
        counts, value = np.zeros(0), None
        shown = f"not measured: {len(rows)} units"
    else:
        counts = occurrences(rows)
        value = skew(counts)
        shown = (
            f"skew {value:.1f} among {len(rows):,} units; the largest hub is near {counts.max():,.0f} of them,"
            f" {float((counts == 0).mean()):.0%} are near none"
        )
    return Diagnostic(
        name="hubness",
        value=value,
        shown=shown,
        verdict=_verdict(value),
        healthy=f"below {MUCH_SKEW:.0f}",
        meaning="a hub turns up for many queries whatever they say; units near none are found by words only",
        action="the svm holds hubs back, hybrid lets words decide: measure both on your queries",
        verify="tellapart evaluate",
    )


def occurrences(vectors: NDArray[np.float32], k: int = NEIGHBOURS) -> NDArray[np.float64]:
    """Count for each row (n,) of how many other rows it is among the k nearest by inner product."""
    counts = np.zeros(len(vectors))
    for first in range(0, len(vectors), BLOCK):
        scores = vectors[first : first + BLOCK] @ vectors.T
        own = np.arange(len(scores))
        scores[own, first + own] = -np.inf
        near = np.argpartition(-scores, k - 1, axis=1)[:, :k]
        counts += np.bincount(near.ravel(), minlength=len(vectors))
    return counts


def skew(counts: NDArray[np.float64]) -> float:
    """Third standardised moment; 0 where all are equal."""
    deviations = counts - counts.mean()
    spread = float(np.sqrt((deviations**2).mean()))
    return float((deviations**3).mean() / spread**3) if spread else 0.0


def sampled(vectors: VectorReader, seed: int = 0) -> NDArray[np.float32]:
    """Draw up to `SAMPLE` live units that have a vector (n, d)."""
    rows = np.arange(vectors.n_rows) if vectors.alive is None else np.flatnonzero(vectors.alive)
    if len(rows) > SAMPLE:
        rows = np.sort(np.random.default_rng(seed).choice(rows, SAMPLE, replace=False))
    taken = vectors.take(rows)
    return taken[taken.any(axis=1)]


def _verdict(value: float | None) -> Concern:
    if value is None:
        return Concern.UNKNOWN
    return Concern.LOOK if value > MUCH_SKEW else Concern.FINE
