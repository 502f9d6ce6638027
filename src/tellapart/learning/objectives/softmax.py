"""Margin softmax in one process, as a function; `tellapart.learning.ArcFace` and its kin own the centres."""

from __future__ import annotations

import torch
from torch import Tensor

from tellapart.errors import TellapartError
from tellapart.learning.objectives.chunked_softmax import softmax_losses
from tellapart.learning.objectives.margins import Margin
from tellapart.learning.objectives.plan import Alone, SoftmaxPlan, check_labels, chunk_for
from tellapart.learning.objectives.vectors import (
    Reduction,
    exact_products,
    logit_dtype,
    refuse_not_finite,
    unit,
    working_dtype,
)


def margin_softmax(
    features: Tensor,
    centres: Tensor,
    labels: Tensor,
    margin: Margin,
    *,
    reduction: Reduction | str = Reduction.MEAN,
    weight: Tensor | None = None,
    label_smoothing: float = 0.0,
    chunk: int | None = None,
) -> Tensor:
    """Cross-entropy of features against class centres; exact, in batch x chunk memory.

    Args:
        features: (B, d); not normalised by the caller, and left as they are.
        centres: (classes * margin.sub_centres, d).
        labels: (B,) int64.
        margin: what happens to the target's cosine.
        reduction: mean, sum or none: (B,).
        weight: (classes,) of the classes; means are weighted, as in torch.
        label_smoothing: share of the target that is spread evenly over all classes, as in torch.
        chunk: classes held at once; by default what fits the cache.

    Raises:
        NotFiniteError: A feature holds NaN or infinity.
        TellapartError: Labels are no class numbers, or centres make no classes.
    """
    if len(centres) % margin.sub_centres:
        raise TellapartError(
            f"{len(centres)} centres do not make classes of {margin.sub_centres} sub-centres"
        )
    if reduction not in list(Reduction):
        raise TellapartError(f"unknown reduction {str(reduction)!r}: give one of {', '.join(Reduction)}")
    if not len(features):
        empty = (features.sum() + centres[:0].sum()) * 0
        return empty.expand(0) if reduction == Reduction.NONE else empty
    classes = len(centres) // margin.sub_centres
    check_labels(labels, classes)
    refuse_not_finite(features, "features")
    plan = SoftmaxPlan(margin, chunk or chunk_for(features), Alone())
    losses = softmax_losses(features, centres, labels, plan)
    if label_smoothing:
        losses = _smoothed(losses, features, centres, labels, margin, label_smoothing, weight)
    elif weight is not None:
        losses = losses * weight[labels]
    if reduction == Reduction.NONE:
        return losses
    if reduction == Reduction.SUM:
        return losses.sum()
    return losses.mean() if weight is None else losses.sum() / weight[labels].sum()


def _smoothed(
    losses: Tensor,
    features: Tensor,
    centres: Tensor,
    labels: Tensor,
    margin: Margin,
    share: float,
    weight: Tensor | None,
) -> Tensor:
    """Mix the target with all classes: (1 - e) w_y (L - z_y) + e / C sum_j w_j (L - z_j), L the logsumexp.

    sum_j w_j z_j needs no logits: it is the product of the feature with the weighted sum of the centres, and the
    target's margin.
    """
    dtype = working_dtype(features, centres)
    exact = logit_dtype(dtype, features.device)
    counts = (
        torch.ones(len(centres), dtype=exact, device=centres.device) if weight is None else weight.to(exact)
    )
    with exact_products(features.device):
        rows = centres.to(exact)
        rows = unit(rows) if margin.unit_centres else rows
        wide = features.to(exact)
        directions = unit(wide) if margin.scale is not None or margin.unit_centres else wide
        lengths = wide.norm(dim=1) if margin.scale is None and margin.unit_centres else margin.scale or 1.0
        cosines = (directions * rows[labels]).sum(1)
        found = margin.target(cosines.detach())
        # the value of the margin with the slope that the softmax itself takes
        target = lengths * (found.value + found.slope * (cosines - cosines.detach()))
        plain = lengths * cosines
        everything = losses.to(exact) + target
        sums = lengths * (directions @ (counts @ rows)) + counts[labels] * (target - plain)
        smooth = (everything * counts.sum() - sums) / len(centres)
        mixed = (1 - share) * counts[labels] * losses.to(exact) + share * smooth
    return mixed.to(dtype)


def margin_free_logits(features: Tensor, centres: Tensor, margin: Margin) -> Tensor:
    """Give the logits (B, classes) that a margin softmax compares, before the margin: length x cosine."""
    dtype = torch.promote_types(features.dtype, torch.float32)
    with exact_products(features.device):
        features, centres = features.to(dtype), centres.to(dtype)
        if margin.scale is not None:
            features = unit(features) * margin.scale
        logits = features @ (unit(centres) if margin.unit_centres else centres).T
    return logits.view(len(logits), -1, margin.sub_centres).amax(2)
