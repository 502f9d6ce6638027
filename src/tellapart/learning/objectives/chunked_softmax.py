"""Softmax over many classes without ever holding a batch x classes array.

The classes are walked in chunks, forward with a running maximum and sum (an online logsumexp), backward once more
with the logits computed anew; loss and gradients are those of the plain formula. Per chunk of n classes:

    z = (a xh) W' / |w|      logits before the margin; a = scale, or |x|
    H = g e^(z - lse)        dL/dz; at the target slope (p - 1) g, which carries the margin's derivative
    dxh += a (H / |w|) W     dW = (H / |w|)' (a xh) =: P, minus its part along w, w (w.P) / |w|^2

z, lse, the target's p - 1 and dxh are computed in `logit_dtype`, the rest in the working dtype: one step of
float32 at z = 64 is 3.8e-6 or more, which e^z makes a relative error of every probability, and a loss below it
would be noise.

The same code serves one process and a shard of the classes: `Totals` is where workers meet.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from tellapart.learning.objectives.chunk_buffers import ClassChunk, Collector, Own, Room, parts, rows_compared
from tellapart.learning.objectives.plan import SoftmaxPlan
from tellapart.learning.objectives.vectors import (
    LEAST_LENGTH,
    exact_products,
    inverse_lengths,
    logit_dtype,
    refuse_not_finite,
    unit,
    working_dtype,
)


def softmax_losses(features: Tensor, weight: Tensor, targets: Tensor, plan: SoftmaxPlan) -> Tensor:
    """Cross-entropy of each feature (B,), over all workers' classes.

    Args:
        features: (B, d), any float dtype; the margin says whether their length counts.
        weight: (rows, d), the centres held here; its gradient is dense, or sparse where classes were sampled.
        targets: (B,) int64, position of the target among the classes compared here, -1 where another has it.
        plan: the rest.

    Raises:
        NotFiniteError: A feature holds NaN or infinity.
    """
    refuse_not_finite(features, "features")
    dtype = working_dtype(features, weight)
    features = features.to(logit_dtype(dtype, features.device))
    if plan.shift is not None:
        plan = replace(plan, shift=plan.shift.to(features.dtype))
    scale = plan.margin.scale
    if scale is not None:
        directions = unit(features)
        lengths = directions.new_full((len(features),), scale)
    elif plan.margin.unit_centres:
        directions = unit(features)
        lengths = features.norm(dim=1)
    else:
        directions, lengths = features, features.new_ones(len(features))
    with exact_products(features.device):
        losses: Tensor = _ChunkedSoftmax.apply(directions, lengths, weight, targets, plan, dtype)
    return losses.to(dtype)


class _ChunkedSoftmax(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401
        directions: Tensor,
        lengths: Tensor,
        weight: Tensor,
        targets: Tensor,
        plan: SoftmaxPlan,
        dtype: torch.dtype,
    ) -> Tensor:
        scaled = directions * lengths[:, None]
        own = Own.of(directions, weight, targets, plan)
        logits_own = lengths[own.samples] * own.value
        inverse = directions.new_empty(rows_compared(weight, plan))
        room = Room.of(scaled, weight, plan, dtype)
        # the targets go first, the others are added to their e^0: what is far below them is not rounded away
        highest = torch.full_like(lengths, -torch.inf).index_copy_(0, own.samples, logits_own)
        total = torch.zeros_like(lengths).index_fill_(0, own.samples, 1)
        for part in parts(weight, plan):
            centres = room.widened(room.taken(weight, part))
            logits = _nearest(_logits(scaled, centres, part, inverse, plan, room), plan)[0]
            if plan.shift is not None:
                logits = logits.add_(plan.shift[part.start : part.stop])
            samples, columns, _ = own.within(part)
            logits[samples, columns] = -torch.inf
            above = torch.maximum(highest, logits.amax(1))
            total.mul_(torch.exp(highest - above)).add_(room.subtracted(logits, above).exp_().sum(1))
            highest = above
        largest = highest.clone()
        plan.totals.maximum(largest)
        total.mul_(torch.exp(highest - largest))
        target = torch.zeros_like(lengths).index_copy_(0, own.samples, logits_own)
        # one message for both sums: workers wait for each other once less
        both = torch.stack([total, target])
        plan.totals.total(both)
        normaliser = largest + both[0].log()
        ctx.save_for_backward(directions, lengths, weight, inverse, normaliser)
        ctx.own, ctx.plan, ctx.dtype = own, plan, dtype
        return normaliser - both[1]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, outer: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        with exact_products(outer.device):
            return _gradients(ctx, outer)


def _gradients(ctx: Any, outer: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
    """Gradients of directions, lengths and weight: the logits once more, chunk by chunk."""
    directions, lengths, weight, inverse, normaliser = ctx.saved_tensors
    own, plan, dtype = ctx.own, ctx.plan, ctx.dtype
    scaled = directions * lengths[:, None]
    narrow, outer = scaled.to(dtype), outer.to(dtype)
    missing = torch.expm1(lengths[own.samples] * own.value - normaliser[own.samples]).to(dtype)
    toward = torch.zeros_like(directions)
    stretch = torch.zeros_like(lengths) if ctx.needs_input_grad[1] else None
    room = Room.of(scaled, weight, plan, dtype)
    wanted = ctx.needs_input_grad[2] or plan.update
    collector = Collector.of(weight, plan, dtype) if wanted else None
    for part in parts(weight, plan):
        centres = room.taken(weight, part)
        wide = room.widened(centres)
        logits, chosen = _nearest(_logits(scaled, wide, part, inverse, plan, room, known=True), plan)
        shifted = logits if plan.shift is None else logits + plan.shift[part.start : part.stop]
        pull = room.subtracted(shifted, normaliser).exp_()
        samples, columns, mine = own.within(part)
        pull[samples, columns] = missing[mine]
        pull.mul_(outer[:, None])
        if stretch is not None:
            stretch.add_(_stretched(pull, logits, lengths, samples, columns, own.value[mine]))
        pull[samples, columns] *= own.slope[mine].to(dtype)
        pull = _spread(pull, chosen, plan)
        if plan.margin.unit_centres:
            pull.mul_(inverse[part.row_start : part.row_stop].to(dtype))
        # nearly all of it is along the feature and cancels, so that float32 would not do
        toward.addmm_(pull.to(toward.dtype), wide)
        if collector is not None:
            collector.take(part, centres, pull, narrow, inverse)
    gradient = collector.finish(weight) if collector is not None else None
    return toward.mul_(lengths[:, None]), stretch, gradient, None, None, None


def _logits(
    scaled: Tensor,
    centres: Tensor,
    part: ClassChunk,
    inverse: Tensor,
    plan: SoftmaxPlan,
    room: Room,
    *,
    known: bool = False,
) -> Tensor:
    logits = room.product(scaled, centres)
    if not plan.margin.unit_centres:
        return logits
    here = inverse[part.row_start : part.row_stop]
    if not known:
        torch.linalg.vector_norm(centres, dim=1, out=here)
        inverse_lengths(here)
    return logits.mul_(here)


def _nearest(logits: Tensor, plan: SoftmaxPlan) -> tuple[Tensor, Tensor | None]:
    if plan.margin.sub_centres == 1:
        return logits, None
    best, chosen = logits.view(len(logits), -1, plan.margin.sub_centres).max(2)
    return best, chosen


def _spread(pull: Tensor, chosen: Tensor | None, plan: SoftmaxPlan) -> Tensor:
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
