"""Triplet losses over one batch: every anchor, its positives (same label) and negatives (other labels).

Features (B, d), labels (B,) int64, memory O(B^2). A batch without any triplet has loss 0 and gradient 0. `margin`
None is the soft margin: softplus(d_ap - d_an) in place of max(0, d_ap - d_an + margin).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from tellapart.learning.objectives.vectors import (
    Reduction,
    exact_products,
    reduced,
    refuse_not_finite,
    unit,
    working_dtype,
)

FACENET_MARGIN = 0.2
"""Between squared distances on the unit sphere (Schroff et al. 2015)."""


class Average(StrEnum):
    """What a sum over triplets is divided by."""

    ALL = "all"
    """Every valid triplet: the step grows with the share of triplets that still violate the margin."""
    VIOLATING = "violating"
    """Those with a loss above 0 (Hermans et al. 2017, BA non-zero): the step does not fade as training goes."""


def batch_hard(
    features: Tensor,
    labels: Tensor,
    *,
    margin: float | None = None,
    reduction: Reduction | str = Reduction.MEAN,
) -> Tensor:
    """Farthest positive against nearest negative, per anchor (Hermans, Beyer and Leibe 2017).

    Distances are Euclidean, not squared, of features as they come. Mean or sum over anchors that have both, or none:
    a loss for each anchor (B,), 0 for the others.
    """
    distances = _distances(features)
    same, other = _relations(labels)
    valid = same.any(1) & other.any(1)
    # anchors without a triplet are made harmless, not taken out: infinity times a gradient of 0 would be NaN
    farthest = distances.masked_fill(~same, -torch.inf).masked_fill(~valid[:, None], 0).amax(1)
    nearest = distances.masked_fill(~other, torch.inf).masked_fill(~valid[:, None], 0).amin(1)
    return reduced(_hinge(farthest - nearest, margin), valid, reduction)


def batch_all(
    features: Tensor, labels: Tensor, *, margin: float | None = FACENET_MARGIN, average: Average = Average.ALL
) -> Tensor:
    """Every valid triplet, Euclidean distances of features as they come (Hermans et al. 2017)."""
    loss: Tensor = _BatchAll.apply(_distances(features), labels, margin, average)
    return loss


def semi_hard(
    features: Tensor,
    labels: Tensor,
    *,
    margin: float = FACENET_MARGIN,
    reduction: Reduction | str = Reduction.MEAN,
) -> Tensor:
    """Every anchor-positive pair against a negative farther than the positive, by less than the margin (FaceNet).

    Squared distances of features brought to unit length. Of the negatives with d(a,p) < d(a,n) < d(a,p) + margin
    the nearest is taken; pairs without one count for nothing. Mean or sum over the pairs that have one, or none:
    (pairs,).
    """
    refuse_not_finite(features, "features")
    squared = _distances(unit(features.to(working_dtype(features)))).square()
    same, other = _relations(labels)
    with torch.no_grad():
        chosen = torch.full_like(same, -1, dtype=torch.int64)
        for anchor in range(len(labels)):
            positives, negatives = same[anchor].nonzero().flatten(), other[anchor].nonzero().flatten()
            if not len(positives) or not len(negatives):
                continue
            near = squared[anchor, positives][:, None]
            far = squared[anchor, negatives][None, :]
            window = (far > near) & (far < near + margin)
            least, column = far.masked_fill(~window, torch.inf).min(1)
            chosen[anchor, positives] = torch.where(least.isfinite(), negatives[column], -1)
    anchors, positives = (chosen >= 0).nonzero(as_tuple=True)
    gaps = squared[anchors, positives] - squared[anchors, chosen[anchors, positives]]
    if not len(gaps):
        return squared.sum() * 0 if reduction != Reduction.NONE else gaps
    return reduced(_hinge(gaps, margin), torch.ones_like(gaps, dtype=torch.bool), reduction)


class _BatchAll(torch.autograd.Function):
    """Walks the anchors, so that no B x B x B array exists; its derivative by each distance is a sum of slopes."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401
        distances: Tensor,
        labels: Tensor,
        margin: float | None,
        average: Average,
    ) -> Tensor:
        same, other = _relations(labels)
        slopes = torch.zeros_like(distances)
        total = distances.new_zeros(())
        valid = violating = 0
        for anchor in range(len(labels)):
            positives, negatives = same[anchor].nonzero().flatten(), other[anchor].nonzero().flatten()
            gaps = distances[anchor, positives][:, None] - distances[anchor, negatives][None, :]
            losses = _hinge(gaps, margin)
            active = (losses > 0).to(gaps.dtype) if margin is not None else torch.sigmoid(gaps)
            total += losses.sum()
            valid += losses.numel()
            violating += int((losses > 0).sum())
            slopes[anchor, positives] += active.sum(1)
            slopes[anchor, negatives] -= active.sum(0)
        count = max(1, valid if average is Average.ALL else violating)
        ctx.save_for_backward(slopes.div_(count))
        return total / count

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, outer: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        return ctx.saved_tensors[0] * outer, None, None, None


def _distances(features: Tensor) -> Tensor:
    # differences rather than inner products: exact for near points, and a gradient of 0 at distance 0
    refuse_not_finite(features, "features")
    features = features.to(working_dtype(features))
    with exact_products(features.device):
        return torch.cdist(features, features, compute_mode="donot_use_mm_for_euclid_dist")


def _relations(labels: Tensor) -> tuple[Tensor, Tensor]:
    """Give (B, B) masks: same label and not itself; other label."""
    same = labels[:, None] == labels[None, :]
    return same & ~torch.eye(len(labels), dtype=torch.bool, device=labels.device), ~same


def _hinge(gaps: Tensor, margin: float | None) -> Tensor:
    return torch.nn.functional.softplus(gaps) if margin is None else (gaps + margin).clamp(min=0)
