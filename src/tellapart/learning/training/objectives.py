"""From an objective's name to a module: loss = objective(features, labels)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tellapart.learning.objectives.contrastive import SCALE, info_nce
from tellapart.learning.objectives.margins import ArcFace, CosFace, Margin, NormFace, Softmax
from tellapart.learning.objectives.softmax import MarginHead
from tellapart.learning.objectives.triplets import batch_hard
from tellapart.learning.training.settings import Objective, Settings

COSINE_SCALE = 24.0
"""Our choice, near AdaCos' sqrt 2 ln(C - 1) at some thousand to ten million identities. Smaller ones were better on one
alphabet of Omniglot and not on another (docs/benchmarks/omniglot.md)."""

MARGINS = {Objective.ARCFACE: 0.3, Objective.COSFACE: 0.2}
"""Our choice, not tuned: below the papers' .5 and .35, which were set for millions of faces."""


class _Triplet(nn.Module):
    """Batch-hard with the soft margin, or with a hinge where a margin is given."""

    def __init__(self, margin: float | None) -> None:
        super().__init__()
        self.margin = margin

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        return batch_hard(features, labels, margin=self.margin)


class _InfoNce(nn.Module):
    """Every sample asks for the others of its identity in the batch; itself sits out."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        itself = torch.eye(len(labels), dtype=torch.bool)
        same = (labels[:, None] == labels[None, :]) & ~itself
        return info_nce(features, features, positives=same, ignore=itself, scale=self.scale)


def make_objective(settings: Settings, classes: int) -> nn.Module:
    """Build the objective of a run over so many identities; 0 for scale or margin means its default."""
    name = settings.objective
    if name is Objective.TRIPLET:
        return _Triplet(settings.margin or None)
    if name is Objective.INFONCE:
        return _InfoNce(settings.scale or SCALE)
    scale, margin = settings.scale or COSINE_SCALE, settings.margin or MARGINS.get(name, 0.0)
    kinds: dict[Objective, Margin] = {
        Objective.SOFTMAX: Softmax(),
        Objective.NORMFACE: NormFace(scale),
        Objective.COSFACE: CosFace(scale, margin),
        Objective.ARCFACE: ArcFace(scale, margin),
    }
    return MarginHead(classes, settings.dim, kinds[name], seed=settings.seed)
