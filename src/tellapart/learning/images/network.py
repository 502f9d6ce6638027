"""A small residual conv net for images of 28 to 112 pixels."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import Tensor, nn

from tellapart.errors import TellapartError

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
