"""Margin softmax over centres that are spread over workers."""

from __future__ import annotations

from enum import StrEnum

import torch
from torch import Tensor

from tellapart.errors import TellapartError
from tellapart.learning.centres.sampling import Sampling
from tellapart.learning.centres.sgd import Sgd
from tellapart.learning.centres.shard import Shard
from tellapart.learning.centres.workers import Workers
from tellapart.learning.objectives.chunked import chunked_losses
from tellapart.learning.objectives.margins import Margin
from tellapart.learning.objectives.plan import Plan, check_labels, chunk_for


class EncoderGradients(StrEnum):
    """What the caller does with the encoders' gradients of all workers."""

    SUMMED = "summed"
    """They are added up: each worker's is that of the global mean loss."""
    AVERAGED = "averaged"
    """DistributedDataParallel divides the sum by the number of workers: it is multiplied by it here."""


def sharded_softmax(
    features: Tensor,
    labels: Tensor,
    shard: Shard,
    margin: Margin,
    workers: Workers,
    *,
    sampling: Sampling | None = None,
    step: int = 0,
    descent: Sgd | None = None,
    encoder: EncoderGradients = EncoderGradients.SUMMED,
    chunk: int | None = None,
) -> Tensor:
    """Mean cross-entropy over the global batch, the same number on every worker; all workers must call it.

    Args:
        features: (b, d) of this worker; b may differ between workers and be 0.
        labels: (b,) int64 among all classes.
        shard: this worker's centres. Without `descent` their gradient goes to `shard.weight.grad` as usual
            (sparse where classes are sampled).
        margin: what happens to the target's cosine.
        workers: who else takes part.
        sampling: None for all classes.
        step: the number of the step, from which the sample is drawn.
        descent: steps the centres within backward(), chunk by chunk; call backward once.
        encoder: how the caller combines the gradients of the features.
        chunk: classes held at once; by default what fits the cache.
    """
    if shard.sub_centres != margin.sub_centres:
        raise TellapartError(
            f"the shard has {shard.sub_centres} sub-centres, {margin} asks for another number"
        )
    check_labels(labels, shard.classes)
    sizes = workers.sizes(len(features), features.device)
    everybody = sum(sizes)
    if not everybody:
        return features.sum() * 0
    factor = workers.count if encoder is EncoderGradients.AVERAGED else 1
    features = workers.gather(features, sizes, factor=factor)
    if descent and not features.requires_grad:
        # a fixed encoder needs no gradient, but the centres step within the backward pass
        features = features.detach().requires_grad_()
    targets = shard.local(workers.gather(labels, sizes))
    classes = shift = None
    if sampling is not None and sampling.rate < 1:
        positives = targets[targets >= 0].unique()
        sample = sampling.draw(positives, shard.held, rank=workers.rank, step=step)
        classes, shift = sample.classes, sample.shift
        targets = torch.where(targets >= 0, torch.searchsorted(classes, targets), -1)
    plan = Plan(
        margin,
        chunk or chunk_for(features),
        workers,
        classes,
        shift,
        descent.over(shard) if descent else None,
    )
    return chunked_losses(features, shard.weight, targets, plan).mean()
