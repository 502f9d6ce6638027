"""Losses, class centres over many workers, and the training of encoders (extra `train`).

Names are imported when they are first used, so that `import tellapart.learning` loads no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tellapart.errors import require
from tellapart.public import lazily

if TYPE_CHECKING:
    from tellapart.learning.centres.loss import EncoderGradients as EncoderGradients
    from tellapart.learning.centres.loss import ShardedSoftmax as ShardedSoftmax
    from tellapart.learning.centres.loss import sharded_softmax as sharded_softmax
    from tellapart.learning.centres.sgd import Sgd as Sgd
    from tellapart.learning.images.train import train_encoder as train_encoder
    from tellapart.learning.losses import ArcFace as ArcFace
    from tellapart.learning.losses import Combined as Combined
    from tellapart.learning.losses import CosFace as CosFace
    from tellapart.learning.losses import InfoNCE as InfoNCE
    from tellapart.learning.losses import MarginSoftmax as MarginSoftmax
    from tellapart.learning.losses import NormFace as NormFace
    from tellapart.learning.losses import NTXent as NTXent
    from tellapart.learning.losses import Softmax as Softmax
    from tellapart.learning.losses import SphereFace as SphereFace
    from tellapart.learning.losses import TripletLoss as TripletLoss
    from tellapart.learning.objectives.contrastive import Several as Several
    from tellapart.learning.objectives.contrastive import equal_mask as equal_mask
    from tellapart.learning.objectives.contrastive import info_nce as info_nce
    from tellapart.learning.objectives.contrastive import nt_xent as nt_xent
    from tellapart.learning.objectives.margins import ArcFaceMargin as ArcFaceMargin
    from tellapart.learning.objectives.margins import CombinedMargin as CombinedMargin
    from tellapart.learning.objectives.margins import CosFaceMargin as CosFaceMargin
    from tellapart.learning.objectives.margins import Gradient as Gradient
    from tellapart.learning.objectives.margins import NoMargin as NoMargin
    from tellapart.learning.objectives.margins import ScaledCosine as ScaledCosine
    from tellapart.learning.objectives.margins import SphereFaceMargin as SphereFaceMargin
    from tellapart.learning.objectives.margins import SubCentres as SubCentres
    from tellapart.learning.objectives.matryoshka import Matryoshka as Matryoshka
    from tellapart.learning.objectives.softmax import margin_softmax as margin_softmax
    from tellapart.learning.objectives.triplets import batch_all as batch_all
    from tellapart.learning.objectives.triplets import batch_hard as batch_hard
    from tellapart.learning.objectives.triplets import semi_hard as semi_hard
    from tellapart.learning.training.options import TrainingOptions as TrainingOptions

__getattr__, __dir__, __all__ = lazily(__name__, first=lambda: require("torch", extra="train"))
