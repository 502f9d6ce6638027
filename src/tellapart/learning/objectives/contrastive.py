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
from tellapart.learning.objectives.vectors import logit_dtype, unit, working_dtype

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
) -> Tensor:
    """Mean over queries of -log softmax(scale * cosine) at the positives (InfoNCE, multiple negatives ranking).

    Args:
        queries: (n, d).
        candidates: (m, d); m > n brings hard negatives, or the candidates of other workers.
        positives: (n,) int64, the candidate of each query, or (n, m) bool for several; by default query i has
            candidate i.
        ignore: (n, m) bool, pairs that count neither way: false negatives such as duplicates, see `alike`.
            A positive is never ignored.
        scale: 1 / temperature.
        several: how several positives of one query add up.
        symmetric: average with the same loss from candidates to queries; candidates without a query sit out.
    """
    same = _positive_mask(queries, candidates, positives)
    dtype = working_dtype(queries, candidates)
    exact = logit_dtype(dtype, queries.device)
    logits = unit(queries.to(exact)) @ unit(candidates.to(exact)).T * scale
    if ignore is not None:
        if ignore.shape != same.shape:
            raise TellapartError(f"ignore has shape {tuple(ignore.shape)}, not {tuple(same.shape)}")
        logits = logits.masked_fill(ignore & ~same, -torch.inf)
    forward = _one_way(logits, same, several)
    loss = (forward + _one_way(logits.T, same.T, several)) / 2 if symmetric else forward
    return loss.to(dtype)


def nt_xent(first: Tensor, second: Tensor, *, scale: float = NT_XENT_SCALE) -> Tensor:
    """Two views of n samples, each against 2n - 2 negatives (SimCLR); needs no labels, O(n^2) memory."""
    if first.shape != second.shape:
        raise TellapartError(
            f"the views have shapes {tuple(first.shape)} and {tuple(second.shape)}: pair them"
        )
    views = torch.cat([first, second])
    count = len(first)
    partners = torch.arange(2 * count, device=views.device).roll(count)
    itself = torch.eye(2 * count, dtype=torch.bool, device=views.device)
    return info_nce(views, views, positives=partners, ignore=itself, scale=scale)


def alike(first: Sequence[object], second: Sequence[object]) -> Tensor:
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


def _one_way(logits: Tensor, same: Tensor, several: Several) -> Tensor:
    asked = same.any(1)
    if not asked.any():
        return logits.nan_to_num(neginf=0).sum() * 0
    logits, same = logits[asked], same[asked]
    everything = logits.logsumexp(1)
    if several is Several.INSIDE:
        return (everything - logits.masked_fill(~same, -torch.inf).logsumexp(1)).mean()
    near = logits.masked_fill(~same, 0).sum(1) / same.sum(1)
    return (everything - near).mean()
