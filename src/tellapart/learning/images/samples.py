"""Labelled images as a network is fed them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tellapart.learning.images.augmenting import Augmentation
from tellapart.learning.images.reading import LabelledImages


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
