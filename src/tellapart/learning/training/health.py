"""Is the training sound? Collapse, anisotropy, suspicious pairs, the sample behind a NaN."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tellapart.encoders.protocol import unit_rows
from tellapart.errors import TellapartError
from tellapart.experiments.verification import nearest_neighbours

BINS = 50
"""Of the histograms over cosines from -1 to 1."""

COLLAPSED = 0.9
"""Mean cosine of different identities from which vectors have all but become one. It
marks what a person should look at; not measured at other values."""

NARROW = 0.5
"""Mean cosine of different identities from which a cone, not the sphere, is used: more than half of
every cosine is then common to all."""

FEW_DIMENSIONS = 2.0
"""Effective dimensions below which little can be told apart: identities lie on a line."""

SAME = 0.95
"""Cosine of two samples with different labels from which they may be the same thing: it lists what a
person should look at, and changes nothing."""


@dataclass(frozen=True, slots=True)
class Suspect:
    """Two samples that look alike and are labelled differently: a wrong label, or a false negative."""

    first: str
    second: str
    cosine: float


@dataclass(frozen=True, slots=True)
class VectorQuality:
    """What vectors with labels are worth.

    `recall_at_1` and `map_at_r` over leave-one-out retrieval; `genuine` and `impostors` (BINS,) count pairs by
    cosine; `mean_cosine` is that of impostors; `dimensions` the participation ratio of the spectrum.
    """

    recall_at_1: float
    map_at_r: float
    genuine: tuple[int, ...]
    impostors: tuple[int, ...]
    mean_cosine: float
    dimensions: float

    def findings(self) -> tuple[str, ...]:
        """Say in words what is wrong."""
        found = []
        if self.mean_cosine > COLLAPSED:
            found.append(
                f"collapse: different identities have a mean cosine of {self.mean_cosine:.2f}; if more steps do"
                " not help, lower the learning rate"
            )
        elif self.mean_cosine > NARROW:
            found.append(
                f"anisotropy: different identities have a mean cosine of {self.mean_cosine:.2f}, so a cosine"
                " means less than it seems"
            )
        if self.dimensions < FEW_DIMENSIONS:
            found.append(f"collapse: the vectors use {self.dimensions:.1f} dimensions")
        return tuple(found)


def examine(features: NDArray[np.float32], labels: NDArray[np.int64]) -> VectorQuality:
    """Look at features (n, d), not normalised, of at most some thousand samples: the n x n cosines are made."""
    vectors = unit_rows(features, encoder="training")
    cosines = (vectors @ vectors.T)[np.triu_indices(len(vectors), 1)]
    same = (labels[:, None] == labels)[np.triu_indices(len(vectors), 1)]
    edges = np.linspace(-1, 1, BINS + 1)
    spectrum = np.linalg.eigvalsh(np.cov(vectors.T.astype(np.float64))).clip(0)
    found = nearest_neighbours(vectors, labels)
    return VectorQuality(
        recall_at_1=float(found.recall_at_1.mean()),
        map_at_r=float(found.map_at_r.mean()),
        genuine=_histogram(cosines[same], edges),
        impostors=_histogram(cosines[~same], edges),
        mean_cosine=float(cosines[~same].mean()) if (~same).any() else 0.0,
        dimensions=float(spectrum.sum() ** 2 / max((spectrum**2).sum(), np.finfo(np.float64).tiny)),
    )


def suspects(features: Tensor, labels: Tensor, names: Sequence[str], *, most: int) -> list[Suspect]:
    """Pairs of a batch with different labels and nearly the same vector, nearest first."""
    with torch.no_grad():
        unit = torch.nn.functional.normalize(features.float(), dim=1)
        labels = labels.to(unit.device)
        cosines = torch.where(labels[:, None] != labels[None, :], unit @ unit.T, -1.0).triu(1)
        rows, columns = (cosines >= SAME).nonzero(as_tuple=True)
    found = {
        (names[a], names[b]): float(cosines[a, b])
        for a, b in zip(rows.tolist(), columns.tolist(), strict=True)
    }
    ordered = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    return [Suspect(first, second, cosine) for (first, second), cosine in ordered[:most]]


def refuse_nan(
    step: int,
    loss: Tensor,
    features: Tensor,
    alone: Callable[[int], float] | None,
    names: Sequence[str],
) -> None:
    """Stop with the offending sample's name when a loss, or the gradient that reached its features, is not finite.

    Args:
        step: Told to the user.
        loss: Of the batch.
        features: (n, d), with `.grad` after the backward pass.
        alone: Gives the loss of one sample of the batch alone; None where that cannot be asked.
        names: Of the samples (n,).

    Raises:
        TellapartError: Something is not finite.
    """
    gradient = features.grad if features.requires_grad else None
    if bool(loss.isfinite()) and (gradient is None or bool(gradient.isfinite().all())):
        return
    bad = ~features.isfinite().all(1)
    if not bad.any() and gradient is not None:
        bad = ~gradient.isfinite().all(1)
    if (not bad.any() or bad.all()) and alone is not None:
        bad = torch.tensor([not np.isfinite(alone(row)) for row in range(len(names))])
    advice, value = "lower the learning rate", float(loss.detach())
    broken = "the gradient is not finite" if np.isfinite(value) else f"the loss is {value:g}"
    if not bad.any() or bad.all():
        raise TellapartError(f"step {step}: {broken} for every sample: {advice}")
    culprits = [names[row] for row in bad.nonzero().flatten().tolist()]
    more = f" and {len(culprits) - 3} more" if len(culprits) > 3 else ""
    raise TellapartError(
        f"step {step}: {broken} because of {', '.join(culprits[:3])}{more}: look at it, or {advice}"
    )


def _histogram(values: NDArray[np.float32], edges: NDArray[np.float64]) -> tuple[int, ...]:
    return tuple(np.histogram(np.clip(values, -1, 1), edges)[0].tolist())
