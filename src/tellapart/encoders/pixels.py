"""Raw pixels as vectors: no weights, no training; what every trained encoder of images has to beat."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tellapart.encoders.protocol import OfImages, Vectors
from tellapart.encoders.rows import unit_rows
from tellapart.encoders.scaling import scaled
from tellapart.progress import Progress, silent

EDGE = 28
"""Grey pixels to a side, those of the usual sets of digits and letters (our choice, not tuned)."""


class PixelEncoder(OfImages):
    """The grey levels of the middle square, less their mean: cosine is the correlation of two images."""

    name = "pixels"
    dim = EDGE * EDGE
    size = EDGE
    channels = 1
    fingerprint = f"pixels-{EDGE}-1"

    def encode_images(
        self, images: Sequence[ArrayLike] | NDArray[np.uint8], *, progress: Progress = silent
    ) -> Vectors:
        """Encode images, each (height, width) or (height, width, channels) uint8: (n, dim), unit rows."""
        vectors = np.empty((len(images), self.dim), dtype=np.float32)
        with progress(f"encoding with {self.name}", len(images)) as advance:
            for row, image in enumerate(images):
                levels = scaled(image, size=self.size, channels=self.channels).ravel().astype(np.float32)
                vectors[row] = levels - levels.mean()
                advance(1)
        return unit_rows(vectors, encoder=self.name) if len(images) else vectors
