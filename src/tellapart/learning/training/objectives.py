"""From an objective's name to a module: loss = objective(features, labels)."""

from __future__ import annotations

from torch import nn

from tellapart.learning.losses import InfoNCE, MarginSoftmax, TripletLoss
from tellapart.learning.objectives.contrastive import SCALE
from tellapart.learning.objectives.margins import ArcFaceMargin, CosFaceMargin, Margin, NoMargin, ScaledCosine
from tellapart.learning.training.settings import Objective, Settings

COSINE_SCALE = 24.0
"""Our choice, near AdaCos' sqrt 2 ln(C - 1) at some thousand to ten million identities. Smaller ones were better on one
alphabet of Omniglot and not on another (docs/benchmarks/omniglot.md)."""

MARGINS = {Objective.ARCFACE: 0.3, Objective.COSFACE: 0.2}
"""Our choice, not tuned: below the papers' .5 and .35, which were set for millions of faces."""


def make_objective(settings: Settings, classes: int) -> nn.Module:
    """Build the objective of a run over so many identities; 0 for scale or margin means its default."""
    name = settings.objective
    if name is Objective.TRIPLET:
        return TripletLoss(settings.margin or None)
    if name is Objective.INFONCE:
        return InfoNCE(settings.scale or SCALE)
    scale, margin = settings.scale or COSINE_SCALE, settings.margin or MARGINS.get(name, 0.0)
    kinds: dict[Objective, Margin] = {
        Objective.SOFTMAX: NoMargin(),
        Objective.NORMFACE: ScaledCosine(scale),
        Objective.COSFACE: CosFaceMargin(scale, margin),
        Objective.ARCFACE: ArcFaceMargin(scale, margin),
    }
    return MarginSoftmax(classes, settings.dim, margin=kinds[name], seed=settings.seed)
