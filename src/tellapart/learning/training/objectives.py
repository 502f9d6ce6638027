"""From an objective's name to a module: loss = objective(features, labels)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from tellapart.errors import TellapartError
from tellapart.learning.centres.loss import EncoderGradients, ShardedSoftmax
from tellapart.learning.centres.sampling import Sampling
from tellapart.learning.centres.sgd import Sgd
from tellapart.learning.centres.workers import Workers
from tellapart.learning.losses import InfoNCE, MarginSoftmax, NTXent, SphereFace, TripletLoss
from tellapart.learning.objectives.contrastive import NT_XENT_SCALE, SCALE
from tellapart.learning.objectives.margins import (
    ArcFaceMargin,
    CombinedMargin,
    CosFaceMargin,
    Margin,
    NoMargin,
    ScaledCosine,
    SphereFaceMargin,
    SubCentres,
)
from tellapart.learning.training.options import Objective, TrainingOptions

COSINE_SCALE = 24.0
"""Near AdaCos' sqrt 2 ln(C - 1) at some thousand to ten million identities. Smaller ones were better on one
alphabet of Omniglot and not on another (docs/benchmarks/omniglot.md)."""

MARGINS = {Objective.ARCFACE: 0.3, Objective.COSFACE: 0.2, Objective.SPHEREFACE: 4}
"""Not tuned: below the papers' .5 and .35, which were set for millions of faces. SphereFace's own."""


def strength(options: TrainingOptions) -> dict[str, float | None]:
    """Say which scale and margin are in effect; None where the objective has none."""
    name = options.objective
    scales = {Objective.INFONCE: SCALE, Objective.NTXENT: NT_XENT_SCALE}
    scale: float | None = scales.get(name, COSINE_SCALE)
    if name in (Objective.SOFTMAX, Objective.SPHEREFACE, Objective.TRIPLET):
        scale = None
    elif options.scale is not None:
        scale = options.scale
    margin: float | None = MARGINS.get(name)
    if options.margin is not None and name in (*MARGINS, Objective.TRIPLET):
        margin = options.margin
    return {"scale": scale, "margin": margin}


def make_margin(options: TrainingOptions) -> Margin:
    """Build the margin of an objective with class centres."""
    name, found = options.objective, strength(options)
    scale, margin = found["scale"] or 0.0, found["margin"] or 0.0
    kinds: dict[Objective, Callable[[], Margin]] = {
        Objective.SOFTMAX: NoMargin,
        Objective.NORMFACE: lambda: ScaledCosine(scale),
        Objective.SPHEREFACE: lambda: SphereFaceMargin(int(margin)),
        Objective.COSFACE: lambda: CosFaceMargin(scale, margin),
        Objective.ARCFACE: lambda: ArcFaceMargin(scale, margin),
        Objective.COMBINED: lambda: CombinedMargin(scale),
    }
    made = kinds[name]()
    return made if options.sub_centres == 1 else SubCentres(made, options.sub_centres)


def make_objective(options: TrainingOptions, classes: int) -> nn.Module:
    """Build the objective of a run over so many identities."""
    name, found = options.objective, strength(options)
    if name is Objective.TRIPLET:
        return TripletLoss(found["margin"])
    if name in (Objective.INFONCE, Objective.NTXENT):
        assert found["scale"] is not None
        return (InfoNCE if name is Objective.INFONCE else NTXent)(found["scale"])
    smoothing, seed, width = options.label_smoothing, options.seed, options.sub_centres
    if name is Objective.SPHEREFACE:
        times = int(found["margin"] or 0)
        return SphereFace(
            classes, options.dim, margin=times, sub_centres=width, label_smoothing=smoothing, seed=seed
        )
    return MarginSoftmax(
        classes, options.dim, margin=make_margin(options), label_smoothing=smoothing, seed=seed
    )


def make_sharded_objective(
    options: TrainingOptions,
    classes: int,
    workers: Workers,
    *,
    sampling: Sampling,
    descent: Sgd,
    device: torch.device | str = "cpu",
) -> ShardedSoftmax:
    """Build the objective with centres spread over workers; the encoder's gradients are added up.

    Raises:
        TellapartError: The objective has no centres.
    """
    if not options.objective.has_centres:
        raise TellapartError(
            f"{options.objective} has no centres to spread over workers: give a margin softmax"
        )
    return ShardedSoftmax(
        classes,
        options.dim,
        margin=make_margin(options),
        workers=workers,
        sampling=sampling,
        descent=descent,
        encoder=EncoderGradients.SUMMED,
        seed=options.seed,
        device=device,
    )
