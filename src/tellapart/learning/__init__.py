"""Losses, class centres over many workers, and the training of encoders (extra `train`).

Names are imported when they are first used, so that `import tellapart.learning` loads no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tellapart.errors import require
from tellapart.public import lazily

if TYPE_CHECKING:
    from tellapart.learning.centres.loss import ShardedSoftmax
    from tellapart.learning.centres.sgd import Sgd
    from tellapart.learning.images.train import train_encoder
    from tellapart.learning.losses import (
        ArcFace,
        Combined,
        CosFace,
        InfoNCE,
        MarginSoftmax,
        NormFace,
        NTXent,
        Softmax,
        SphereFace,
        TripletLoss,
    )
    from tellapart.learning.objectives.contrastive import Several, equal_mask, info_nce, nt_xent
    from tellapart.learning.objectives.margins import (
        ArcFaceMargin,
        CombinedMargin,
        CosFaceMargin,
        Gradient,
        NoMargin,
        ScaledCosine,
        SphereFaceMargin,
        SubCentres,
    )
    from tellapart.learning.objectives.matryoshka import Matryoshka
    from tellapart.learning.objectives.softmax import margin_softmax
    from tellapart.learning.objectives.triplets import batch_all, batch_hard, semi_hard

__all__ = [
    "ArcFace",
    "ArcFaceMargin",
    "Combined",
    "CombinedMargin",
    "CosFace",
    "CosFaceMargin",
    "Gradient",
    "InfoNCE",
    "MarginSoftmax",
    "Matryoshka",
    "NTXent",
    "NoMargin",
    "NormFace",
    "ScaledCosine",
    "Several",
    "Sgd",
    "ShardedSoftmax",
    "Softmax",
    "SphereFace",
    "SphereFaceMargin",
    "SubCentres",
    "TripletLoss",
    "batch_all",
    "batch_hard",
    "equal_mask",
    "info_nce",
    "margin_softmax",
    "nt_xent",
    "semi_hard",
    "train_encoder",
]

__getattr__ = lazily(
    __name__,
    {
        "tellapart.learning.centres.loss": ("ShardedSoftmax",),
        "tellapart.learning.centres.sgd": ("Sgd",),
        "tellapart.learning.images.train": ("train_encoder",),
        "tellapart.learning.losses": (
            "ArcFace",
            "Combined",
            "CosFace",
            "InfoNCE",
            "MarginSoftmax",
            "NTXent",
            "NormFace",
            "Softmax",
            "SphereFace",
            "TripletLoss",
        ),
        "tellapart.learning.objectives.contrastive": (
            "Several",
            "equal_mask",
            "info_nce",
            "nt_xent",
        ),
        "tellapart.learning.objectives.margins": (
            "ArcFaceMargin",
            "CombinedMargin",
            "CosFaceMargin",
            "Gradient",
            "NoMargin",
            "ScaledCosine",
            "SphereFaceMargin",
            "SubCentres",
        ),
        "tellapart.learning.objectives.matryoshka": ("Matryoshka",),
        "tellapart.learning.objectives.softmax": ("margin_softmax",),
        "tellapart.learning.objectives.triplets": (
            "batch_all",
            "batch_hard",
            "semi_hard",
        ),
    },
    first=lambda: require("torch", extra="train"),
)


def __dir__() -> list[str]:
    return __all__
