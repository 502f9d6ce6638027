"""Networks by name: the small one and the whitening of this room, or any of timm's or torchvision's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tellapart.errors import TellapartError
from tellapart.learning.images.augmenting import ImageSamples

RIDGE = 0.3
"""Of the mean variance within identities, added to every variance; of .03, .1, .3 and 1 as good as any on yaleb_cropped
at 40 and 64 pixels."""

FLAT = 0.05
"""Added to the local deviation of the logarithms, so that noise on flat skin is not blown up to an edge.
Not tuned."""

MOST_IMAGES = 2_000
"""Images a map is fitted to: it takes ten seconds."""


class WhitenedPixels(nn.Module):
    """Even light, local contrast of 1, less the mean image, times a matrix (dim, pixels) that `fit` finds.

    Within-class covariance normalisation (Hatch, Kajarekar and Stolcke 2006): directions in which images of one
    identity vary count less. It has a closed form, so ten identities are enough to learn from, where a network learns
    these ten by heart (docs/benchmarks/faces.md).
    """

    def __init__(self, *, size: int, channels: int, dim: int) -> None:
        super().__init__()
        self.light = EvenLight()
        pixels = channels * size**2
        self.register_buffer("mean", torch.zeros(pixels))
        self.project = nn.Linear(pixels, min(dim, pixels), bias=False)

    def forward(self, images: Tensor) -> Tensor:
        """Take (n, channels, size, size), pixels of 0..1, give features (n, dim)."""
        features: Tensor = self.project(self._even(images) - self.mean)
        return features

    @torch.no_grad()
    def fit(self, samples: ImageSamples, *, seed: int = 0) -> None:
        """Find the map: whiten within identities, then keep the directions in which all images vary most.

        Fewer images than dimensions leave the last of them at 0.

        Raises:
            TellapartError: No identity has two images.
        """
        rows = np.sort(np.random.default_rng(seed).permutation(len(samples.labels))[:MOST_IMAGES])
        labels = torch.from_numpy(np.unique(samples.labels[rows], return_inverse=True)[1])
        counts = torch.bincount(labels).double()
        if counts.max() < 2:
            raise TellapartError(
                "--backbone whitened learns how images of one identity differ: give two of each"
            )
        pixels = self._even(samples.plain(rows)).double()
        mean = pixels.mean(dim=0)
        centred = pixels - mean
        means = torch.zeros(len(counts), pixels.shape[1], dtype=torch.float64).index_add_(0, labels, centred)
        _, lengths, directions = torch.linalg.svd(
            centred - (means / counts[:, None])[labels], full_matrices=False
        )
        variances = lengths**2 / len(rows)
        floor = RIDGE * variances.mean()
        outside = floor.rsqrt()  # the gain of directions in which no identity varied
        gains = (variances + floor).rsqrt() - outside

        def whitened(vectors: Tensor) -> Tensor:
            return vectors * outside + (vectors @ directions.T * gains) @ directions

        _, _, main = torch.linalg.svd(whitened(centred), full_matrices=False)
        kept = whitened(main[: self.project.out_features])
        self.project.weight.zero_()
        self.project.weight[: len(kept)] = kept.float()
        self.mean.copy_(mean)

    def _even(self, images: Tensor) -> Tensor:
        levels = self.light(images)
        return (levels / (EvenLight.around(levels**2).sqrt() + FLAT)).flatten(1)


SMALL, WHITENED = "small", "whitened"
MEAN, SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's pixels, which pretrained networks expect (torchvision's documentation)."""


@dataclass(frozen=True, slots=True)
class NetworkSpec:
    """What a network is made from; kept beside its weights, so that a later run can start from them.

    `backbone` is small, whitened (a closed form instead of steps), timm:NAME or torchvision:NAME; `even_light` and
    `width` are the small one's.
    """

    size: int
    channels: int
    dim: int
    backbone: str = SMALL
    width: int = 16
    dropout: float = 0.0
    even_light: bool = False
    pretrained: bool = False

    def record(self) -> dict[str, Any]:
        """Give plain values."""
        return asdict(self)

    def build(self, *, pretrained: bool | None = None) -> nn.Module:
        """Make the network: pixels (n, channels, size, size) of 0..1 to features (n, dim).

        Raises:
            TellapartError: There is no such network, the package is missing, or its weights cannot be had.
        """
        wanted = self.pretrained if pretrained is None else pretrained
        if self.backbone == WHITENED:
            return WhitenedPixels(size=self.size, channels=self.channels, dim=self.dim)
        if self.backbone == SMALL:
            if wanted:
                raise TellapartError(
                    "the small network has no pretrained weights: give --backbone timm:NAME or --start"
                )
            return ConvNet(
                size=self.size,
                channels=self.channels,
                dim=self.dim,
                width=self.width,
                dropout=self.dropout,
                even_light=self.even_light,
            )
        if self.even_light:
            raise TellapartError("--even-light belongs to the small network")
        family, _, name = self.backbone.partition(":")
        makers = {"timm": _timm, "torchvision": _torchvision}
        if family not in makers or not name:
            raise TellapartError(
                f"unknown backbone {self.backbone!r}: give small, whitened, timm:NAME or torchvision:NAME"
            )
        try:
            body = makers[family](name, pretrained=wanted)
        except ImportError as missing:
            raise TellapartError(
                f"--backbone {self.backbone} needs the package {family!r}: pip install {family}"
            ) from missing
        except TellapartError:
            raise
        except Exception as error:  # unknown names and failed downloads have many classes
            raise TellapartError(f"{self.backbone}: {str(error).splitlines()[0]}") from error
        return Headed(body, size=self.size, dim=self.dim, dropout=self.dropout)


class Headed(nn.Module):
    """A body that takes normalised colour images and gives features, and a linear layer to `dim`, batch norm."""

    def __init__(self, body: nn.Module, *, size: int, dim: int, dropout: float) -> None:
        super().__init__()
        self.body = body.eval()
        with torch.no_grad():
            width = body(torch.zeros(1, 3, size, size)).flatten(1).shape[1]
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1))
        self.register_buffer("spread", torch.tensor(SPREAD).view(1, 3, 1, 1))
        self.dropout = nn.Dropout(dropout)
        self.project = nn.Linear(width, dim, bias=False)
        self.project_norm = nn.BatchNorm1d(dim, affine=False)

    def forward(self, images: Tensor) -> Tensor:
        """Give features (n, dim); grey images (n, 1, h, w) count as colour."""
        images = images.expand(-1, 3, -1, -1)
        found = self.body((images - self.mean) / self.spread).flatten(1)
        features: Tensor = self.project_norm(self.project(self.dropout(found)))
        return features


def _timm(name: str, *, pretrained: bool) -> nn.Module:
    import timm

    made: nn.Module = timm.create_model(name, pretrained=pretrained, num_classes=0)
    return made


def _torchvision(name: str, *, pretrained: bool) -> nn.Module:
    import torchvision

    made: nn.Module = torchvision.models.get_model(name, weights="DEFAULT" if pretrained else None)
    for head in ("fc", "classifier", "heads", "head"):
        if hasattr(made, head):
            setattr(made, head, nn.Identity())
            return made
    raise TellapartError(f"torchvision:{name} has no head to replace: use timm:NAME")


SMALLEST_MAP = 4
"""The edge is halved while the map stays at least this large; what is left is flattened, not averaged: in
aligned faces and glyphs the place of a feature tells identities apart (ArcFace's head does the same)."""


NEIGHBOURS = 5
"""Edge of the neighbourhood whose light is taken out: of 5, 7, 9 and 13 the best MAP@R of yaleb_cropped's pixels,
40 to an edge (bench/faces.py)."""

DARKEST = 0.02
"""Added to pixels of 0..1 before the logarithm, five grey levels: what is darker is noise."""


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions around a short cut, the first of them halving the map."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, stride=2, padding=1, bias=False)
        self.first_norm = nn.BatchNorm2d(outputs)
        self.second = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.second_norm = nn.BatchNorm2d(outputs)
        self.short = nn.Conv2d(inputs, outputs, 1, stride=2, bias=False)
        self.short_norm = nn.BatchNorm2d(outputs)
        nn.init.zeros_(self.second_norm.weight)  # a block begins as its short cut (Goyal et al. 2017)

    def forward(self, maps: Tensor) -> Tensor:
        """Give (n, outputs, h / 2, w / 2)."""
        inner = torch.relu(self.first_norm(self.first(maps)))
        return torch.relu(self.second_norm(self.second(inner)) + self.short_norm(self.short(maps)))


class EvenLight(nn.Module):
    """The logarithm of each pixel less its mean over 5 x 5: light that changes slowly over the image cancels.

    An image is reflectance times light, so a difference of logarithms of neighbours holds the reflectance alone
    (retinex, Land and McCann 1971). What it does for faces: bench/faces.py.
    """

    def forward(self, images: Tensor) -> Tensor:
        """Take and give (n, c, h, w), pixels of 0..1."""
        levels = torch.log(images.clamp(min=0) + DARKEST)  # changed images may be darker than black
        return levels - self.around(levels)

    @staticmethod
    def around(levels: Tensor) -> Tensor:
        """Average each pixel's neighbourhood."""
        return nn.functional.avg_pool2d(
            levels, NEIGHBOURS, stride=1, padding=NEIGHBOURS // 2, count_include_pad=False
        )


class ConvNet(nn.Module):
    """Stem, residual blocks that halve the map and double the channels, one linear layer, batch norm.

    Takes (n, channels, size, size) with pixels of 0..1, gives (n, dim), not normalised.
    """

    def __init__(
        self,
        *,
        size: int,
        channels: int,
        dim: int,
        width: int,
        dropout: float = 0.0,
        even_light: bool = False,
    ) -> None:
        super().__init__()
        self.light = EvenLight() if even_light else nn.Identity()
        if size < 2 * SMALLEST_MAP:
            raise TellapartError(f"images of {size} pixels are too small: use at least {2 * SMALLEST_MAP}")
        self.size, self.channels, self.dim, self.width = size, channels, dim, width
        self.pixel_norm = nn.BatchNorm2d(channels, affine=False)
        self.stem = nn.Conv2d(channels, width, 3, padding=1, bias=False)
        self.stem_norm = nn.BatchNorm2d(width)
        edges = list(_edges(size))
        widths = [width * 2**level for level in range(len(edges))]
        self.blocks = nn.ModuleList(ResidualBlock(a, b) for a, b in pairwise(widths))
        self.dropout = nn.Dropout(dropout)
        self.project = nn.Linear(widths[-1] * edges[-1] ** 2, dim, bias=False)
        self.project_norm = nn.BatchNorm1d(dim, affine=False)
        self.to(
            memory_format=torch.channels_last
        )  # 1.3 times as fast in bfloat16 on one core (28 px, batch 96)

    def forward(self, images: Tensor) -> Tensor:
        """Give features (n, dim)."""
        maps = torch.relu(
            self.stem_norm(
                self.stem(self.pixel_norm(self.light(images.contiguous(memory_format=torch.channels_last))))
            )
        )
        for block in self.blocks:
            maps = block(maps)
        features: Tensor = self.project_norm(self.project(self.dropout(maps.flatten(1))))
        return features


def _edges(size: int) -> Iterator[int]:
    """Edge of the map before and after each block."""
    yield size
    while (size + 1) // 2 >= SMALLEST_MAP:
        size = (size + 1) // 2
        yield size
