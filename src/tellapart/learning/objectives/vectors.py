"""Precision and direction: what all objectives do to vectors first."""

from __future__ import annotations

import torch
from torch import Tensor

LEAST_LENGTH = 1e-6
"""A shorter vector has no direction: its cosines are 0 and it gets no gradient, where dividing by its length
would throw it away in one step (our choice, far below any length that float16 training meets)."""


def working_dtype(*tensors: Tensor) -> torch.dtype:
    """Float64 where anything is float64, otherwise float32: norms, margin and softmax are never below that."""
    return torch.float64 if any(tensor.dtype == torch.float64 for tensor in tensors) else torch.float32


def logit_dtype(dtype: torch.dtype, device: torch.device) -> torch.dtype:
    """Float64 on a CPU, where it costs a part of the step; elsewhere the working dtype, for many have none."""
    return torch.float64 if device.type == "cpu" else dtype


def unit(vectors: Tensor) -> Tensor:
    """Bring each vector (last axis) to unit length, and those without a direction to 0."""
    lengths = torch.linalg.vector_norm(vectors, dim=-1, keepdim=True)
    return torch.where(lengths > LEAST_LENGTH, vectors / lengths.clamp(min=LEAST_LENGTH), 0.0)


def inverse_lengths(lengths: Tensor) -> Tensor:
    """1 / length, 0 where there is no direction; in place."""
    short = lengths <= LEAST_LENGTH
    return lengths.reciprocal_().masked_fill_(short, 0.0)
