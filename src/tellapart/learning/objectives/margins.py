"""Margins on the softmax: what becomes of the cosine between a feature and the centre of its own class.

A logit is `length * cosine`, where length is a fixed scale or the feature's own. A margin replaces the cosine c
of the target by psi(c) and knows d psi / d c in closed form, for two gradients that are both in use:

* exact: the derivative of the formula. For ArcFace cos m + sin m c / sin th, steep as the angle th goes to 0.
* detached: the margin counts as a constant, the derivative is 1. The loss is the same, the steps are not.

All angles are radians.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Protocol

import torch
from torch import Tensor

from tellapart.errors import TellapartError

STEEPEST = 2.331122
"""Where cos p + p sin p falls below 1: an angular offset p beyond it would not be monotone (computed)."""


class Gradient(StrEnum):
    """Whose derivative the backward pass takes."""

    EXACT = "exact"
    DETACHED = "detached"


@dataclass(frozen=True, slots=True)
class TargetLogit:
    """psi(c) and d psi / d c of the target cosines, float tensors of one shape."""

    value: Tensor
    slope: Tensor


class Margin(Protocol):
    """How logits come from cosines.

    `scale` None means the feature's own length. `unit_centres` says whether centres count by direction only,
    `sub_centres` how many consecutive rows of the weight belong to one class (the nearest one speaks).
    """

    @property
    def scale(self) -> float | None: ...  # noqa: D102

    @property
    def unit_centres(self) -> bool: ...  # noqa: D102

    @property
    def sub_centres(self) -> int: ...  # noqa: D102

    def target(self, cosines: Tensor) -> TargetLogit:
        """Apply the margin to cosines of targets (float32 or float64)."""


class _Single:
    __slots__ = ()
    unit_centres: ClassVar[bool] = True
    sub_centres: ClassVar[int] = 1


@dataclass(frozen=True, slots=True)
class NoMargin(_Single):
    """Plain softmax: the logit is the inner product x . w; no margin, nothing normalised."""

    scale: ClassVar[None] = None
    unit_centres: ClassVar[bool] = False

    def target(self, cosines: Tensor) -> TargetLogit:
        """Leave the target as it is."""
        return TargetLogit(cosines, torch.ones_like(cosines))


@dataclass(frozen=True, slots=True)
class ScaledCosine(_Single):
    """Scaled cosine: s c (Wang et al. 2017, NormFace)."""

    scale: float = 64.0

    def __post_init__(self) -> None:
        _positive("scale", self.scale)

    @classmethod
    def reaching(cls, probability: float, classes: int) -> ScaledCosine:
        """Take the least scale at which `probability` can be reached: s = (C-1)/C ln((C-1) P / (1-P))."""
        if classes < 2 or not 0 < probability < 1:
            raise TellapartError(f"need 0 < probability < 1 and 2 classes, not {probability:g} and {classes}")
        odds = (classes - 1) * probability / (1 - probability)
        return cls((classes - 1) / classes * math.log(odds))

    def target(self, cosines: Tensor) -> TargetLogit:
        """Leave the target as it is."""
        return TargetLogit(cosines, torch.ones_like(cosines))


@dataclass(frozen=True, slots=True)
class CosFaceMargin(_Single):
    """Additive cosine margin: s (c - m) (Wang et al. 2018, CosFace; AM-softmax)."""

    scale: float = 64.0
    margin: float = 0.35

    def __post_init__(self) -> None:
        _positive("scale", self.scale)
        _between("margin", self.margin, 0, 1)

    def target(self, cosines: Tensor) -> TargetLogit:
        """Subtract the margin."""
        return TargetLogit(cosines - self.margin, torch.ones_like(cosines))


@dataclass(frozen=True, slots=True)
class CombinedMargin(_Single):
    """s (cos(m1 th + m2) - m3) (Deng et al. 2019, ArcFace, section 2.3).

    Beyond the angle E = (pi - m2) / m1, where the cosine would rise again, psi = c - p sin p - m3 with
    p = pi - E; for m1 = 1 that is ArcFace's own c - m sin m. The value jumps down there, it never rises.
    """

    scale: float = 64.0
    multiplier: float = 1.0
    angle: float = 0.3
    cosine: float = 0.2
    gradient: Gradient = Gradient.EXACT

    def __post_init__(self) -> None:
        _positive("scale", self.scale)
        _positive("multiplier", self.multiplier)
        _between("angle", self.angle, 0, math.pi / 2)
        _between("cosine", self.cosine, 0, 1)
        if self._offset > STEEPEST:
            raise TellapartError(
                f"multiplier {self.multiplier:g} with angle {self.angle:g} is not monotone: use SphereFace"
            )

    @property
    def _offset(self) -> float:
        return math.pi - min(math.pi, (math.pi - self.angle) / self.multiplier)

    def target(self, cosines: Tensor) -> TargetLogit:
        """Multiply and shift the angle, then lower the cosine."""
        return _angular(cosines, self.multiplier, self.angle, self.cosine, self.gradient, self._offset)


@dataclass(frozen=True, slots=True)
class ArcFaceMargin(_Single):
    """Additive angular margin: s cos(th + m) while th <= pi - m, else s (c - m sin m) (Deng et al. 2019).

    The value jumps from -1 to -cos m - m sin m at pi - m: it goes on falling but is not continuous.
    """

    scale: float = 64.0
    margin: float = 0.5
    gradient: Gradient = Gradient.EXACT

    def __post_init__(self) -> None:
        _positive("scale", self.scale)
        _between("margin", self.margin, 0, math.pi / 2)

    def target(self, cosines: Tensor) -> TargetLogit:
        """Add the margin to the angle."""
        return _angular(cosines, 1.0, self.margin, 0.0, self.gradient, self.margin)


@dataclass(frozen=True, slots=True)
class SphereFaceMargin(_Single):
    """Multiplicative angular margin: |x| (l c + psi) / (1 + l), psi = (-1)^j cos(m th) - 2j (Liu et al. 2017).

    Centres are normalised, features are not. `annealing` is l: start with `annealed(0)` and lower it as training
    goes, otherwise m = 4 does not converge.
    """

    margin: int = 4
    annealing: float = 5.0
    gradient: Gradient = Gradient.EXACT
    scale: ClassVar[None] = None

    def __post_init__(self) -> None:
        if self.margin != int(self.margin) or self.margin < 1:
            raise TellapartError(f"SphereFace multiplies by a whole number from 1, not {self.margin:g}")
        if self.annealing < 0:
            raise TellapartError(f"annealing {self.annealing:g} is negative: use 0 for none")

    def annealed(self, step: int) -> SphereFaceMargin:
        """Give the margin of this step: l = max(5, 1000 / (1 + .12 step)), the authors' schedule."""
        return SphereFaceMargin(self.margin, max(5.0, 1000 / (1 + 0.12 * step)), self.gradient)

    def target(self, cosines: Tensor) -> TargetLogit:
        """Multiply the angle."""
        cosines = cosines.clamp(-1, 1)
        sines = _sines(cosines)
        angles = torch.atan2(sines, cosines) * self.margin
        turns = (angles / math.pi).floor().clamp(0, self.margin - 1)
        signs = 1 - 2 * (turns % 2)
        share = 1 / (1 + self.annealing)
        value = share * (self.annealing * cosines + signs * torch.cos(angles) - 2 * turns)
        if self.gradient is Gradient.DETACHED:
            return TargetLogit(value, torch.ones_like(value))
        slope = share * (self.annealing + signs * self.margin * torch.sin(angles) / sines)
        return TargetLogit(value, slope)


@dataclass(frozen=True, slots=True)
class SubCentres:
    """Several centres per class under any margin; the nearest one speaks (Deng et al. 2020, Sub-center ArcFace).

    The weight has `classes * sub_centres` rows, those of one class side by side.
    """

    margin: Margin
    sub_centres: int = 3

    def __post_init__(self) -> None:
        if self.sub_centres < 1 or self.margin.sub_centres != 1:
            raise TellapartError(
                f"{self.sub_centres} sub-centres around {self.margin}: give at least 1, and once"
            )

    @property
    def scale(self) -> float | None:
        """That of the margin."""
        return self.margin.scale

    @property
    def unit_centres(self) -> bool:
        """That of the margin."""
        return self.margin.unit_centres

    def target(self, cosines: Tensor) -> TargetLogit:
        """Apply the margin to the nearest sub-centre's cosine."""
        return self.margin.target(cosines)


def _angular(
    cosines: Tensor, multiplier: float, angle: float, lowered: float, gradient: Gradient, offset: float
) -> TargetLogit:
    cosines = cosines.clamp(-1, 1)
    sines = _sines(cosines)
    beyond = cosines < -math.cos(offset)
    if multiplier == 1:
        inside = cosines * math.cos(angle) - sines * math.sin(angle)
        turned = sines * math.cos(angle) + cosines * math.sin(angle)
    else:
        angles = torch.atan2(sines, cosines) * multiplier + angle
        inside, turned = torch.cos(angles), torch.sin(angles)
    value = torch.where(beyond, cosines - offset * math.sin(offset), inside) - lowered
    if gradient is Gradient.DETACHED:
        return TargetLogit(value, torch.ones_like(value))
    return TargetLogit(value, torch.where(beyond, torch.ones_like(value), multiplier * turned / sines))


def _sines(cosines: Tensor) -> Tensor:
    # at c = +-1 the root has an infinite derivative: the floor keeps slopes finite, 1,000 at most
    return (1 - cosines * cosines).clamp(min=1e-6).sqrt()


def _positive(name: str, value: float) -> None:
    if not 0 < value < math.inf:
        raise TellapartError(f"{name} {value:g} is not a positive number")


def _between(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise TellapartError(f"{name} {value:g} lies outside {low:g} to {high:g} (angles in radians)")
