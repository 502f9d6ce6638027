"""A segment: the postings and vectors of some documents, never changed once committed.

Folder `segments/<number>/` holds `tables.npz` (`documents`: their numbers, in order; per granularity the row of
each document's first unit, and the total), `names.npz` (paths and labels), `lexical/` and
`vectors-<encoder>/<granularity>.npy`.
Documents that were deleted since are masked by the `dead` bits kept in the store.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from io import BytesIO
from mmap import mmap
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from tellapart.corpus.document import LEVELS, ContainmentTree, Document, Granularity, Kind
from tellapart.errors import CorruptIndexError
from tellapart.index.catalogue import Catalogue, Mask, StoredFile
from tellapart.index.files import check, files_below, remove, seal
from tellapart.index.lexical import LexicalSegment, LexicalWriter
from tellapart.index.names import FILE as NAMES
from tellapart.index.names import NamesWriter, SegmentNames
from tellapart.index.store import rebuilding
from tellapart.index.vectors.segment import map_file, open_vectors
from tellapart.index.vectors.stored import StoredRows

FOLDER = "segments"
TABLES = "tables.npz"
DOCUMENTS = "documents"


def segment_folder(index: Path, number: int) -> Path:
    """Where a segment lies inside an index."""
    return index / FOLDER / f"{number:06d}"


def vectors_folder(fingerprint: str) -> str:
    """Name of the folder of one encoder's vectors inside a segment."""
    return f"vectors-{fingerprint[:16]}"


def vectors_name(fingerprint: str, granularity: Granularity, pooled: Collection[Granularity] = ()) -> str:
    """Name of a vector file inside its segment; it says whether the level is a `pooled` one."""
    suffix = ".pooled" if granularity in pooled else ""
    return f"{vectors_folder(fingerprint)}/{granularity}{suffix}.npy"


def levels_wanted(kind: Kind, chosen: tuple[Granularity, ...]) -> tuple[Granularity, ...]:
    """Levels of one kind among the chosen granularities; nothing chosen means all."""
    return tuple(level for level in LEVELS[kind] if not chosen or level in chosen)


@dataclass
class Segment:
    """A committed segment, opened lazily."""

    number: int
    folder: Path
    dead: Mask
    _vectors: dict[str, mmap] = field(default_factory=dict)
    _names: mmap | None = None

    @cached_property
    def documents(self) -> NDArray[np.int64]:
        """Numbers of the documents (n,), dead ones included."""
        return self._tables[DOCUMENTS]

    @cached_property
    def granularities(self) -> frozenset[Granularity]:
        """Levels that this segment has units of."""
        return frozenset(g for g in Granularity if _offsets_name(g) in self._tables)

    def offsets(self, granularity: Granularity) -> NDArray[np.int64]:
        """Row of each document's first unit and, last, the number of units: (n + 1,)."""
        if granularity not in self.granularities:
            return np.zeros(len(self.dead) + 1, dtype=np.int64)
        return self._tables[_offsets_name(granularity)]

    @cached_property
    def _tables(self) -> dict[str, NDArray[np.int64]]:
        with np.load(self.folder / TABLES) as tables:
            return {name: tables[name].astype(np.int64) for name in tables.files}

    @cached_property
    def lexical(self) -> LexicalSegment:
        """The postings."""
        return LexicalSegment.open(self.folder / "lexical")

    def hold(self, files: Iterable[StoredFile]) -> None:
        """Open every file of the segment now, so that it can be read to the end even if it is deleted meanwhile.

        Raises:
            CorruptIndexError: A file is missing or not as it was committed.
        """
        known = list(files)
        check(self.folder, known)
        self.lexical.hold()
        self._names = map_file(self.folder / NAMES)
        try:
            _ = self.granularities
        except (OSError, ValueError, KeyError, BadZipFile) as error:
            raise CorruptIndexError(
                f"{self.folder / TABLES} is damaged ({error}): {rebuilding(self.folder.parent.parent / 'store')}"
            ) from error
        self._vectors = {
            file.name: map_file(self.folder / file.name) for file in known if file.name.endswith(".npy")
        }

    def has_vectors(self, name: str) -> bool:
        """Whether the segment has the vectors `name` (see `vectors_name`); only of one that is held."""
        return name in self._vectors

    def vectors(self, name: str) -> StoredRows:
        """View the vectors `name` (see `vectors_name`): (units, dim)."""
        return open_vectors(self.folder / name, self._vectors.get(name))

    @cached_property
    def names(self) -> SegmentNames:
        """Paths and labels."""
        return SegmentNames(self.folder / NAMES if self._names is None else BytesIO(self._names))

    def alive(self, granularity: Granularity) -> Mask | None:
        """Which units are alive, None when all are."""
        if not self.dead.any():
            return None
        return np.repeat(~self.dead, np.diff(self.offsets(granularity)))


class SegmentWriter:
    """Collects documents and writes them as one segment."""

    def __init__(self, folder: Path, chosen: tuple[Granularity, ...]) -> None:
        self.folder = folder
        self.chosen = chosen
        self._numbers: list[int] = []
        self._counts: dict[Granularity, list[int]] = {}
        self._lexical = LexicalWriter(chosen)
        self._names = NamesWriter()

    def __len__(self) -> int:
        return len(self._numbers)

    @property
    def memory(self) -> int:
        """Bytes held, about."""
        return self._lexical.memory + self._names.memory

    def add(self, number: int, document: Document, tree: ContainmentTree) -> None:
        """Take one document."""
        for granularity in levels_wanted(document.kind, self.chosen):
            counts = self._counts.setdefault(granularity, [])
            counts.extend([0] * (len(self._numbers) - len(counts)))
            counts.append(len(tree.levels[granularity].starts))
        self._numbers.append(number)
        self._lexical.add(document, tree)
        self._names.add(document, tree)

    def write(self) -> list[StoredFile]:
        """Write all files; nothing refers to them before the store's commit."""
        remove(self.folder)  # what a run left that failed on a full disk: no generation shows it
        self.folder.mkdir(parents=True)
        counts = {g: c + [0] * (len(self._numbers) - len(c)) for g, c in self._counts.items()}
        self._lexical.write(self.folder / "lexical", tuple(g for g in Granularity if g in counts))
        self._names.write(self.folder)
        return write_tables(self.folder, np.array(self._numbers, dtype=np.int64), counts)


def write_tables(
    folder: Path, numbers: NDArray[np.int64], counts: Mapping[Granularity, list[int]]
) -> list[StoredFile]:
    """Write which documents a segment has and how many units each; seal the whole folder."""
    tables: dict[str, Any] = {DOCUMENTS: numbers}
    for granularity, units in counts.items():
        offsets = np.concatenate([[0], np.cumsum(units, dtype=np.int64)])
        tables[_offsets_name(granularity)] = offsets.astype(np.int32)
    np.savez(folder / TABLES, **tables)
    return seal(folder, files_below(folder))


def _offsets_name(granularity: Granularity) -> str:
    return f"offsets-{granularity}"


def live_segments(index: Path, catalogue: Catalogue) -> list[Segment]:
    """Open the segments of the generation that the store shows now, oldest first."""
    return [Segment(number, segment_folder(index, number), dead) for number, dead in catalogue.segments()]


def sweep(index: Path, catalogue: Catalogue) -> None:
    """Delete what no generation shows: leftovers of a killed run, merged segments, dropped vectors."""
    live = {segment_folder(index, number): number for number, _ in catalogue.segments()}
    for folder in sorted((index / FOLDER).glob("*")):
        if folder not in live:
            remove(folder)
            continue
        known = {folder / file.name for file in catalogue.files(live[folder])}
        for path in files_below(folder):
            if path not in known:
                path.unlink(missing_ok=True)
