"""Margin softmax over centres that are spread over workers."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import torch
from torch import Tensor, nn

from tellapart.errors import TellapartError
from tellapart.learning.centres.sampling import Sampling
from tellapart.learning.centres.sgd import Sgd
from tellapart.learning.centres.shard import Shard
from tellapart.learning.centres.workers import Workers
from tellapart.learning.objectives.chunked_softmax import softmax_losses
from tellapart.learning.objectives.margins import ArcFaceMargin, Margin
from tellapart.learning.objectives.plan import SoftmaxPlan, check_labels, chunk_for
from tellapart.learning.objectives.softmax import margin_free_logits
from tellapart.learning.objectives.vectors import inverse_lengths, unit


class EncoderGradients(StrEnum):
    """What the caller does with the encoders' gradients of all workers."""

    SUMMED = "summed"
    """They are added up: each worker's is that of the global mean loss."""
    AVERAGED = "averaged"
    """DistributedDataParallel divides the sum by the number of workers: it is multiplied by it here."""


def sharded_softmax(*arguments: Any, **options: Any) -> Tensor:  # noqa: ANN401 - those of sharded_losses
    """Mean cross-entropy over the global batch, the same number on every worker; all workers must call it.

    Arguments as in `sharded_losses`.
    """
    losses = sharded_losses(*arguments, **options)
    return losses.mean() if len(losses) else losses.sum()


def sharded_losses(
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
    """Cross-entropy of each sample of the global batch (B,), the same on every worker; all workers must call it.

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

    Raises:
        NotFiniteError: A feature holds NaN or infinity; rows count in the global batch, on every worker.
    """
    if shard.sub_centres != margin.sub_centres:
        raise TellapartError(
            f"the shard has {shard.sub_centres} sub-centres, {margin} asks for another number"
        )
    check_labels(labels, shard.classes)
    sizes = workers.sizes(len(features), features.device)
    everybody = sum(sizes)
    if not everybody:
        return features.sum(1) * 0
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
    plan = SoftmaxPlan(
        margin,
        chunk or chunk_for(features),
        workers,
        classes,
        shift,
        descent.over(shard) if descent else None,
    )
    return softmax_losses(features, shard.weight, targets, plan)


class ShardedSoftmax(nn.Module):
    """Margin softmax whose centres are spread over the workers of torch.distributed; alone it holds them all.

    Every worker calls it with its part of the batch and gets the mean loss of the whole batch.

    Args:
        classes: Identities over all workers.
        dim: Of the features.
        margin: What happens to the target's cosine.
        workers: Who shares the centres; None = the default process group, or this process alone.
        sampling: Share of the centres that takes part in a step; None = all.
        descent: Steps the centres inside backward(), chunk by chunk, so that their gradient is never held; call
            backward once. None: `shard.weight` is a parameter for any optimiser.
        encoder: How the encoder's gradients of all workers are put together; DistributedDataParallel averages.
        seed: Of the centres and the sampling.
        device: Where the centres are.
    """

    def __init__(
        self,
        classes: int,
        dim: int,
        *,
        margin: Margin | None = None,
        workers: Workers | None = None,
        sampling: Sampling | None = None,
        descent: Sgd | None = None,
        encoder: EncoderGradients = EncoderGradients.AVERAGED,
        seed: int = 0,
        device: torch.device | str = "cpu",
    ) -> None:
        super().__init__()
        self.margin = margin or ArcFaceMargin()
        self.workers = workers or Workers.present()
        self.sampling, self.descent, self.encoder = sampling, descent, encoder
        width = self.margin.sub_centres
        shard = Shard.drawn(
            classes,
            dim,
            self.workers,
            seed=seed,
            sub_centres=width,
            momentum=descent is not None,
            device=device,
        )
        self.take(shard)
        self.step = 0

    def take(self, shard: Shard) -> None:
        """Use these centres: those of a checkpoint."""
        if self.descent is None:
            self.centres = nn.Parameter(shard.weight)
            shard = Shard(self.centres, shard.momentum, shard.first, shard.classes, shard.sub_centres)
        self.shard = shard

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        """Give the mean loss of the whole batch; each call draws the next sample of centres."""
        losses = sharded_losses(
            features,
            labels,
            self.shard,
            self.margin,
            self.workers,
            sampling=self.sampling,
            step=self.step,
            descent=self.descent if torch.is_grad_enabled() else None,
            encoder=self.encoder,
        )
        if self.training and torch.is_grad_enabled():
            self.step += 1
        return losses.mean() if len(losses) else losses.sum()

    def logits(self, features: Tensor) -> Tensor:
        """Give scaled cosines to the centres held here (B, held), without the margin."""
        return margin_free_logits(features, self.shard.weight, self.margin)

    def predict(self, features: Tensor) -> Tensor:
        """Give the nearest class by cosine (B,), over all workers; the same features everywhere."""
        return nearest_classes(features, self.shard, self.workers)


@torch.no_grad()
def nearest_classes(features: Tensor, shard: Shard, workers: Workers) -> Tensor:
    """Class of the nearest centre by cosine, (n,) int64, ties to the lower class; the same n features everywhere."""
    directions = unit(features.float())
    best = directions.new_full((len(features),), -torch.inf)
    chosen = torch.zeros(len(features), dtype=torch.int64, device=features.device)
    rows = chunk_for(features)
    for start in range(0, len(shard.weight), rows):
        centres = shard.weight[start : start + rows].float()
        scores = (directions @ centres.T).mul_(inverse_lengths(centres.norm(dim=1)))
        value, column = scores.max(1)
        better = value > best
        best = torch.where(better, value, best)
        chosen = torch.where(better, (column + start) // shard.sub_centres + shard.first, chosen)
    sizes = (len(features),) * workers.count
    everybody = workers.gather(best, sizes).view(workers.count, -1)
    classes = workers.gather(chosen, sizes).view(workers.count, -1)
    return classes.gather(0, everybody.max(0).indices[None])[0]
