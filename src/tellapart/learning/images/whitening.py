"""An encoder of few identities without steps: pixels in even light, whitened by how images of one identity differ.

Within-class covariance normalisation (Hatch, Kajarekar and Stolcke 2006): directions in which images of one identity
vary count less. It has a closed form, so ten identities are enough to learn from, where a network learns these ten by
heart (docs/benchmarks/faces.md).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from tellapart.errors import TellapartError
from tellapart.learning.images.augmenting import ImageSamples
from tellapart.learning.images.network import EvenLight

RIDGE = 0.3
"""Of the mean variance within identities, added to every variance; of .03, .1, .3 and 1 as good as any on yaleb_cropped
at 40 and 64 pixels."""

FLAT = 0.05
"""Added to the local deviation of the logarithms, so that noise on flat skin is not blown up to an edge.
Not tuned."""

MOST_IMAGES = 2_000
"""Images a map is fitted to: it takes ten seconds."""


class WhitenedPixels(nn.Module):
    """Even light, local contrast of 1, less the mean image, times a matrix (dim, pixels) that `fit` finds."""

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
