"""Contrastive losses: a query among candidates, two views of one batch.

Similarities are cosines times a scale (1 / temperature), in `logit_dtype`. A small temperature squeezes the
cosines into a narrow band, so a trained score orders candidates and is no degree of likeness.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import torch
from torch import Tensor

from tellapart.errors import TellapartError
from tellapart.learning.objectives.vectors import (
    Reduction,
    exact_products,
    logit_dtype,
    reduced,
    refuse_not_finite,
    unit,
    working_dtype,
)

SCALE = 20.0
"""1 / temperature of multiple-negatives ranking (Henderson et al. 2017; sentence-transformers' default)."""

NT_XENT_SCALE = 2.0
"""1 / temperature of SimCLR at .5, its choice for small data (Chen et al. 2020, table 5 and B.9)."""


class Several(StrEnum):
    """Where the logarithm stands when a query has several positives P among candidates A."""

    OUTSIDE = "outside"
    """mean over p of -log(e^p / sum over A): every positive must come near (Khosla et al. 2020, L_out)."""
    INSIDE = "inside"
    """-log(sum over P / sum over A): one positive near is enough."""


def info_nce(
    queries: Tensor,
    candidates: Tensor,
    *,
    positives: Tensor | None = None,
    ignore: Tensor | None = None,
    scale: float = SCALE,
    several: Several = Several.OUTSIDE,
    symmetric: bool = False,
    reduction: Reduction | str = Reduction.MEAN,
) -> Tensor:
    """Mean over queries of -log softmax(scale * cosine) at the positives (InfoNCE, multiple negatives ranking).

    Args:
        queries: (n, d).
        candidates: (m, d); m > n brings hard negatives, or the candidates of other workers.
        positives: (n,) int64, the candidate of each query, or (n, m) bool for several; by default query i has
            candidate i.
        ignore: (n, m) bool, pairs that count neither way: false negatives such as duplicates, see `equal_mask`.
            A positive is never ignored.
        scale: 1 / temperature.
        several: how several positives of one query add up.
        symmetric: average with the same loss from candidates to queries; candidates without a query sit out.
        reduction: mean or sum over the queries that have a positive, or none: (n,), 0 for the others.

    Raises:
        NotFiniteError: A query or candidate holds NaN or infinity.
    """
    if symmetric and reduction == Reduction.NONE:
        raise TellapartError(
            "a symmetric loss has one value for queries and one for candidates: give mean or sum"
        )
    refuse_not_finite(queries, "queries")
    refuse_not_finite(candidates, "candidates")
    same = _positive_mask(queries, candidates, positives)
    dtype = working_dtype(queries, candidates)
    exact = logit_dtype(dtype, queries.device)
    with exact_products(queries.device):
        logits = unit(queries.to(exact)) @ unit(candidates.to(exact)).T * scale
        if ignore is not None:
            if ignore.shape != same.shape:
                raise TellapartError(f"ignore has shape {tuple(ignore.shape)}, not {tuple(same.shape)}")
            logits = logits.masked_fill(ignore.to(logits.device) & ~same, -torch.inf)
        loss = _one_way(logits, same, several, reduction)
        if symmetric:
            loss = (loss + _one_way(logits.T, same.T, several, reduction)) / 2
    return loss.to(dtype)


def within_batch(
    features: Tensor,
    labels: Tensor,
    *,
    scale: float = SCALE,
    several: Several = Several.OUTSIDE,
    reduction: Reduction | str = Reduction.MEAN,
) -> Tensor:
    """Each sample (n, d) asks for the others with its label (n,) in the batch, and itself sits out.

    That is the supervised contrastive loss of Khosla et al. 2020, equation 2; with two views of each sample under a
    label of its own it is NT-Xent.
    """
    itself = torch.eye(len(labels), dtype=torch.bool, device=features.device)
    same = (labels[:, None] == labels[None, :]).to(features.device) & ~itself
    return info_nce(
        features, features, positives=same, ignore=itself, scale=scale, several=several, reduction=reduction
    )


def nt_xent(
    first: Tensor,
    second: Tensor,
    *,
    scale: float = NT_XENT_SCALE,
    reduction: Reduction | str = Reduction.MEAN,
) -> Tensor:
    """Two views of n samples, each against 2n - 2 negatives (SimCLR); needs no labels, O(n^2) memory."""
    if first.shape != second.shape:
        raise TellapartError(
            f"the views have shapes {tuple(first.shape)} and {tuple(second.shape)}: pair them"
        )
    views = torch.cat([first, second])
    count = len(first)
    partners = torch.arange(2 * count, device=views.device).roll(count)
    itself = torch.eye(2 * count, dtype=torch.bool, device=views.device)
    return info_nce(views, views, positives=partners, ignore=itself, scale=scale, reduction=reduction)


def equal_mask(first: Sequence[object], second: Sequence[object]) -> Tensor:
    """Mask (n, m) of equal entries, texts or labels: what `ignore` needs so that no duplicate is a negative."""
    numbers = {entry: number for number, entry in enumerate(dict.fromkeys([*first, *second]))}
    rows = torch.tensor([numbers[entry] for entry in first], dtype=torch.int64)
    columns = torch.tensor([numbers[entry] for entry in second], dtype=torch.int64)
    return rows[:, None] == columns[None, :]


def _positive_mask(queries: Tensor, candidates: Tensor, positives: Tensor | None) -> Tensor:
    shape = (len(queries), len(candidates))
    if positives is None:
        if shape[1] < shape[0]:
            raise TellapartError(f"{shape[0]} queries have only {shape[1]} candidates: give positives")
        positives = torch.arange(shape[0], device=queries.device)
    positives = positives.to(queries.device)
    if positives.dtype == torch.bool:
        if positives.shape != shape:
            raise TellapartError(f"positives have shape {tuple(positives.shape)}, not {shape}")
        return positives
    if positives.dtype != torch.int64 or positives.shape != shape[:1]:
        raise TellapartError(
            f"positives are {positives.dtype} {tuple(positives.shape)}: give int64 ({shape[0]},)"
        )
    mask = torch.zeros(shape, dtype=torch.bool, device=queries.device)
    return mask.scatter_(1, positives[:, None], value=True)


def _one_way(logits: Tensor, same: Tensor, several: Several, reduction: Reduction | str) -> Tensor:
    # rows without a positive are made harmless rather than taken out: no size depends on what the data are
    asked = same.any(1)
    everything = logits.masked_fill(~asked[:, None], 0).logsumexp(1)
    if several is Several.INSIDE:
        near = (
            logits.masked_fill(~same & asked[:, None], -torch.inf)
            .masked_fill(~asked[:, None], 0)
            .logsumexp(1)
        )
    else:
        near = logits.masked_fill(~same, 0).sum(1) / same.sum(1).clamp(min=1)
    return reduced(everything - near, asked, reduction)
