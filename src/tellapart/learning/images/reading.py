"""Labelled images: a folder for each identity, or arrays in an .npz file."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tellapart.corpus.readers.extracted import NotReadableError
from tellapart.corpus.readers.images import pixels_of
from tellapart.corpus.sources import IMAGES
from tellapart.encoders.scaling import scaled
from tellapart.errors import TellapartError
from tellapart.progress import Progress, silent

TURNS = 4


@dataclass(frozen=True, slots=True)
class LabelledImages:
    """Images (n, size, size, channels) uint8, the number of the identity of each (n,), and what they are called.

    `names` names the identities, `sources` the images: a path, or a row of a file.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    names: tuple[str, ...]
    sources: tuple[str, ...]

    @property
    def size(self) -> int:
        """Edge in pixels."""
        return int(self.images.shape[1])

    @property
    def channels(self) -> int:
        """1 or 3."""
        return int(self.images.shape[3])

    def digest(self) -> str:
        """Hash images and labels: what a resumed run compares."""
        hashed = hashlib.blake2b(np.ascontiguousarray(self.images).data, digest_size=16)
        hashed.update(self.labels.tobytes())
        return hashed.hexdigest()

    def of_identities(self, identities: Sequence[int] | NDArray[np.int64]) -> LabelledImages:
        """Keep the images of some identities, numbered anew in this order."""
        place = {int(identity): number for number, identity in enumerate(identities)}
        rows = np.flatnonzero(np.isin(self.labels, list(place)))
        return LabelledImages(
            self.images[rows],
            np.array([place[label] for label in self.labels[rows].tolist()], dtype=np.int64),
            tuple(self.names[identity] for identity in place),
            tuple(self.sources[row] for row in rows),
        )

    def with_turns(self) -> LabelledImages:
        """Add each identity turned by 90, 180 and 270 degrees as three further identities (for glyphs)."""
        turned = [np.rot90(self.images, turn, axes=(1, 2)) for turn in range(TURNS)]
        return LabelledImages(
            np.concatenate(turned),
            np.concatenate([self.labels + turn * len(self.names) for turn in range(TURNS)]),
            tuple(_turned(name, turn) for turn in range(TURNS) for name in self.names),
            tuple(_turned(source, turn) for turn in range(TURNS) for source in self.sources),
        )


def read_images(path: Path, *, size: int, channels: int, progress: Progress = silent) -> LabelledImages:
    """Read a folder that holds one folder of images for each identity, or an .npz file.

    An .npz file holds `images` (n, height, width[, channels]) uint8, `labels` (n,) and, where labels are
    numbers that count from 0, `names`.

    Raises:
        TellapartError: Nothing of the kind, a file that cannot be read, fewer than two identities.
    """
    if path.is_dir():
        found = _read_folder(path, size, channels, progress)
    elif path.suffix == ".npz" and path.is_file():
        found = _read_arrays(path, size, channels)
    else:
        raise TellapartError(
            f"{path} is neither a folder with a folder of images for each identity nor an .npz file: give one"
        )
    if len(found.names) < 2:
        raise TellapartError(f"{path} holds {len(found.names)} identities: give at least 2 to tell apart")
    return found


def _read_folder(path: Path, size: int, channels: int, progress: Progress) -> LabelledImages:
    files = [
        (folder.name, file)
        for folder in sorted(path.iterdir())
        if folder.is_dir() and not folder.name.startswith(".")
        for file in sorted(folder.rglob("*"))
        if file.suffix.lower() in IMAGES and file.is_file()
    ]
    if not files:
        raise TellapartError(f"{path} holds no folders with images: give one folder for each identity")
    names = tuple(dict.fromkeys(name for name, _ in files))
    place = {name: number for number, name in enumerate(names)}
    images = np.empty((len(files), size, size, channels), dtype=np.uint8)
    with progress("reading images", len(files)) as advance:
        for row, (_, file) in enumerate(files):
            images[row] = scaled(_pixels(file, size), size=size, channels=channels)
            advance(1)
    labels = np.array([place[name] for name, _ in files], dtype=np.int64)
    return LabelledImages(images, labels, names, tuple(str(file.relative_to(path)) for _, file in files))


def _pixels(file: Path, size: int) -> NDArray[np.uint8]:
    try:
        return pixels_of(file, edge=size)
    except NotReadableError as error:
        raise TellapartError(f"{file}: {error}; mend or remove it") from error


def _read_arrays(path: Path, size: int, channels: int) -> LabelledImages:
    try:
        with np.load(path, allow_pickle=False) as content:
            arrays = {key: content[key] for key in ("images", "labels", "names") if key in content}
    except (OSError, ValueError) as error:
        raise TellapartError(f"cannot read {path} ({error}): write it with numpy.savez") from error
    if "images" not in arrays or "labels" not in arrays:
        raise TellapartError(f"{path} holds {sorted(arrays)}: it needs the arrays images and labels")
    pixels, given = arrays["images"], arrays["labels"]
    if given.shape != (len(pixels),) or given.dtype.kind not in "iuUS":
        raise TellapartError(
            f"{path}: labels have shape {given.shape} and type {given.dtype} for {len(pixels)} images: give one"
            " whole number or name each"
        )
    values, labels = np.unique(given, return_inverse=True)
    images = np.stack([scaled(image, size=size, channels=channels) for image in pixels])
    known = arrays.get("names")
    if known is not None and given.dtype.kind in "iu" and len(values) and values[-1] < len(known):
        names = tuple(str(known[value]) for value in values)
    else:
        names = tuple(str(value) for value in values)
    sources = tuple(f"{path.name}[{row}]" for row in range(len(images)))
    return LabelledImages(images, labels.astype(np.int64), names, sources)


def _turned(name: str, turn: int) -> str:
    return f"{name} turned {90 * turn}" if turn else name
