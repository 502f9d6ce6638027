"""Softmax over many classes without ever holding a batch x classes array.

The classes are walked in chunks, forward with a running maximum and sum (an online logsumexp), backward once more
with the logits computed anew; loss and gradients are those of the plain formula. Per chunk of n classes:

    z = (a xh) W' / |w|      logits before the margin; a = scale, or |x|
    H = g e^(z - lse)        dL/dz; at the target slope (p - 1) g, which carries the margin's derivative
    dxh += a (H / |w|) W     dW = (H / |w|)' (a xh) - w sum_i H z / |w|^2

The same code serves one process and a shard of the classes: `Totals` is where workers meet.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from tellapart.learning.objectives.plan import Plan
from tellapart.learning.objectives.vectors import LEAST_LENGTH, inverse_lengths, unit, working_dtype


def chunked_losses(features: Tensor, weight: Tensor, targets: Tensor, plan: Plan) -> Tensor:
    """Cross-entropy of each feature, over all workers' classes.

    Args:
        features: (B, d), any float dtype; the margin says whether their length counts.
        weight: (rows, d), the centres held here; its gradient is dense, or sparse where classes were sampled.
        targets: (B,) int64, position of the target among the classes compared here, -1 where another has it.
        plan: the rest.
    """
    dtype = working_dtype(features, weight)
    features = features.to(dtype)
    if plan.shift is not None:
        plan = replace(plan, shift=plan.shift.to(dtype))
    scale = plan.margin.scale
    if scale is not None:
        directions = unit(features)
        lengths = directions.new_full((len(features),), scale)
    elif plan.margin.unit_centres:
        directions = unit(features)
        lengths = features.norm(dim=1)
    else:
        directions, lengths = features, features.new_ones(len(features))
    losses: Tensor = _Chunked.apply(directions, lengths, weight, targets, plan)
    return losses


class _Chunked(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401
        directions: Tensor,
        lengths: Tensor,
        weight: Tensor,
        targets: Tensor,
        plan: Plan,
    ) -> Tensor:
        batch = len(directions)
        scaled = directions * lengths[:, None]
        own = _Own.of(directions, weight, targets, plan)
        logits_own = lengths[own.samples] * own.value
        inverse = directions.new_empty(_compared(weight, plan) * plan.margin.sub_centres)
        highest = directions.new_full((batch,), -torch.inf)
        total = directions.new_zeros(batch)
        for part in _parts(weight, plan):
            centres = part.centres(weight, directions.dtype)
            logits = _nearest(_logits(scaled, centres, part, inverse, plan), plan)[0]
            if plan.shift is not None:
                logits = logits.add_(plan.shift[part.start : part.stop])
            own.place(logits, part, logits_own)
            above = torch.maximum(highest, logits.amax(1))
            total.mul_(torch.exp(highest - above)).add_(logits.sub_(above[:, None]).exp_().sum(1))
            highest = above
        largest = highest.clone()
        plan.totals.maximum(largest)
        total.mul_(torch.exp(highest - largest))
        target = directions.new_zeros(batch).index_copy_(0, own.samples, logits_own)
        # one message for both sums: workers wait for each other once less
        both = torch.stack([total, target])
        plan.totals.total(both)
        normaliser = largest + both[0].log()
        ctx.save_for_backward(directions, lengths, weight, inverse, normaliser)
        ctx.own, ctx.plan = own, plan
        return normaliser - both[1]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, outer: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        directions, lengths, weight, inverse, normaliser = ctx.saved_tensors
        own, plan = ctx.own, ctx.plan
        scaled = directions * lengths[:, None]
        logits_own = lengths[own.samples] * own.value
        toward = torch.zeros_like(directions)
        stretch = torch.zeros_like(lengths) if ctx.needs_input_grad[1] else None
        collector = _Collector.of(weight, plan) if ctx.needs_input_grad[2] or plan.update else None
        for part in _parts(weight, plan):
            centres = part.centres(weight, directions.dtype)
            every = _logits(scaled, centres, part, inverse, plan, known=True)
            logits, chosen = _nearest(every, plan)
            pull = torch.sub(logits, normaliser[:, None])
            if plan.shift is not None:
                pull.add_(plan.shift[part.start : part.stop])
            samples, columns, mine = own.within(part)
            pull[samples, columns] = logits_own[mine] - normaliser[samples]
            pull.exp_()
            pull[samples, columns] -= 1
            pull.mul_(outer[:, None])
            if stretch is not None:
                stretch.add_(_stretched(pull, logits, lengths, samples, columns, own.value[mine]))
            pull[samples, columns] *= own.slope[mine]
            pull = _spread(pull, chosen, plan)
            if plan.margin.unit_centres:
                pull.mul_(inverse[part.row_start : part.row_stop])
            toward.addmm_(pull, centres)
            if collector is not None:
                collector.take(part, centres, pull, every, scaled, inverse)
        gradient = collector.finish(weight) if collector is not None else None
        return toward.mul_(lengths[:, None]), stretch, gradient, None, None


@dataclass(frozen=True, slots=True)
class _Part:
    """Classes start:stop of those compared, and the rows of the weight where they stand."""

    start: int
    stop: int
    row_start: int
    row_stop: int
    rows: slice | Tensor

    def centres(self, weight: Tensor, dtype: torch.dtype) -> Tensor:
        """Take the rows (d columns each); a view where nothing was sampled and the dtype fits."""
        taken = weight[self.rows] if isinstance(self.rows, slice) else weight.index_select(0, self.rows)
        return taken.to(dtype)


def _compared(weight: Tensor, plan: Plan) -> int:
    return len(weight) // plan.margin.sub_centres if plan.classes is None else len(plan.classes)


def _parts(weight: Tensor, plan: Plan) -> Iterator[_Part]:
    compared, width = _compared(weight, plan), plan.margin.sub_centres
    for start in range(0, compared, plan.chunk):
        stop = min(start + plan.chunk, compared)
        rows: slice | Tensor = slice(start * width, stop * width)
        if plan.classes is not None:
            rows = plan.classes[start:stop]
            if width > 1:
                rows = (rows[:, None] * width + torch.arange(width, device=rows.device)).flatten()
        yield _Part(start, stop, start * width, stop * width, rows)


def _logits(
    scaled: Tensor, centres: Tensor, part: _Part, inverse: Tensor, plan: Plan, *, known: bool = False
) -> Tensor:
    logits = scaled @ centres.T
    if not plan.margin.unit_centres:
        return logits
    here = inverse[part.row_start : part.row_stop]
    if not known:
        torch.linalg.vector_norm(centres, dim=1, out=here)
        inverse_lengths(here)
    return logits.mul_(here)


def _nearest(logits: Tensor, plan: Plan) -> tuple[Tensor, Tensor | None]:
    if plan.margin.sub_centres == 1:
        return logits, None
    best, chosen = logits.view(len(logits), -1, plan.margin.sub_centres).max(2)
    return best, chosen


def _spread(pull: Tensor, chosen: Tensor | None, plan: Plan) -> Tensor:
    if chosen is None:
        return pull
    spread = pull.new_zeros(*pull.shape, plan.margin.sub_centres)
    return spread.scatter_(2, chosen[:, :, None], pull[:, :, None]).view(len(pull), -1)


def _stretched(
    pull: Tensor, logits: Tensor, lengths: Tensor, samples: Tensor, columns: Tensor, value: Tensor
) -> Tensor:
    """Give dL/d length: cosines weighted by the pull, psi in the target's place."""
    along = logits / lengths[:, None].clamp(min=LEAST_LENGTH)
    along[samples, columns] = value
    return along.mul_(pull).sum(1)


@dataclass(frozen=True, slots=True)
class _Own:
    """The samples whose target is held here: where it stands among the classes compared, psi and its slope."""

    samples: Tensor
    positions: Tensor
    value: Tensor
    slope: Tensor

    @classmethod
    def of(cls, directions: Tensor, weight: Tensor, targets: Tensor, plan: Plan) -> _Own:
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

    def within(self, part: _Part) -> tuple[Tensor, Tensor, Tensor]:
        """Those of one chunk: sample, column in the chunk, index into this table."""
        mine = ((self.positions >= part.start) & (self.positions < part.stop)).nonzero().flatten()
        return self.samples[mine], self.positions[mine] - part.start, mine

    def place(self, logits: Tensor, part: _Part, own: Tensor) -> None:
        samples, columns, mine = self.within(part)
        logits[samples, columns] = own[mine]


@dataclass(slots=True)
class _Collector:
    """Where the centres' gradient goes: into one array, or chunk by chunk into an optimiser."""

    plan: Plan
    gradient: Tensor | None

    @classmethod
    def of(cls, weight: Tensor, plan: Plan) -> _Collector:
        if plan.update is not None:
            plan.update.begin()
            return cls(plan, None)
        return cls(plan, weight.new_empty(_compared(weight, plan) * plan.margin.sub_centres, weight.shape[1]))

    def take(
        self, part: _Part, centres: Tensor, pull: Tensor, logits: Tensor, scaled: Tensor, inverse: Tensor
    ) -> None:
        """Form the gradient of one chunk; `pull` is already divided by the centres' lengths."""
        place = self._place(part, centres)
        torch.mm(pull.T, scaled, out=place)
        if self.plan.margin.unit_centres:
            # logits are dead after this: the product may overwrite them
            along = logits.mul_(pull).sum(0).mul_(inverse[part.row_start : part.row_stop])
            place.addcmul_(centres, along[:, None], value=-1)
        if self.plan.update is not None:
            self.plan.update.apply(part.rows, centres, place)
        elif self.gradient is not None and self.gradient.dtype != place.dtype:
            self.gradient[part.row_start : part.row_stop] = place

    def finish(self, weight: Tensor) -> Tensor | None:
        if self.plan.update is not None:
            self.plan.update.finish()
            return None
        if self.plan.classes is None:
            return self.gradient
        rows = torch.cat([torch.as_tensor(part.rows) for part in _parts(weight, self.plan)])
        return torch.sparse_coo_tensor(
            rows[None], self.gradient, weight.shape, is_coalesced=True, check_invariants=False
        )

    def _place(self, part: _Part, centres: Tensor) -> Tensor:
        if self.gradient is not None and self.gradient.dtype == centres.dtype:
            return self.gradient[part.row_start : part.row_stop]
        return torch.empty_like(centres)
