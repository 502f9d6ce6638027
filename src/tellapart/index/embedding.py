"""Giving segments their vectors: every encoder of an index covers every live unit, or the commit fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from tellapart.corpus.types import LEVELS, Granularity
from tellapart.corpus.units import contexts
from tellapart.encoders.cache import VectorCache
from tellapart.encoders.protocol import Encoder, Vectors
from tellapart.encoders.windows import EmbedReport, UnitText, embed
from tellapart.index.catalogue import Catalogue, StoredEncoder
from tellapart.index.files import seal
from tellapart.index.segments import Segment, vectors_name
from tellapart.index.store import Store, StoredDocument
from tellapart.index.vectors import write_vectors
from tellapart.progress import Advance, Progress

CHUNK_UNITS = 20_000
"""Units embedded together: enough to sort them by length and to see texts that occur twice, some 30 MB."""


Missing = tuple[Segment, Sequence[Granularity]]
"""Levels of a segment that have no vectors yet."""


def units_in(missing: Sequence[Missing]) -> int:
    """Count units, those of dead documents included."""
    return sum(int(segment.offsets(g)[-1]) for segment, levels in missing for g in levels)


UnitTexts = Callable[[StoredDocument, Granularity], list[UnitText]]
"""Gives what is encoded of each unit of one level of a document."""


@dataclass(slots=True)
class _Chunk:
    """Units that are embedded in one call, with the rows they go to."""

    texts: UnitTexts
    units: dict[Granularity, list[UnitText]] = field(default_factory=dict)
    rows: dict[Granularity, list[int]] = field(default_factory=dict)
    size: int = 0

    def add(self, stored: StoredDocument, first_rows: Mapping[Granularity, int]) -> None:
        for granularity, first in first_rows.items():
            if granularity in stored.tree.levels:
                texts = self.texts(stored, granularity)
                self.units.setdefault(granularity, []).extend(texts)
                self.rows.setdefault(granularity, []).extend(range(first, first + len(texts)))
                self.size += len(texts)


def unit_texts(stored: StoredDocument, granularity: Granularity) -> list[UnitText]:
    """Give what is encoded of each unit: its context, its text, and where it may be cut into windows."""
    document, tree = stored.document, stored.tree
    finest = tree.levels[LEVELS[tree.kind][0]].starts
    around = contexts(document, tree, granularity)
    units = []
    for context, (start, end) in zip(around, tree.spans(granularity), strict=True):
        low, high = np.searchsorted(finest, [start + 1, end])
        units.append(UnitText(context, document.text[start:end], finest[low:high] - start))
    return units


class Embedder:
    """Writes the vectors of one encoder for whole segments; `texts` says what is encoded of a document's units."""

    def __init__(
        self,
        store: Store,
        encoder: Encoder,
        cache: VectorCache | None,
        progress: Progress,
        texts: UnitTexts = unit_texts,
    ) -> None:
        self.store = store
        self.catalogue = Catalogue(store)
        self.encoder = encoder
        self.cache = cache
        self.progress = progress
        self.texts = texts
        self.reports: list[EmbedReport] = []

    def cover(self, missing: Sequence[Missing]) -> None:
        """Write and note the vectors of these levels of these segments; part of the caller's transaction."""
        with self.progress(f"encoding with {self.encoder.name}", units_in(missing)) as advance:
            for segment, levels in missing:
                self._cover(segment, levels, advance)

    def _cover(self, segment: Segment, wanted: Sequence[Granularity], advance: Advance) -> None:
        """Fill one array per level; units of dead documents keep a row of zeros, which is never found."""
        sizes = {g: int(segment.offsets(g)[-1]) for g in wanted}
        arrays = {g: np.zeros((size, self.encoder.dim), dtype=np.float16) for g, size in sizes.items()}
        for chunk in self._chunks(segment, wanted):
            for granularity, vectors in self._embed(chunk, advance).items():
                arrays[granularity][chunk.rows[granularity]] = vectors
        paths: list[Path] = []
        for granularity, rows in arrays.items():
            path = segment.folder / vectors_name(self.encoder.fingerprint, granularity)
            path.parent.mkdir(exist_ok=True)
            write_vectors(path, rows, allow_absent=True)
            paths.append(path)
        self.catalogue.put_files(segment.number, seal(segment.folder, paths))

    def _chunks(self, segment: Segment, wanted: Sequence[Granularity]) -> Iterator[_Chunk]:
        offsets = {g: segment.offsets(g) for g in wanted}
        chunk = _Chunk(self.texts)
        for position in np.flatnonzero(~segment.dead).tolist():
            number = int(segment.documents[position])
            first_rows = {g: int(of[position]) for g, of in offsets.items()}
            chunk.add(self.store.documents([number])[number], first_rows)
            if chunk.size >= CHUNK_UNITS:
                yield chunk
                chunk = _Chunk(self.texts)
        if chunk.size:
            yield chunk

    def _embed(self, chunk: _Chunk, advance: Advance) -> dict[Granularity, Vectors]:
        """Embed all levels in one call, so that a text that is a unit of several is encoded once."""
        flat = [unit for units in chunk.units.values() for unit in units]
        vectors, report = embed(self.encoder, flat, cache=self.cache, progress=_scaled(advance, len(flat)))
        self.reports.append(report)
        result, position = {}, 0
        for granularity, units in chunk.units.items():
            result[granularity] = vectors[position : position + len(units)]
            position += len(units)
        return result

    def added_to(self, encoder: StoredEncoder) -> StoredEncoder:
        """Count what became of units longer than the encoder's window, on top of what was counted before."""
        return replace(
            encoder,
            windowed=encoder.windowed + sum(report.windowed for report in self.reports),
            windows=encoder.windows + sum(report.windows for report in self.reports),
            cut=encoder.cut + sum(report.cut for report in self.reports),
        )


def in_words(encoder: StoredEncoder) -> str:
    """Say what became of units longer than the encoder's window; empty where none were."""
    if not encoder.windowed:
        return ""
    words = f"{encoder.windowed:,} units were longer than its window and became {encoder.windows:,} windows, averaged"
    return words + (f"; {encoder.cut:,} texts were cut" if encoder.cut else "; nothing was cut")


def _scaled(advance: Advance, units: int) -> Progress:
    """Report an inner task of any total as so many units of the outer one."""

    @contextmanager
    def inner(label: str, total: int | None) -> Iterator[Advance]:
        done = 0
        seen = 0

        def step(count: int) -> None:
            nonlocal done, seen
            seen += count
            reached = units * seen // total if total else 0
            advance(max(0, reached - done))
            done = max(done, reached)

        yield step
        advance(units - done)

    return inner
