"""Random changes that leave an identity what it is, on whole batches."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tellapart.learning.images.reading import LabelledImages


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How far images are changed; each image draws its own amounts, 0 = never.

    `turn` degrees, `zoom` share, `shear` slope and `shift` share of the edge bound an affine map; `bend` is the
    deviation of a smooth displacement, as a share of the edge; `erase` the chance that a rectangle of up to a
    third of each edge is set to the image's mean; `flip` the chance of a mirror image; `light` bounds a
    change of contrast and brightness; `slope` that of a light that falls off over the image, as an exponent of 10
    from edge to edge.
    """

    turn: float = 10.0
    zoom: float = 0.15
    shear: float = 0.1
    shift: float = 0.08
    bend: float = 0.02
    erase: float = 0.25
    flip: float = 0.0
    light: float = 0.2
    slope: float = 0.0

    def apply(self, images: Tensor, draw: torch.Generator) -> Tensor:
        """Change images (n, c, h, w) float; `draw` decides everything."""
        places = self._affine(len(images), draw)
        grid = torch.nn.functional.affine_grid(places, list(images.shape), align_corners=False)
        if self.bend:
            grid = grid + self._bent(images, draw)
        changed = torch.nn.functional.grid_sample(
            images, grid, padding_mode="border", align_corners=False, mode="bilinear"
        )
        if self.slope:
            changed = changed * self._falling(changed, draw)
        if self.light:
            gain = 1 + self.light * _between(len(images), draw)
            offset = self.light / 2 * _between(len(images), draw)
            changed = changed * gain[:, None, None, None] + offset[:, None, None, None]
        return self._erased(changed, draw) if self.erase else changed

    def _affine(self, count: int, draw: torch.Generator) -> Tensor:
        """Where each pixel comes from: (n, 2, 3)."""
        angle = math.radians(self.turn) * _between(count, draw)
        across, down = (torch.exp(self.zoom * _between(count, draw)) for _ in range(2))
        slope = self.shear * _between(count, draw)
        mirror = 1 - 2 * (torch.rand(count, generator=draw) < self.flip).float()
        cosine, sine = torch.cos(angle), torch.sin(angle)
        # edges are 2 long in these coordinates
        dx, dy = (2 * self.shift * _between(count, draw) for _ in range(2))
        first = torch.stack([across * cosine * mirror, slope - sine * down, dx], dim=1)
        second = torch.stack([across * sine * mirror, down * cosine, dy], dim=1)
        return torch.stack([first, second], dim=1)

    def _bent(self, images: Tensor, draw: torch.Generator) -> Tensor:
        """Draw a smooth displacement of each pixel: 5 x 5 random vectors, interpolated (n, h, w, 2)."""
        knots = 2 * self.bend * torch.randn(len(images), 2, 5, 5, generator=draw)
        smooth = torch.nn.functional.interpolate(
            knots, size=images.shape[2:], mode="bicubic", align_corners=True
        )
        return smooth.permute(0, 2, 3, 1)

    def _falling(self, images: Tensor, draw: torch.Generator) -> Tensor:
        """Draw light from one side: 10 to the power of a ramp in a random direction (n, 1, h, w)."""
        count, _, height, width = images.shape
        across, down = (self.slope * _between(count, draw) for _ in range(2))
        x, y = torch.linspace(-0.5, 0.5, width), torch.linspace(-0.5, 0.5, height)
        ramp = across[:, None, None] * x[None, None, :] + down[:, None, None] * y[None, :, None]
        return torch.pow(10.0, ramp)[:, None]

    def _erased(self, images: Tensor, draw: torch.Generator) -> Tensor:
        count, _, height, width = images.shape
        chosen = torch.rand(count, generator=draw) < self.erase
        inside = []
        for edge in (height, width):
            length = torch.rand(count, generator=draw) * edge / 3
            start = torch.rand(count, generator=draw) * (edge - length)
            place = torch.arange(edge)[None, :]
            inside.append((place >= start[:, None]) & (place < (start + length)[:, None]))
        hole = inside[0][:, None, :, None] & inside[1][:, None, None, :] & chosen[:, None, None, None]
        return torch.where(hole, images.mean(dim=(1, 2, 3), keepdim=True), images)


def _between(count: int, draw: torch.Generator) -> Tensor:
    return 2 * torch.rand(count, generator=draw) - 1


@dataclass(frozen=True, slots=True)
class ImageSamples:
    """Images with the changes that are made to them in training."""

    data: LabelledImages
    augmentation: Augmentation

    @property
    def labels(self) -> NDArray[np.int64]:
        """Identity of each image."""
        return self.data.labels

    @property
    def sources(self) -> tuple[str, ...]:
        """What each image is called."""
        return self.data.sources

    def training(self, rows: NDArray[np.int64], draw: torch.Generator) -> Tensor:
        """Give some images, changed at random."""
        return self.augmentation.apply(self.plain(rows), draw)

    def plain(self, rows: NDArray[np.int64]) -> Tensor:
        """Give some images (n, c, h, w), pixels of 0..1."""
        images = torch.from_numpy(self.data.images[rows]).permute(0, 3, 1, 2)
        return images.float() / 255

    def digest(self) -> str:
        """Hash images and labels."""
        return self.data.digest()
