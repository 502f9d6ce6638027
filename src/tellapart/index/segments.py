"""A segment: the postings and vectors of some documents, never changed once committed.

Folder `segments/<number>/` holds `tables.npz` (`documents`: their numbers, in order; per granularity the row of
each document's first unit, and the total), `names.npz` (paths and labels), `lexical/` and
`vectors-<encoder>/<granularity>.npy`.
Documents that were deleted since are masked by the `dead` bits kept in the store. Small segments are merged, those with
many dead documents rewritten.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
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
from tellapart.index.lexical import merge as merge_postings
from tellapart.index.names import FILE as NAMES
from tellapart.index.names import NamesWriter, SegmentNames
from tellapart.index.store import rebuilding
from tellapart.index.vectors import write_vectors
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


FAN_IN = 4
"""Segments of one order of magnitude that are merged, and all smaller ones with them: a corpus grown one file at a
time has at most 3 per order, and each document is rewritten at most log4(n) times."""

DEAD_SHARE = 0.1
"""Share of dead documents beyond which a segment is rewritten: a search pays for dead ones, a rewrite for all."""

MERGED_DOCUMENTS = 500_000
"""Larger segments are left alone: merging them costs more memory than it saves time."""


def merge_where_worthwhile(index: Path, catalogue: Catalogue) -> bool:
    """Merge what should be merged; part of the caller's transaction. Say whether anything was."""
    merged = False
    while group := _next_group(live_segments(index, catalogue), catalogue):
        _merge(index, catalogue, group)
        merged = True
    return merged


def _next_group(segments: Sequence[Segment], catalogue: Catalogue) -> list[Segment]:
    """Choose segments to be rewritten as one: only such as have the same vectors, all or those still missing.

    A search pays for each segment whatever its size, so the small ones go along where larger ones are merged.
    """
    for segment in segments:
        if segment.dead.mean() > DEAD_SHARE:
            return [segment]
    orders: dict[tuple[int, int], list[Segment]] = defaultdict(list)
    for segment in segments:
        if len(segment.dead) < MERGED_DOCUMENTS:
            vectors = {file.name.partition("/")[0] for file in catalogue.files(segment.number)}
            encoders = len(
                vectors & {vectors_folder(each.fingerprint) for each in catalogue.encoders().values()}
            )
            orders[encoders, int(math.log(max(len(segment.dead), 1), FAN_IN))].append(segment)
    many = [key for key, group in orders.items() if len(group) >= FAN_IN]
    if not many:
        return []
    encoders, highest = max(many)
    merged = {key for key in orders if key[0] == encoders and key[1] <= highest}
    chosen = [segment for key in merged for segment in orders[key]]
    return sorted(chosen, key=lambda segment: segment.number)


def _merge(index: Path, catalogue: Catalogue, group: Sequence[Segment]) -> None:
    for segment in group:
        catalogue.remove_segment(segment.number)
    if all(segment.dead.all() for segment in group):
        return
    number = catalogue.next_segment()
    folder = segment_folder(index, number)
    folder.mkdir(parents=True)
    levels = [g for g in Granularity if any(g in segment.granularities for segment in group)]
    alive = [{g: segment.alive(g) for g in levels} if segment.dead.any() else None for segment in group]
    merge_postings([segment.lexical for segment in group], alive, folder / "lexical")
    for encoder in catalogue.encoders().values():
        for granularity in encoder.granularities:
            if granularity in levels:
                name = vectors_name(encoder.fingerprint, granularity, encoder.pooled)
                _merge_vectors(group, folder, name, granularity)
    names = NamesWriter()
    for segment in group:
        names.take(segment.names, ~segment.dead)
    names.write(folder)
    documents = np.concatenate([segment.documents[~segment.dead] for segment in group])
    counts = {
        g: np.concatenate([np.diff(segment.offsets(g))[~segment.dead] for segment in group]).tolist()
        for g in levels
    }
    files = write_tables(folder, documents, counts)
    catalogue.put_segment(number, np.zeros(len(documents), dtype=bool))
    catalogue.put_files(number, files)


def _merge_vectors(group: Sequence[Segment], folder: Path, name: str, granularity: Granularity) -> None:
    parts = []
    for segment in group:
        if granularity not in segment.granularities:
            continue
        if not (segment.folder / name).is_file():
            return  # read by a search, and not encoded yet
        vectors = segment.vectors(name)
        alive = segment.alive(granularity)
        parts.append(vectors if alive is None else vectors[alive])
    (folder / name).parent.mkdir(exist_ok=True)
    write_vectors(folder / name, np.concatenate(parts), allow_absent=True)
