"""An encoder of images kept in a folder: config.json and an ONNX graph.

    {"format": 1, "kind": "onnx-image", "name": "faces", "dim": 128, "size": 112, "channels": 3,
     "model": "model.onnx", "fingerprint": ""}

The graph takes `images` (batch, channels, size, size) uint8 and gives `vectors` (batch, dim) float32; what it was
trained to subtract and divide by is inside it. Images of another size are scaled as in training.
Hashes of the images that it learned lie beside its weights, in learned.npy: what was learned is found again nearly
always, so a figure over such images says nothing about others. `pixels` has no weights: what every trained encoder of
images has to beat.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tellapart.encoders.config import FILE, FORMAT, IMAGE_KIND, config_of, file_digest, need_files
from tellapart.encoders.protocol import OfImages, Vectors, unit_rows
from tellapart.encoders.sessions import open_session, usable_cores
from tellapart.errors import TellapartError
from tellapart.progress import Progress, silent

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

BATCH = 64
"""Images in one run of the graph: 64 of 224 x 224 in colour are 38 MB. It changes time and memory, never a vector."""


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """What config.json says."""

    name: str
    dim: int
    size: int
    channels: int
    model: str = "model.onnx"
    fingerprint: str = ""
    format: int = FORMAT
    kind: str = IMAGE_KIND


def fingerprint_of(folder: Path, config: ImageConfig) -> str:
    """Hash everything that changes vectors: graph, size and channels."""
    hashed = hashlib.blake2b(file_digest(folder / config.model), digest_size=16)
    hashed.update(json.dumps([config.dim, config.size, config.channels]).encode())
    return hashed.hexdigest()


class ImageEncoder(OfImages):
    """Runs the ONNX graph of a folder over images; opening reads config.json only."""

    def __init__(self, folder: Path, *, name: str | None = None, threads: int | None = None) -> None:
        """Open a folder.

        Args:
            folder: Holds config.json and the graph it names.
            name: What the encoder calls itself; None = `folder:PATH`.
            threads: Used within one run; None = one for each core this process may use.
        """
        self.folder = folder
        self.config = config_of(IMAGE_KIND, ImageConfig, folder)
        if min(self.config.dim, self.config.size) < 1 or self.config.channels not in (1, 3):
            raise TellapartError(
                f"{folder / FILE}: dim {self.config.dim} and size {self.config.size} must be 1 or more,"
                f" channels {self.config.channels} 1 or 3: correct it"
            )
        need_files(folder, self.config.model)
        self.name = name or f"folder:{folder}"
        self.dim = self.config.dim
        self.size, self.channels = self.config.size, self.config.channels
        self.threads = threads or usable_cores()
        self.fingerprint = fingerprint_of(folder, self.config)

    def encode_images(
        self, images: Sequence[ArrayLike] | NDArray[np.uint8], *, progress: Progress = silent
    ) -> Vectors:
        """Encode images, each (height, width) or (height, width, channels) uint8: (n, dim), unit rows."""
        vectors = np.empty((len(images), self.dim), dtype=np.float32)
        with progress(f"encoding with {self.name}", len(images)) as advance:
            for start in range(0, len(images), BATCH):
                block = [
                    scaled(image, size=self.size, channels=self.channels)
                    for image in images[start : start + BATCH]
                ]
                (found,) = self._session.run(None, {"images": np.stack(block).transpose(0, 3, 1, 2)})
                vectors[start : start + len(block)] = found
                advance(len(block))
        return unit_rows(vectors, encoder=self.name) if len(images) else vectors

    @cached_property
    def _session(self) -> InferenceSession:
        return open_session(self.folder / self.config.model, threads=self.threads)


EDGE = 28
"""Grey pixels to a side, those of the usual sets of digits and letters (MNIST). An encoder to compare
with: it was not tuned."""


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


LEARNED = "learned.npy"


def image_hash(pixels: NDArray[np.uint8]) -> int:
    """Hash an image (size, size, channels) as the network sees it: 64 bits, whatever file it came from."""
    return int.from_bytes(
        hashlib.blake2b(np.ascontiguousarray(pixels).data, digest_size=8).digest(), "little"
    )


def write_learned(folder: Path, hashes: Iterable[int]) -> None:
    """Keep the hashes of the images an encoder has learned."""
    np.save(folder / LEARNED, np.unique(np.fromiter(hashes, dtype=np.uint64)), allow_pickle=False)


def was_learned(encoder: object, images: Sequence[ArrayLike]) -> NDArray[np.bool_]:
    """Say which images (n,) an encoder was trained on; all False for an encoder that keeps no record of it.

    Args:
        encoder: Any; only an encoder of images that was trained here knows.
        images: Each (height, width) or (height, width, channels) uint8, of any size.

    Raises:
        TellapartError: The record is damaged.
    """
    path = encoder.folder / LEARNED if isinstance(encoder, ImageEncoder) else None
    if path is None or not isinstance(encoder, ImageEncoder) or not path.is_file():
        return np.zeros(len(images), dtype=bool)
    try:
        known = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise TellapartError(f"cannot read {path} ({error}): copy the encoder again") from error
    seen = (scaled(image, size=encoder.size, channels=encoder.channels) for image in images)
    found = np.fromiter((image_hash(each) for each in seen), dtype=np.uint64, count=len(images))
    return np.isin(found, known)


LUMA = np.array([0.299, 0.587, 0.114])
"""Grey from red, green and blue (ITU-R BT.601)."""


def scaled(image: ArrayLike, *, size: int, channels: int) -> NDArray[np.uint8]:
    """Give the middle square of an image (height, width[, 1, 3 or 4]) uint8 as (size, size, channels) uint8.

    Raises:
        TellapartError: It is no such array.
    """
    pixels = np.asarray(image)
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]
    if pixels.ndim != 3 or pixels.shape[2] not in (1, 3, 4) or pixels.dtype != np.uint8 or not pixels.size:
        raise TellapartError(
            f"an image has shape {np.shape(image)} and type {pixels.dtype}: give (height, width) or"
            " (height, width, 1, 3 or 4) of uint8"
        )
    edge = min(pixels.shape[:2])
    top, left = (pixels.shape[0] - edge) // 2, (pixels.shape[1] - edge) // 2
    square = _with_channels(pixels[top : top + edge, left : left + edge, :3], channels)
    if edge == size:
        return np.ascontiguousarray(square)
    weights = _weights(edge, size)
    found = np.empty((size, size, channels), dtype=np.uint8)
    # a channel at a time: a photograph of 24 megapixels as float64 would take 580 MB
    for each in range(channels):
        found[:, :, each] = np.rint(weights @ square[:, :, each].astype(np.float64) @ weights.T)
    return found  # averages of 0..255 stay there


def resized(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Give an image (h, w, c) uint8 as (height, width, c) uint8, averaging where it shrinks."""
    if image.shape[:2] == (height, width):
        return np.ascontiguousarray(image)
    down, across = _weights(image.shape[0], height), _weights(image.shape[1], width)
    found = np.empty((height, width, image.shape[2]), dtype=np.uint8)
    for channel in range(image.shape[2]):
        found[:, :, channel] = np.clip(np.rint(down @ image[:, :, channel] @ across.T), 0, 255)
    return found


def fitted(image: NDArray[np.uint8], *, edge: int) -> NDArray[np.uint8]:
    """Shrink an image (h, w[, c]) uint8 whose longer side is above `edge`; others stay as they are."""
    longest = max(image.shape[:2])
    if longest <= edge:
        return image
    height, width = (max(1, round(side * edge / longest)) for side in image.shape[:2])
    if image.ndim == 2:
        return resized(image[:, :, None], height, width)[:, :, 0]
    return resized(image, height, width)


def _with_channels(pixels: NDArray[np.uint8], channels: int) -> NDArray[np.uint8]:
    if pixels.shape[2] == channels:
        return pixels
    if channels == 1:
        return np.asarray(np.rint(pixels @ LUMA)[:, :, None], dtype=np.uint8)
    return np.repeat(pixels, channels, axis=2)


@lru_cache(maxsize=32)
def _weights(edge: int, size: int) -> NDArray[np.float64]:
    """Linear interpolation along one axis (size, edge), as Pillow does: wider when shrinking (no aliasing)."""
    reach = max(edge / size, 1.0)
    centres = (np.arange(size) + 0.5) * edge / size - 0.5
    weights = np.maximum(0.0, 1 - np.abs(np.arange(edge) - centres[:, None]) / reach)
    weights /= weights.sum(axis=1, keepdims=True)
    return weights
