"""Precision, direction and finiteness: what all objectives do to vectors first."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from enum import StrEnum

import torch
from torch import Tensor

from tellapart.errors import TellapartError

LEAST_LENGTH = 1e-6
"""A shorter vector has no direction: its cosines are 0 and it gets no gradient, where dividing by its length
would throw it away in one step. The least normal number of float16 is 6e-5: no training in float16 meets such a
vector."""

SHOWN = 3
"""Rows that a message names."""


class NotFiniteError(TellapartError):
    """Vectors hold NaN or infinity; `rows` says which of them."""

    def __init__(self, what: str, rows: Sequence[int]) -> None:
        self.what, self.rows = what, tuple(rows)
        named = ", ".join(str(row) for row in self.rows[:SHOWN])
        more = f" and {len(self.rows) - SHOWN} more" if len(self.rows) > SHOWN else ""
        super().__init__(f"{what} of sample {named}{more} of the batch are not finite: look at the input")


class Reduction(StrEnum):
    """What becomes of the losses of a batch, as torch's own losses spell it."""

    MEAN = "mean"
    SUM = "sum"
    NONE = "none"


def reduced(losses: Tensor, counted: Tensor, reduction: Reduction | str) -> Tensor:
    """Average, add up or give back losses (n,), where `counted` (n,) bool; the others are 0 and count for nothing.

    Raises:
        TellapartError: There is no such reduction.
    """
    losses = torch.where(counted, losses, torch.zeros_like(losses))
    if reduction == Reduction.NONE:
        return losses
    if reduction == Reduction.SUM:
        return losses.sum()
    if reduction == Reduction.MEAN:
        return losses.sum() / counted.sum().clamp(min=1)
    raise TellapartError(f"unknown reduction {str(reduction)!r}: give one of {', '.join(Reduction)}")


def refuse_not_finite(vectors: Tensor, what: str) -> None:
    """Look at every row (n, ...) before anything is computed with it.

    One NaN would otherwise pass through a loss as a finite number and kill a network in the backward pass.

    Raises:
        NotFiniteError: A row holds NaN or infinity.
    """
    if vectors.is_meta or not vectors.numel():
        return
    # a sum is finite only if everything in it is; it may overflow, so that the rows are looked at then
    if not bool(torch.isfinite(vectors.detach().sum())):
        wrong = (~torch.isfinite(vectors.detach()).flatten(1).all(1)).nonzero().flatten().tolist()
        if wrong:
            raise NotFiniteError(what, wrong)


def exact_products(device: torch.device) -> AbstractContextManager[object]:
    """Keep the products of a loss out of a caller's autocast: in bfloat16 a logit at scale 64 is off by .04."""
    kind = "cpu" if device.type == "meta" else device.type
    return torch.autocast(kind, enabled=False)


def working_dtype(*tensors: Tensor) -> torch.dtype:
    """Float64 where anything is float64, otherwise float32: norms, margin and softmax are never below that."""
    return torch.float64 if any(tensor.dtype == torch.float64 for tensor in tensors) else torch.float32


def logit_dtype(dtype: torch.dtype, device: torch.device) -> torch.dtype:
    """Float64 on a CPU, where it costs a part of the step; elsewhere the working dtype, for many have none."""
    return torch.float64 if device.type == "cpu" else dtype


def unit(vectors: Tensor) -> Tensor:
    """Bring each vector (last axis) to unit length, and those without a direction to 0; NaN stays NaN."""
    lengths = torch.linalg.vector_norm(vectors, dim=-1, keepdim=True)
    return torch.where(lengths <= LEAST_LENGTH, 0.0, vectors / lengths.clamp(min=LEAST_LENGTH))


def inverse_lengths(lengths: Tensor) -> Tensor:
    """1 / length, 0 where there is no direction; in place."""
    short = lengths <= LEAST_LENGTH
    return lengths.reciprocal_().masked_fill_(short, 0.0)
