"""Labelled images, scaled to one size: decoded once where they fit into memory, else each time they are used."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tellapart.corpus.readers.extracted import NotReadableError
from tellapart.corpus.readers.images import pixels_of
from tellapart.encoders.images import image_hash, scaled
from tellapart.encoders.sessions import usable_cores
from tellapart.errors import TellapartError
from tellapart.learning.images.finding import ImageSource, find_images
from tellapart.progress import Progress, silent

TURNS = 4

IN_MEMORY = 2 << 30
"""Bytes of scaled images that are kept decoded, a quarter of 8 GB; more are decoded whenever they are used."""

TRIED, QUICK_SECONDS = 16, 0.002
"""Images decoded one after the other first. Where most take less than this, the others are too: with small files two
threads take longer than one, since they wait for each other's turn at the interpreter."""

LISTED = 10
"""Damaged images that a message names."""


@dataclass(frozen=True, slots=True, eq=False)
class DecodedOnUse:
    """Images that are read and decoded whenever they are asked for; each may be turned by some quarters."""

    sources: tuple[ImageSource, ...]
    turns: NDArray[np.int64]
    size: int
    channels: int

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """That of the array they would make."""
        return len(self.sources), self.size, self.size, self.channels

    def __len__(self) -> int:
        return len(self.sources)

    def __getitem__(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        found = np.empty((len(rows), *self.shape[1:]), dtype=np.uint8)
        for place, row in enumerate(rows.tolist()):
            pixels = _decoded(self.sources[row], self.size, self.channels)
            found[place] = np.rot90(pixels, self.turns[row])
        return found

    def take(self, rows: NDArray[np.int64]) -> DecodedOnUse:
        """Keep some."""
        return DecodedOnUse(
            tuple(self.sources[row] for row in rows), self.turns[rows], self.size, self.channels
        )

    def turned(self) -> DecodedOnUse:
        """Add each turned by one, two and three quarters."""
        turns = np.concatenate([self.turns + turn for turn in range(TURNS)])
        return DecodedOnUse(self.sources * TURNS, turns, self.size, self.channels)


@dataclass(frozen=True, slots=True, eq=False)
class LabelledImages:
    """Images (n, size, size, channels) uint8, the number of the identity of each (n,), and what they are called.

    `names` names the identities, `sources` the images: a path, or a row of a file. `hashes` (n,) uint64 say what each
    image shows (before it was turned).
    """

    images: NDArray[np.uint8] | DecodedOnUse
    labels: NDArray[np.int64]
    names: tuple[str, ...]
    sources: tuple[str, ...]
    hashes: NDArray[np.uint64] | None = None

    @property
    def size(self) -> int:
        """Edge in pixels."""
        return int(self.images.shape[1])

    @property
    def channels(self) -> int:
        """1 or 3."""
        return int(self.images.shape[3])

    def known(self) -> NDArray[np.uint64]:
        """Give the hash of each image (n,)."""
        if self.hashes is not None:
            return self.hashes
        every = (self.images[np.array([row])][0] for row in range(len(self.labels)))
        return np.fromiter((image_hash(image) for image in every), dtype=np.uint64, count=len(self.labels))

    def digest(self) -> str:
        """Hash images and labels: what a resumed run compares."""
        hashed = hashlib.blake2b(self.known().tobytes(), digest_size=16)
        hashed.update(repr(self.images.shape).encode() + self.labels.tobytes())
        return hashed.hexdigest()

    def take(self, rows: NDArray[np.int64]) -> LabelledImages:
        """Keep some images; identities keep their numbers."""
        images = self.images.take(rows) if isinstance(self.images, DecodedOnUse) else self.images[rows]
        hashes = None if self.hashes is None else self.hashes[rows]
        return LabelledImages(
            images, self.labels[rows], self.names, tuple(self.sources[r] for r in rows), hashes
        )

    def of_identities(self, identities: Sequence[int] | NDArray[np.int64]) -> LabelledImages:
        """Keep the images of some identities, numbered anew in this order."""
        place = {int(identity): number for number, identity in enumerate(identities)}
        kept = self.take(np.flatnonzero(np.isin(self.labels, list(place))))
        labels = np.array([place[label] for label in kept.labels.tolist()], dtype=np.int64)
        names = tuple(self.names[identity] for identity in place)
        return LabelledImages(kept.images, labels, names, kept.sources, kept.hashes)

    def each_its_own(self) -> LabelledImages:
        """Make every image an identity of its own: for objectives that need no labels."""
        numbers = np.arange(len(self.labels), dtype=np.int64)
        return LabelledImages(self.images, numbers, self.sources, self.sources, self.hashes)

    def with_turns(self) -> LabelledImages:
        """Add each identity turned by 90, 180 and 270 degrees as three further identities (for glyphs)."""
        images: NDArray[np.uint8] | DecodedOnUse
        if isinstance(self.images, DecodedOnUse):
            images = self.images.turned()
        else:
            images = np.concatenate([np.rot90(self.images, turn, axes=(1, 2)) for turn in range(TURNS)])
        return LabelledImages(
            images,
            np.concatenate([self.labels + turn * len(self.names) for turn in range(TURNS)]),
            tuple(_turned(name, turn) for turn in range(TURNS) for name in self.names),
            tuple(_turned(source, turn) for turn in range(TURNS) for source in self.sources),
            np.tile(self.known(), TURNS) if self.hashes is not None else None,
        )


def read_images(
    path: Path, *, size: int, channels: int, skip_bad: bool = False, progress: Progress = silent
) -> LabelledImages:
    """Read labelled images: what `find_images` understands, or an .npz file.

    An .npz file holds `images` (n, height, width[, channels]) uint8, `labels` (n,) and, where labels are
    numbers that count from 0, `names`.

    Args:
        path: Of the folder or file.
        size: Edge in pixels that they are scaled to.
        channels: 1 or 3.
        skip_bad: Leave out images that cannot be read, instead of refusing.
        progress: Told of images read.

    Raises:
        TellapartError: Nothing of the kind, files that cannot be read (all are named), fewer than two identities.
    """
    if path.suffix == ".npz" and path.is_file():
        found = _read_arrays(path, size, channels)
    else:
        found = _read_sources(path, size, channels, skip_bad=skip_bad, progress=progress)
    return _several(found, str(path))


def _several(found: LabelledImages, where: str) -> LabelledImages:
    if len(found.names) < 2:
        raise TellapartError(f"{where} holds {len(found.names)} identities: give at least 2 to tell apart")
    return found


def _read_sources(
    path: Path, size: int, channels: int, *, skip_bad: bool, progress: Progress
) -> LabelledImages:
    sources = find_images(path)
    keep = len(sources) * size * size * channels <= IN_MEMORY
    images = np.empty((len(sources) if keep else 0, size, size, channels), dtype=np.uint8)
    hashes = np.zeros(len(sources), dtype=np.uint64)
    bad: list[tuple[int, str]] = []

    def read(row: int) -> None:
        try:
            pixels = _decoded(sources[row], size, channels)
        except TellapartError as error:
            bad.append((row, str(error)))
            return
        hashes[row] = image_hash(pixels)
        if keep:
            images[row] = pixels

    def timed(row: int) -> float:
        begun = time.perf_counter()
        read(row)
        advance(1)
        return time.perf_counter() - begun

    with progress("reading images", len(sources)) as advance:
        tried = [timed(row) for row in range(min(TRIED, len(sources)))]
        rest = range(len(tried), len(sources))
        threads = usable_cores() if tried and np.median(tried) > QUICK_SECONDS else 1
        with ThreadPoolExecutor(threads) as pool:
            for _ in pool.map(read, rest) if threads > 1 else map(read, rest):
                advance(1)
    if bad and not skip_bad:
        listed = "; ".join(reason for _, reason in sorted(bad)[:LISTED])
        more = f"; and {len(bad) - LISTED:,} more" if len(bad) > LISTED else ""
        raise TellapartError(
            f"{len(bad):,} images cannot be read: {listed}{more}. Mend them, or give --skip-bad"
        )
    damaged = {row for row, _ in bad}
    good = np.array([row for row in range(len(sources)) if row not in damaged], dtype=np.int64)
    kept = [sources[row] for row in good]
    names = tuple(dict.fromkeys(source.label for source in kept))
    place = {name: number for number, name in enumerate(names)}
    labels = np.array([place[source.label] for source in kept], dtype=np.int64)
    held: NDArray[np.uint8] | DecodedOnUse
    held = images[good] if keep and bad else images
    if not keep:
        held = DecodedOnUse(tuple(kept), np.zeros(len(kept), dtype=np.int64), size, channels)
    return LabelledImages(held, labels, names, tuple(source.name for source in kept), hashes[good])


def _decoded(source: ImageSource, size: int, channels: int) -> NDArray[np.uint8]:
    try:
        return scaled(pixels_of(source.content(), edge=size), size=size, channels=channels)
    except NotReadableError as error:
        raise TellapartError(f"{source.name}: {error}") from error
    except OSError as error:
        raise TellapartError(f"{source.name}: {error.strerror or error}") from error


def _read_arrays(path: Path, size: int, channels: int) -> LabelledImages:
    try:
        with np.load(path, allow_pickle=False) as content:
            arrays = {key: content[key] for key in ("images", "labels", "names") if key in content}
    except (OSError, ValueError) as error:
        raise TellapartError(f"cannot read {path} ({error}): write it with numpy.savez") from error
    if "images" not in arrays or "labels" not in arrays:
        raise TellapartError(f"{path} holds {sorted(arrays)}: it needs the arrays images and labels")
    return _from_arrays(arrays["images"], arrays["labels"], arrays.get("names"), path.name, size, channels)


def _from_arrays(
    pixels: Sequence[ArrayLike] | NDArray[np.uint8],
    given: NDArray[np.generic],
    known: NDArray[np.generic] | None,
    where: str,
    size: int,
    channels: int,
) -> LabelledImages:
    if given.shape != (len(pixels),) or given.dtype.kind not in "iuUS":
        raise TellapartError(
            f"{where}: labels have shape {given.shape} and type {given.dtype} for {len(pixels)} images: give one"
            " whole number or name each"
        )
    values, labels = np.unique(given, return_inverse=True)
    images = np.empty((len(pixels), size, size, channels), dtype=np.uint8)
    for row, image in enumerate(pixels):
        try:
            images[row] = scaled(image, size=size, channels=channels)
        except TellapartError as error:
            raise TellapartError(f"{where}, row {row}: {error}") from error
    if known is not None and given.dtype.kind in "iu" and len(values) and int(values[-1]) < len(known):
        names = tuple(str(known[value]) for value in values)
    else:
        names = tuple(str(value) for value in values)
    sources = tuple(f"{where}[{row}]" for row in range(len(images)))
    return LabelledImages(images, labels.astype(np.int64), names, sources)


def _turned(name: str, turn: int) -> str:
    return f"{name} turned {90 * turn}" if turn else name


HELD_OUT = 0.1
"""Share of the identities kept for judging: a tenth, as is usual."""

FEWEST_HELD_OUT = 5
"""Fewer identities say nothing about new ones: their interval would span half the scale."""

LEAST_IDENTITIES = 20
"""Below so many, all are needed for learning, and images are held out instead: a tenth of them would be two people."""

LEAST_IMAGES = 4
"""Of an identity, from which two can be held out and two are left to learn from."""


@dataclass(frozen=True, slots=True)
class Split:
    """Images to learn from and images to judge by; `unseen` says what these are: identities, images, or nothing."""

    train: LabelledImages
    held_out: LabelledImages | None
    unseen: str = "identities"

    def turned(self) -> Split:
        """Learn from turned identities as well; what is held out stays as it is."""
        return replace(self, train=self.train.with_turns())


def split_identities(data: LabelledImages, *, share: float = HELD_OUT, seed: int = 0) -> Split:
    """Hold out a share of the identities that have two images; below LEAST_IDENTITIES, of each identity's images."""
    if not 0 <= share < 1:
        raise TellapartError(f"a held-out share of {share:g} is none: give one from 0 to below 1")
    if not share:
        return Split(data, None)
    counts = np.bincount(data.labels, minlength=len(data.names))
    able = np.flatnonzero(counts >= 2)
    wanted = max(round(share * len(data.names)), FEWEST_HELD_OUT)
    if len(data.names) < LEAST_IDENTITIES or len(able) < wanted:
        return _split_images(data, counts, share, seed)
    chosen = np.sort(np.random.default_rng(seed).permutation(able)[:wanted])
    rest = np.setdiff1d(np.arange(len(data.names)), chosen)
    return Split(data.of_identities(rest), data.of_identities(chosen))


def _split_images(data: LabelledImages, counts: NDArray[np.int64], share: float, seed: int) -> Split:
    draw = np.random.default_rng(seed)
    held: list[NDArray[np.int64]] = []
    for identity in np.flatnonzero(counts >= LEAST_IMAGES):
        rows = draw.permutation(np.flatnonzero(data.labels == identity))
        held.append(rows[: min(max(2, round(share * len(rows))), len(rows) - 2)])
    if not held:
        return Split(data, None)
    out = np.sort(np.concatenate(held))
    rest = np.setdiff1d(np.arange(len(data.labels)), out)
    return Split(data.take(rest), data.take(out), unseen="images")
