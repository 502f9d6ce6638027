"""Embeddings whose prefixes are embeddings too (Kusupati et al. 2022, Matryoshka representation learning)."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeGuard

import torch
from torch import Tensor

from tellapart.errors import TellapartError


@dataclass(frozen=True, slots=True)
class Matryoshka:
    """Weighted sum of one objective over prefixes of the embeddings: sum_j w_j L(z[:, :d_j]).

    `loss = Matryoshka(info_nce, (384, 192, 96))(queries, candidates, scale=20)`. Each prefix goes to the objective
    as it is; whether it is brought to unit length is the objective's affair. The tensors themselves are never
    changed, so the order of dimensions does not matter.
    """

    objective: Callable[..., Tensor]
    dimensions: tuple[int, ...]
    weights: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if (
            not self.dimensions
            or min(self.dimensions) < 1
            or len(set(self.dimensions)) < len(self.dimensions)
        ):
            raise TellapartError(f"dimensions {self.dimensions}: give different positive numbers")
        if self.weights and len(self.weights) != len(self.dimensions):
            raise TellapartError(f"{len(self.weights)} weights for {len(self.dimensions)} dimensions")

    @classmethod
    def halving(cls, objective: Callable[..., Tensor], dim: int, least: int) -> Matryoshka:
        """Take dim, dim / 2, ... down to `least`, all of weight 1."""
        sizes = []
        while dim >= max(1, least):
            sizes.append(dim)
            dim //= 2
        return cls(objective, tuple(sizes))

    def __call__(self, *arguments: object, **settings: object) -> Tensor:
        """Add up; positional arguments of two axes with float entries are cut, the rest pass unchanged."""
        cut = [entry for entry in arguments if _is_embedding(entry)]
        full = min(entry.shape[1] for entry in cut)
        if max(self.dimensions) > full:
            raise TellapartError(f"dimension {max(self.dimensions)} exceeds the embeddings' {full}")
        if full not in self.dimensions:
            warnings.warn(f"the full dimension {full} is not trained: {self.dimensions}", stacklevel=2)
        total = cut[0].new_zeros((), dtype=torch.promote_types(cut[0].dtype, torch.float32))
        for size, weight in zip(self.dimensions, self.weights or (1.0,) * len(self.dimensions), strict=True):
            prefixes = (entry[:, :size] if _is_embedding(entry) else entry for entry in arguments)
            total = total + weight * self.objective(*prefixes, **settings)
        return total


def _is_embedding(entry: object) -> TypeGuard[Tensor]:
    return isinstance(entry, Tensor) and entry.ndim == 2 and entry.is_floating_point()
