"""Which images an encoder was trained on: hashes of them lie beside its weights, in learned.npy.

What was learned is found again nearly always, so a figure over such images says nothing about others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tellapart.encoders.images import ImageEncoder
from tellapart.encoders.scaling import scaled
from tellapart.errors import TellapartError

NAME = "learned.npy"


def image_hash(pixels: NDArray[np.uint8]) -> int:
    """Hash an image (size, size, channels) as the network sees it: 64 bits, whatever file it came from."""
    return int.from_bytes(
        hashlib.blake2b(np.ascontiguousarray(pixels).data, digest_size=8).digest(), "little"
    )


def write_learned(folder: Path, hashes: Iterable[int]) -> None:
    """Keep the hashes of the images an encoder has learned."""
    np.save(folder / NAME, np.unique(np.fromiter(hashes, dtype=np.uint64)), allow_pickle=False)


def was_learned(encoder: object, images: Sequence[ArrayLike]) -> NDArray[np.bool_]:
    """Say which images (n,) an encoder was trained on; all False for an encoder that keeps no record of it.

    Args:
        encoder: Any; only an encoder of images that was trained here knows.
        images: Each (height, width) or (height, width, channels) uint8, of any size.

    Raises:
        TellapartError: The record is damaged.
    """
    path = encoder.folder / NAME if isinstance(encoder, ImageEncoder) else None
    if path is None or not isinstance(encoder, ImageEncoder) or not path.is_file():
        return np.zeros(len(images), dtype=bool)
    try:
        known = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise TellapartError(f"cannot read {path} ({error}): copy the encoder again") from error
    seen = (scaled(image, size=encoder.size, channels=encoder.channels) for image in images)
    found = np.fromiter((image_hash(each) for each in seen), dtype=np.uint64, count=len(images))
    return np.isin(found, known)
