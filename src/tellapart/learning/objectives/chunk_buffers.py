"""What a chunked softmax is made of: the chunks, the memory they share, the targets, where gradients go."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from tellapart.learning.objectives.plan import SoftmaxPlan
from tellapart.learning.objectives.vectors import inverse_lengths


@dataclass(frozen=True, slots=True)
class ClassChunk:
    """Classes start:stop of those compared, and the rows of the weight where they stand."""

    start: int
    stop: int
    row_start: int
    row_stop: int
    rows: slice | Tensor


def rows_compared(weight: Tensor, plan: SoftmaxPlan) -> int:
    """How many rows of the weight take part."""
    return len(weight) if plan.classes is None else len(plan.classes) * plan.margin.sub_centres


def parts(weight: Tensor, plan: SoftmaxPlan) -> Iterator[ClassChunk]:
    """Walk the classes compared."""
    width = plan.margin.sub_centres
    compared = rows_compared(weight, plan) // width
    for start in range(0, compared, plan.chunk):
        stop = min(start + plan.chunk, compared)
        rows: slice | Tensor = slice(start * width, stop * width)
        if plan.classes is not None:
            rows = plan.classes[start:stop]
            if width > 1:
                rows = (rows[:, None] * width + torch.arange(width, device=rows.device)).flatten()
        yield ClassChunk(start, stop, start * width, stop * width, rows)


@dataclass(frozen=True, slots=True)
class Room:
    """Memory that all chunks share: fresh pages for each of them would cost a sixth of the step (measured)."""

    rows: Tensor
    centres: Tensor
    logits: Tensor
    below: Tensor

    @classmethod
    def of(cls, scaled: Tensor, weight: Tensor, plan: SoftmaxPlan, dtype: torch.dtype) -> Room:
        """Make room for the largest chunk: logits in the dtype of `scaled`, what follows them in `dtype`."""
        rows = min(plan.chunk * plan.margin.sub_centres, rows_compared(weight, plan))
        copied = rows if scaled.dtype != dtype else 0
        sampled = rows if plan.classes is not None else 0
        return cls(
            weight.new_empty(sampled, weight.shape[1]),
            scaled.new_empty(copied, weight.shape[1]),
            scaled.new_empty(len(scaled) * rows),
            scaled.new_empty(len(scaled) * rows, dtype=dtype),
        )

    def taken(self, weight: Tensor, part: ClassChunk) -> Tensor:
        """Take the rows of a chunk (d columns each), in the working dtype; a view where none need be moved."""
        if isinstance(part.rows, slice):
            rows = weight[part.rows]
        else:
            rows = torch.index_select(weight, 0, part.rows, out=self.rows[: len(part.rows)])
        return rows.to(self.below.dtype)

    def widened(self, centres: Tensor) -> Tensor:
        """Bring centres to the dtype of the logits."""
        if centres.dtype == self.centres.dtype:
            return centres
        return self.centres[: len(centres)].copy_(centres)

    def product(self, scaled: Tensor, centres: Tensor) -> Tensor:
        """Multiply (B, d) by (rows, d)."""
        shape = len(scaled), len(centres)
        return torch.mm(scaled, centres.T, out=self.logits[: shape[0] * shape[1]].view(shape))

    def subtracted(self, logits: Tensor, ceiling: Tensor) -> Tensor:
        """Subtract before rounding: what is close to the ceiling keeps its digits."""
        return torch.sub(logits, ceiling[:, None], out=self.below[: logits.numel()].view(logits.shape))


@dataclass(frozen=True, slots=True)
class Own:
    """The samples whose target is held here: where it stands among the classes compared, psi and its slope."""

    samples: Tensor
    positions: Tensor
    value: Tensor
    slope: Tensor

    @classmethod
    def of(cls, directions: Tensor, weight: Tensor, targets: Tensor, plan: SoftmaxPlan) -> Own:
        """Apply the margin to the targets that are not -1."""
        samples = (targets >= 0).nonzero().flatten()
        positions = targets[samples]
        classes = positions if plan.classes is None else plan.classes[positions]
        width = plan.margin.sub_centres
        rows = classes[:, None] * width + torch.arange(width, device=classes.device)
        centres = weight[rows].to(directions.dtype)
        # a sum rather than a product: its rounding does not depend on how many samples a worker owns
        cosines = (centres * directions[samples][:, None, :]).sum(2)
        if plan.margin.unit_centres:
            cosines = cosines * inverse_lengths(centres.norm(dim=2))
        target = plan.margin.target(cosines.amax(1))
        return cls(samples, positions, target.value, target.slope)

    def within(self, part: ClassChunk) -> tuple[Tensor, Tensor, Tensor]:
        """Those of one chunk: sample, column in the chunk, index into this table."""
        mine = ((self.positions >= part.start) & (self.positions < part.stop)).nonzero().flatten()
        return self.samples[mine], self.positions[mine] - part.start, mine


@dataclass(slots=True)
class Collector:
    """Where the centres' gradient goes: into one array, or chunk by chunk into an optimiser."""

    plan: SoftmaxPlan
    gradient: Tensor | None
    room: Tensor
    """(2, rows, d): the gradient of a chunk that goes elsewhere, and its products with the centres."""

    @classmethod
    def of(cls, weight: Tensor, plan: SoftmaxPlan, dtype: torch.dtype) -> Collector:
        """Make room for the gradient, or tell the optimiser that one comes."""
        compared = rows_compared(weight, plan)
        rows = min(plan.chunk * plan.margin.sub_centres, compared)
        room = weight.new_empty(2, rows, weight.shape[1], dtype=dtype)
        if plan.update is None:
            return cls(plan, weight.new_empty(compared, weight.shape[1]), room)
        plan.update.begin()
        return cls(plan, None, room)

    def take(self, part: ClassChunk, centres: Tensor, pull: Tensor, scaled: Tensor, inverse: Tensor) -> None:
        """Form the gradient of one chunk; `pull` is already divided by the centres' lengths."""
        place, products = self.room[:, : len(centres)]
        whole = self.gradient[part.row_start : part.row_stop] if self.gradient is not None else place
        if whole.dtype == place.dtype:
            place = whole
        torch.mm(pull.T, scaled, out=place)
        if self.plan.margin.unit_centres:
            shares = inverse[part.row_start : part.row_stop].square().to(place.dtype)
            along = torch.mul(centres, place, out=products).sum(1).mul_(shares)
            place.addcmul_(centres, along[:, None], value=-1)
        if self.plan.update is not None:
            self.plan.update.apply(part.rows, centres, place)
        elif whole is not place:
            whole.copy_(place)

    def finish(self, weight: Tensor) -> Tensor | None:
        """Give the gradient, sparse where classes were sampled; None where an optimiser took it."""
        if self.plan.update is not None:
            self.plan.update.finish()
            return None
        if self.plan.classes is None:
            return self.gradient
        rows = torch.cat([torch.as_tensor(part.rows) for part in parts(weight, self.plan)])
        return torch.sparse_coo_tensor(
            rows[None], self.gradient, weight.shape, is_coalesced=True, check_invariants=False
        )
