"""Stochastic gradient descent on centres, fused into the backward pass: no gradient is ever held as a whole.

    v = momentum v + g + decay w        w = w - rate v

Two rules share the name Partial FC and differ in the rows that were not sampled:

* lazy: they stay as they are, bit for bit, weight and momentum; a step costs what the sample costs.
* dense: they move too, with g = 0, as torch.optim.SGD moves a whole parameter; a step costs what the shard costs.

With all classes sampled the two are the same, and the same as torch.optim.SGD.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import torch
from torch import Tensor

from tellapart.errors import TellapartError
from tellapart.learning.centres.shard import Shard, put_rows

ROWS = 8_192
"""Rows moved at once by the dense rule, so that a block stays in the cache: 4 MB at 128 dimensions."""


class UnsampledRule(StrEnum):
    """What happens to centres that were not sampled."""

    LAZY = "lazy"
    DENSE = "dense"


@dataclass(frozen=True, slots=True)
class Sgd:
    """The settings of a descent; weight decay is off by default."""

    rate: float = 0.1
    momentum: float = 0.9
    decay: float = 0.0
    rule: UnsampledRule = UnsampledRule.LAZY

    def __post_init__(self) -> None:
        if self.rate < 0 or self.decay < 0 or not 0 <= self.momentum < 1:
            raise TellapartError(
                f"learning rate {self.rate:g}, decay {self.decay:g}, momentum {self.momentum:g}:"
                " give rate, decay >= 0 and 0 <= momentum < 1"
            )

    def over(self, shard: Shard) -> Descent:
        """Give one step over a shard."""
        needed = self.momentum > 0 or self.rule is UnsampledRule.DENSE
        if needed and shard.momentum is None:
            raise TellapartError("momentum and the dense rule need a shard that was built with momentum")
        return Descent(self, shard.weight, shard.momentum if needed else None)


@dataclass(frozen=True, slots=True)
class Descent:
    """One step, chunk by chunk (an objectives.plan.Update)."""

    settings: Sgd
    weight: Tensor
    velocity: Tensor | None

    @torch.no_grad()
    def begin(self) -> None:
        """Age the momentum of all rows (dense)."""
        if self.settings.rule is UnsampledRule.DENSE and self.velocity is not None:
            self.velocity.mul_(self.settings.momentum)
            if self.settings.decay:
                self.velocity.add_(self.weight, alpha=self.settings.decay)

    @torch.no_grad()
    def apply(self, rows: slice | Tensor, centres: Tensor, gradient: Tensor) -> None:
        """Take the gradient of some rows."""
        if self.settings.rule is UnsampledRule.DENSE and self.velocity is not None:
            if isinstance(rows, slice):
                self.velocity[rows].add_(gradient)
            else:
                self.velocity.index_add_(0, rows, gradient.to(self.velocity.dtype))
            return
        if self.settings.decay:
            gradient.add_(centres, alpha=self.settings.decay)
        if isinstance(rows, slice):
            self.weight[rows].add_(self._velocity(rows, gradient), alpha=-self.settings.rate)
        else:
            step = self._velocity(rows, gradient)
            moved = centres.add_(step, alpha=-self.settings.rate)
            put_rows(self.weight, rows, moved.to(self.weight.dtype))

    @torch.no_grad()
    def finish(self) -> None:
        """Move all rows (dense)."""
        if self.settings.rule is UnsampledRule.DENSE and self.velocity is not None:
            self.weight.add_(self.velocity, alpha=-self.settings.rate)

    def _velocity(self, rows: slice | Tensor, gradient: Tensor) -> Tensor:
        if self.velocity is None:
            return gradient
        if isinstance(rows, slice):
            return self.velocity[rows].mul_(self.settings.momentum).add_(gradient)
        moved = self.velocity.index_select(0, rows).mul_(self.settings.momentum).add_(gradient)
        put_rows(self.velocity, rows, moved)
        return moved
