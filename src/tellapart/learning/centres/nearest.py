"""The nearest class of a vector, over centres that are spread over workers."""

from __future__ import annotations

import torch
from torch import Tensor

from tellapart.learning.centres.shard import Shard
from tellapart.learning.centres.workers import Workers
from tellapart.learning.objectives.plan import chunk_for
from tellapart.learning.objectives.vectors import inverse_lengths, unit


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
