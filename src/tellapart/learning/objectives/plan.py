"""What stays constant over one softmax loss, and where workers and optimisers plug in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from tellapart.errors import TellapartError
from tellapart.learning.objectives.margins import Margin

CACHED = 524_288
"""Numbers held at once on a CPU, logits and centres, 4 MiB of float64: twice the core's second-level cache (with
a quarter of it a step at a batch of 64, d = 128 took a tenth longer, with twice as much no less)."""

RESIDENT = 67_108_864
"""Numbers held at once on another device, 256 MiB: launches cost more than memory there."""


class Totals(Protocol):
    """How the statistics of a shard become those of all classes; in place."""

    def maximum(self, values: Tensor) -> None:
        """Take the largest of all workers' values."""

    def total(self, values: Tensor) -> None:
        """Add up all workers' values."""


class Alone:
    """One process has all classes."""

    def maximum(self, values: Tensor) -> None:
        """Nobody else to ask."""

    def total(self, values: Tensor) -> None:
        """Nobody else to ask."""


class Update(Protocol):
    """An optimiser that takes the gradient of a few centres at a time, so that it is never held as a whole."""

    def begin(self) -> None:
        """Prepare all rows for one step, before any gradient comes."""

    def apply(self, rows: slice | Tensor, centres: Tensor, gradient: Tensor) -> None:
        """Step some rows: `centres` are their present values; both tensors may be overwritten."""

    def finish(self) -> None:
        """End the step, after all gradients have come."""


@dataclass(frozen=True, slots=True)
class SoftmaxPlan:
    """What stays constant over one loss: which classes, in which chunks, who adds up, what takes the gradient.

    `classes` are the sampled local classes in ascending order (int64), None for all; targets then count positions
    in it. `shift` is added to the logits of its class (float, one per class compared), the target excepted.
    """

    margin: Margin
    chunk: int
    totals: Totals
    classes: Tensor | None = None
    shift: Tensor | None = None
    update: Update | None = None


def chunk_for(features: Tensor) -> int:
    """How many classes to hold at once: a column of logits and a centre each."""
    batch, dim = features.shape
    return max(1, (CACHED if features.device.type == "cpu" else RESIDENT) // max(1, batch + dim))


def check_labels(labels: Tensor, classes: int) -> None:
    """Refuse labels that are no class numbers; float labels collide above 16,777,216."""
    if labels.dtype != torch.int64:
        raise TellapartError(
            f"labels are {labels.dtype}, not int64: floats and short integers confuse classes"
        )
    if labels.numel():
        low, high = int(labels.min()), int(labels.max())
        if low < 0 or high >= classes:
            wrong = low if low < 0 else high
            raise TellapartError(f"label {wrong} is not a class: there are {classes:,}, numbered from 0")
