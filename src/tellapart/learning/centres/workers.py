"""The workers that share the classes, and what they say to each other.

Per step and worker: the features and their gradient (2 x 4 B d bytes for a global batch of B), the labels, and
three numbers per sample for the softmax. Nothing grows with the number of classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.autograd.function import once_differentiable


@dataclass(frozen=True, slots=True)
class Workers:
    """This worker's place among all of a process group (None: the default one); alone without torch.distributed."""

    rank: int = 0
    count: int = 1
    group: Any = None

    @classmethod
    def present(cls, group: Any = None) -> Workers:  # noqa: ANN401
        """Those of a process group, of the initialised default one, or this process alone."""
        if dist.is_available() and dist.is_initialized():
            return cls(dist.get_rank(group), dist.get_world_size(group), group)
        return cls()

    def share(self, total: int) -> range:
        """This worker's consecutive part of `total` things; parts differ by one at most and may be empty."""
        return range(self.rank * total // self.count, (self.rank + 1) * total // self.count)

    def maximum(self, values: Tensor) -> None:
        """Replace values by the largest of all workers."""
        if self.count > 1:
            dist.all_reduce(values, dist.ReduceOp.MAX, group=self.group)

    def total(self, values: Tensor) -> None:
        """Replace values by the sum over all workers."""
        if self.count > 1:
            dist.all_reduce(values, group=self.group)

    def wait(self) -> None:
        """Go on when all have come here."""
        if self.count > 1:
            dist.barrier(group=self.group)

    def sizes(self, count: int, device: torch.device | str = "cpu") -> tuple[int, ...]:
        """Tell everybody how many rows each worker has."""
        if self.count == 1:
            return (count,)
        return tuple(_all_gather(torch.tensor([count], device=device), self).tolist())

    def gather(self, rows: Tensor, sizes: tuple[int, ...], *, factor: float = 1.0) -> Tensor:
        """Put the rows of all workers one after the other; their gradients go back as sums, times a factor."""
        if self.count == 1:
            return rows
        gathered: Tensor = _Gather.apply(rows, sizes, self, factor)
        return gathered


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401
        rows: Tensor,
        sizes: tuple[int, ...],
        workers: Workers,
        factor: float,
    ) -> Tensor:
        ctx.sizes, ctx.workers, ctx.factor = sizes, workers, factor
        longest = max(sizes)
        padded = rows.new_zeros(longest, *rows.shape[1:])
        padded[: len(rows)] = rows
        everybody = _all_gather(padded, workers)
        if min(sizes) == longest:
            return everybody
        pieces = everybody.view(workers.count, longest, *rows.shape[1:])
        return torch.cat([piece[:size] for piece, size in zip(pieces, sizes, strict=True)])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, outer: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        sizes, workers = ctx.sizes, ctx.workers
        longest = max(sizes)
        if min(sizes) == longest:
            padded = outer.contiguous()
        else:
            padded = outer.new_zeros(workers.count, longest, *outer.shape[1:])
            for piece, part in zip(padded, outer.split(sizes), strict=True):
                piece[: len(part)] = part
            padded = padded.flatten(0, 1)
        own = outer.new_empty(longest, *outer.shape[1:])
        # torch 2.13 renamed the two collectives and warns about the old names
        getattr(dist, "reduce_scatter_single", dist.reduce_scatter_tensor)(own, padded, group=workers.group)
        return own[: sizes[workers.rank]].mul_(ctx.factor), None, None, None


def _all_gather(rows: Tensor, workers: Workers) -> Tensor:
    everybody = rows.new_empty(workers.count * len(rows), *rows.shape[1:])
    getattr(dist, "all_gather_single", dist.all_gather_into_tensor)(
        everybody, rows.contiguous(), group=workers.group
    )
    return everybody
