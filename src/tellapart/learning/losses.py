"""Losses as modules for any training loop: `loss = ArcFace(classes, dim)(features, labels)`.

All compute in float32 at least, also inside autocast, and refuse NaN and infinity with the sample's index. Losses
with class centres also give `logits` (B, classes), without the margin, and `predict` (B,).
"""

from __future__ import annotations

from enum import StrEnum

import torch
from torch import Tensor, nn

from tellapart.errors import TellapartError
from tellapart.learning.objectives.contrastive import (
    NT_XENT_SCALE,
    SCALE,
    Several,
    info_nce,
    nt_xent,
    within_batch,
)
from tellapart.learning.objectives.margins import (
    ArcFaceMargin,
    CombinedMargin,
    CosFaceMargin,
    Gradient,
    Margin,
    NoMargin,
    ScaledCosine,
    SphereFaceMargin,
    SubCentres,
)
from tellapart.learning.objectives.softmax import margin_free_logits, margin_softmax
from tellapart.learning.objectives.triplets import Average, batch_all, batch_hard, semi_hard
from tellapart.learning.objectives.vectors import Reduction, exact_products, unit


class MarginSoftmax(nn.Module):
    """Softmax over class centres under any margin; `centres` (classes * sub_centres, dim) is a parameter.

    Args:
        classes: Identities, numbered from 0.
        dim: Of the features.
        margin: What happens to the target's cosine.
        sub_centres: Centres for each class; the nearest one counts (Deng et al. 2020).
        reduction: mean, sum or none, as in `torch.nn.CrossEntropyLoss`.
        weight: (classes,) of the classes, as in `torch.nn.CrossEntropyLoss`.
        label_smoothing: Share of the target that is spread evenly over all classes, as there.
        seed: Of the centres.
    """

    def __init__(
        self,
        classes: int,
        dim: int,
        *,
        margin: Margin,
        sub_centres: int = 1,
        reduction: str = "mean",
        weight: Tensor | None = None,
        label_smoothing: float = 0.0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.margin = margin if sub_centres == 1 else SubCentres(margin, sub_centres)
        if label_smoothing and self.margin.sub_centres > 1:
            raise TellapartError("label smoothing needs one centre for each class: give sub_centres=1")
        if not 0 <= label_smoothing < 1:
            raise TellapartError(f"label smoothing {label_smoothing:g} lies outside 0 to below 1")
        if weight is not None and weight.shape != (classes,):
            raise TellapartError(
                f"weight is {tuple(weight.shape)}: give one number for each of {classes} classes"
            )
        self.reduction, self.label_smoothing = Reduction(reduction), label_smoothing
        self.register_buffer("weight", weight)
        draw = torch.Generator().manual_seed(seed)
        # unit length in expectation: a learning rate then means the same at every dim
        rows = torch.randn(classes * self.margin.sub_centres, dim, generator=draw) / dim**0.5
        self.centres = nn.Parameter(rows)

    @property
    def classes(self) -> int:
        """How many classes there are."""
        return len(self.centres) // self.margin.sub_centres

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        """Give the loss of features (B, dim) with labels (B,) int64.

        Raises:
            NotFiniteError: A feature holds NaN or infinity.
            TellapartError: Labels are no class numbers.
        """
        return margin_softmax(
            features,
            self.centres,
            labels,
            self.margin,
            reduction=self.reduction,
            weight=self.weight,
            label_smoothing=self.label_smoothing,
        )

    def logits(self, features: Tensor) -> Tensor:
        """Give scaled cosines (B, classes), without the margin."""
        return margin_free_logits(features, self.centres, self.margin)

    @torch.no_grad()
    def predict(self, features: Tensor) -> Tensor:
        """Give the class with the highest logit (B,)."""
        return self.logits(features).argmax(1)

    def extra_repr(self) -> str:
        """Say what it is in print(model)."""
        return f"{self.classes}, {self.centres.shape[1]}, margin={self.margin}"


class Softmax(MarginSoftmax):
    """Plain softmax: x . w, nothing normalised; the usual classifier without bias."""

    def __init__(self, classes: int, dim: int, **options: object) -> None:
        super().__init__(classes, dim, margin=NoMargin(), **options)  # type: ignore[arg-type]


class NormFace(MarginSoftmax):
    """s cos th (Wang et al. 2017)."""

    def __init__(self, classes: int, dim: int, *, scale: float = 64.0, **options: object) -> None:
        super().__init__(classes, dim, margin=ScaledCosine(scale), **options)  # type: ignore[arg-type]


class CosFace(MarginSoftmax):
    """s (cos th - m) at the target (Wang et al. 2018)."""

    def __init__(
        self, classes: int, dim: int, *, scale: float = 64.0, margin: float = 0.35, **options: object
    ) -> None:
        super().__init__(classes, dim, margin=CosFaceMargin(scale, margin), **options)  # type: ignore[arg-type]


class ArcFace(MarginSoftmax):
    """s cos(th + m) at the target, m in radians (Deng et al. 2019).

    `gradient="detached"` takes the margin as a constant in the backward pass, as insightface's code does; the loss is
    the same. See `ArcFaceMargin` for what happens beyond pi - m.
    """

    def __init__(
        self,
        classes: int,
        dim: int,
        *,
        scale: float = 64.0,
        margin: float = 0.5,
        gradient: str = "exact",
        **options: object,
    ) -> None:
        kind = ArcFaceMargin(scale, margin, Gradient(gradient))
        super().__init__(classes, dim, margin=kind, **options)  # type: ignore[arg-type]


class Combined(MarginSoftmax):
    """s (cos(m1 th + m2) - m3) at the target (Deng et al. 2019, section 2.3)."""

    def __init__(
        self,
        classes: int,
        dim: int,
        *,
        scale: float = 64.0,
        margins: tuple[float, float, float] = (1.0, 0.3, 0.2),
        **options: object,
    ) -> None:
        super().__init__(classes, dim, margin=CombinedMargin(scale, *margins), **options)  # type: ignore[arg-type]


class SphereFace(MarginSoftmax):
    """|x| psi(th) at the target, annealed by the authors' schedule with each training step (Liu et al. 2017)."""

    def __init__(self, classes: int, dim: int, *, margin: int = 4, **options: object) -> None:
        super().__init__(classes, dim, margin=SphereFaceMargin(margin), **options)  # type: ignore[arg-type]
        self._multiplier = SphereFaceMargin(margin)
        self._width = self.margin.sub_centres
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        """Give the loss at the present step of the schedule; a training step moves it on."""
        assert isinstance(self.steps, Tensor)
        annealed = self._multiplier.annealed(int(self.steps))
        self.margin = annealed if self._width == 1 else SubCentres(annealed, self._width)
        if self.training and torch.is_grad_enabled():
            self.steps += 1
        return super().forward(features, labels)


class Mining(StrEnum):
    """Which triplets of a batch count."""

    BATCH_HARD = "batch-hard"
    BATCH_ALL = "batch-all"
    SEMI_HARD = "semi-hard"


class TripletLoss(nn.Module):
    """Triplets of a batch: batch-hard and batch-all (Hermans et al. 2017), semi-hard (FaceNet).

    Args:
        margin: Between distances; None = the soft margin (not with semi-hard: .2).
        mining: batch-hard, batch-all or semi-hard.
        reduction: mean, sum or none; batch-all knows the mean only.
    """

    def __init__(
        self, margin: float | None = None, *, mining: str = "batch-hard", reduction: str = "mean"
    ) -> None:
        super().__init__()
        self.margin, self.mining, self.reduction = margin, Mining(mining), Reduction(reduction)
        if self.mining is Mining.BATCH_ALL and self.reduction is not Reduction.MEAN:
            raise TellapartError("batch-all gives the mean over its triplets only: reduction='mean'")

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        """Give the loss of features (B, dim) with labels (B,); 0 where a batch has no triplet."""
        if self.mining is Mining.BATCH_HARD:
            return batch_hard(features, labels, margin=self.margin, reduction=self.reduction)
        if self.mining is Mining.BATCH_ALL:
            return batch_all(features, labels, margin=self.margin, average=Average.VIOLATING)
        given = {} if self.margin is None else {"margin": self.margin}
        return semi_hard(features, labels, reduction=self.reduction, **given)


class InfoNCE(nn.Module):
    """-log softmax(scale x cosine) at the positives, among the batch.

    `loss(features, labels)` takes samples with the same label as positives (supervised contrastive); `loss.pairs(
    queries, documents)` takes row i of both as a pair (multiple negatives ranking).
    """

    def __init__(
        self,
        scale: float = SCALE,
        *,
        several: str = "outside",
        symmetric: bool = False,
        reduction: str = "mean",
    ) -> None:
        super().__init__()
        self.scale, self.several = scale, Several(several)
        self.symmetric, self.reduction = symmetric, Reduction(reduction)

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        """Give the loss of features (B, dim) with labels (B,)."""
        return within_batch(
            features, labels, scale=self.scale, several=self.several, reduction=self.reduction
        )

    def pairs(
        self,
        queries: Tensor,
        candidates: Tensor,
        *,
        positives: Tensor | None = None,
        ignore: Tensor | None = None,
    ) -> Tensor:
        """Give the loss of queries (n, dim) among candidates (m, dim); arguments as in `info_nce`."""
        return info_nce(
            queries,
            candidates,
            positives=positives,
            ignore=ignore,
            scale=self.scale,
            several=self.several,
            symmetric=self.symmetric,
            reduction=self.reduction,
        )

    def logits(self, queries: Tensor, candidates: Tensor) -> Tensor:
        """Give scaled cosines (n, m)."""
        with exact_products(queries.device):
            return unit(queries.float()) @ unit(candidates.float()).T * self.scale

    @torch.no_grad()
    def predict(self, queries: Tensor, candidates: Tensor) -> Tensor:
        """Give the nearest candidate of each query (n,)."""
        return self.logits(queries, candidates).argmax(1)


class NTXent(InfoNCE):
    """Two views of each sample, without labels (SimCLR): `loss.pairs(first, second)`.

    `loss(features, labels)` is the same where the two views of a sample share a label of their own.
    """

    def __init__(self, scale: float = NT_XENT_SCALE, *, reduction: str = "mean") -> None:
        super().__init__(scale, reduction=reduction)

    def pairs(
        self,
        queries: Tensor,
        candidates: Tensor,
        *,
        positives: Tensor | None = None,
        ignore: Tensor | None = None,
    ) -> Tensor:
        """Give the loss of two views (n, dim) of n samples, each among 2n - 1 others."""
        if positives is not None or ignore is not None:
            raise TellapartError("NT-Xent pairs row i with row i and masks nothing: use InfoNCE")
        return nt_xent(queries, candidates, scale=self.scale, reduction=self.reduction)
