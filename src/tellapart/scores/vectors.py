"""Diagnostics of vectors alone: units without one, copies, the mean vector, the spectrum."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tellapart.index.vectors import Moments, VectorIndex
from tellapart.scores.diagnostic import Concern, Diagnostic

MUCH_MEAN = 0.5
"""Above it two units drawn at random share more than half of their cosine. Our choice, not measured: it only marks
where a cosine is most easily misread."""

FEW_COPIES = 0.05
"""Share of copies above which a list of ten hits is likely to hold some. Our choice, not measured."""

FEW_DIRECTIONS = 10.0
"""Below so many effective directions ten hits are hardly told apart. Our choice, not measured."""


def without_vector(vectors: VectorIndex) -> Diagnostic:
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


def copies(vectors: VectorIndex) -> Diagnostic:
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


def _keys(vectors: VectorIndex) -> NDArray[np.uint64]:
    """Hash each live vector that is not zero: a random combination of its bits, so that equal ones agree."""
    factors = np.random.default_rng(0).integers(1, 2**63, vectors.dim, dtype=np.uint64) | np.uint64(1)
    parts = [np.zeros(0, np.uint64)]
    for first, block in vectors.blocks():
        alive = block.any(axis=1)
        if vectors.alive is not None:
            alive &= vectors.alive[first : first + len(block)]
        bits = np.ascontiguousarray(block[alive]).view(np.uint32).astype(np.uint64)
        parts.append(bits @ factors)
    return np.concatenate(parts)
