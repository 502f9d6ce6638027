"""Images of any size and depth become those an encoder takes, the same way in training and in use."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tellapart.errors import TellapartError

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
