"""Losses, class centres over many workers, and the training of encoders (extra `train`).

Names are imported when they are first used, so that `import tellapart.learning` loads no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tellapart.errors import require

if TYPE_CHECKING:
    from tellapart.learning.centres.loss import ShardedSoftmax
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

__all__ = [
    "ArcFace",
    "Combined",
    "CosFace",
    "InfoNCE",
    "MarginSoftmax",
    "NTXent",
    "NormFace",
    "ShardedSoftmax",
    "Softmax",
    "SphereFace",
    "TripletLoss",
    "train_encoder",
]

_PLACES = dict.fromkeys(__all__, "tellapart.learning.losses") | {
    "ShardedSoftmax": "tellapart.learning.centres.loss",
    "train_encoder": "tellapart.learning.images.train",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    require("torch", extra="train")
    return getattr(import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
