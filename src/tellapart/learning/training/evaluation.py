"""What a trained encoder is worth on what it did not learn: intervals by identity, against raw pixels."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tellapart.encoders.protocol import Vectors
from tellapart.errors import TellapartError
from tellapart.experiments.statistics import ALPHA, Comparison, Estimate, compare, estimate_means
from tellapart.experiments.verification import PairScores, equal_error_rate, nearest_neighbours, tar_at_far

FARS = (1e-4, 1e-3, 1e-2, 0.1)
"""Rates of false accepts, of which the smallest is taken that the pairs at hand carry."""

DRAWS = 500
"""Resamples of identities for the interval of TAR they take a second."""


@dataclass(frozen=True, slots=True)
class Worth:
    """R@1 and MAP@R by leave-one-out retrieval, with intervals over identities."""

    recall_at_1: Estimate
    map_at_r: Estimate


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is known about an encoder after training.

    `unseen` says what was held out: "identities" or "images". `against_pixels` are encoder minus pixels for R@1 and
    MAP@R. Pairs whose cosine lies above `threshold` are taken for one identity: `tar` of the genuine pairs, at most
    `far` of the others; None where too few pairs carry a rate. `recommended`: better than pixels in one measure
    beyond noise, and in none worse.
    """

    unseen: str
    identities: int
    images: int
    encoder: Worth
    pixels: Worth
    learned: Worth | None
    against_pixels: tuple[Comparison, Comparison]
    eer: float | None
    far: float | None
    tar: Estimate | None
    threshold: float | None
    recommended: bool
    reason: str

    def to_json(self) -> dict[str, Any]:
        """Give plain values; limits that are unknown are null."""
        return _plain(asdict(self))


def judge_encoder(
    unseen: str,
    vectors: Vectors,
    pixels: Vectors,
    labels: NDArray[np.int64],
    *,
    learned: tuple[Vectors, NDArray[np.int64]] | None = None,
) -> Judgement:
    """Judge unit vectors (n, d) of unseen images with labels (n,) beside raw pixels (n, p) of the same images.

    Args:
        unseen: "identities" or "images": what training did not see of them.
        vectors: By the encoder.
        pixels: By raw pixels.
        labels: Identity of each image.
        learned: Vectors and labels of learned images, for comparison.
    """
    ours, theirs = nearest_neighbours(vectors, labels), nearest_neighbours(pixels, labels)
    clusters = labels[ours.rows]
    comparisons = (
        compare(ours.recall_at_1, theirs.recall_at_1, clusters=clusters),
        compare(ours.map_at_r, theirs.map_at_r, clusters=clusters),
    )
    recommended, reason = _concluded(comparisons)
    eer, far, tar, threshold = _verified(vectors, labels)
    return Judgement(
        unseen=unseen,
        identities=len(np.unique(labels)),
        images=len(labels),
        encoder=_worth(vectors, labels),
        pixels=_worth(pixels, labels),
        learned=_worth(*learned) if learned is not None else None,
        against_pixels=comparisons,
        eer=eer,
        far=far,
        tar=tar,
        threshold=threshold,
        recommended=recommended,
        reason=reason,
    )


def _worth(vectors: Vectors, labels: NDArray[np.int64]) -> Worth:
    found = nearest_neighbours(vectors, labels)
    values = np.column_stack([found.recall_at_1, found.map_at_r])
    return Worth(*estimate_means(values, clusters=labels[found.rows]))


def _concluded(comparisons: tuple[Comparison, Comparison]) -> tuple[bool, str]:
    said = "; ".join(
        f"{name} {each.difference:+.3f} [{each.low:+.3f}, {each.high:+.3f}], p {each.p:.4f}"
        for name, each in zip(("R@1", "MAP@R"), comparisons, strict=True)
    )
    # of two measures one may be ahead by chance: Bonferroni
    better = any(each.p <= ALPHA / 2 and each.low > 0 for each in comparisons)
    worse = any(each.high < 0 for each in comparisons)
    if better and not worse:
        return True, f"the encoder is better than raw pixels here ({said})"
    if worse:
        return False, f"the encoder is worse than raw pixels in one measure here ({said})"
    return False, f"the encoder is not shown to be better than raw pixels here ({said})"


def _verified(
    vectors: Vectors, labels: NDArray[np.int64]
) -> tuple[float | None, float | None, Estimate | None, float | None]:
    try:
        pairs = PairScores.within(vectors, labels)
        eer = equal_error_rate(pairs)
    except TellapartError:
        return None, None, None, None
    for far in FARS:
        try:
            found = tar_at_far(pairs, far, draws=DRAWS)
        except TellapartError:
            continue
        return eer, far, Estimate(found.tar, found.low, found.high), found.threshold
    return eer, None, None, None


def _plain(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, dict):
        return {name: _plain(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
