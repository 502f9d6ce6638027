"""Giving segments their vectors: every encoder of an index covers every live unit, or the commit fails."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType

import numpy as np

from tellapart.corpus.document import LEVELS, ContainmentTree, Granularity, Kind
from tellapart.corpus.units import contexts
from tellapart.encoders.cache import VectorCache
from tellapart.encoders.compressed import CompressedEncoder
from tellapart.encoders.pooling import EmbedReport, pool, report_of
from tellapart.encoders.protocol import Encoder, Span, SpanEncoder, Vectors
from tellapart.encoders.windows import Layout, UnitText, inside, joined, lay_out, whole
from tellapart.index.catalogue import Catalogue, StoredEncoder
from tellapart.index.files import seal
from tellapart.index.segments import Segment, vectors_name
from tellapart.index.store import Store, StoredDocument
from tellapart.index.vectors import write_vectors
from tellapart.index.vectors.stored import StoredRows, as_bytes
from tellapart.progress import Advance, Progress, part_of, silent

CHUNK_UNITS = 20_000
"""Units embedded together: enough to sort them by length and to see texts that occur twice, some 30 MB."""

SAMPLED_DOCUMENTS, SAMPLED_CHARACTERS = 50, 2_000
"""Of a segment and of a unit, looked at to estimate how many tokens there are some 50 ms."""

TILES: Mapping[Kind, Granularity] = MappingProxyType(
    {Kind.PROSE: Granularity.PARAGRAPH, Kind.CODE: Granularity.FUNCTION}
)
"""The units that are always encoded by themselves: their windows tile the text and serve every other level."""

Missing = tuple[Segment, Sequence[Granularity]]
"""Levels of a segment that have no vectors yet."""


def units_in(missing: Sequence[Missing]) -> int:
    """Count units, those of dead documents included."""
    return sum(int(segment.offsets(g)[-1]) for segment, levels in missing for g in levels)


UnitTexts = Callable[[StoredDocument, Granularity], list[UnitText]]
"""Gives what is encoded of each unit of one level of a document."""


def pooled_levels(
    encoder: Encoder, levels: Sequence[Granularity], encoded: Collection[Granularity]
) -> tuple[Granularity, ...]:
    """Say which levels take their vectors from the windows of paragraphs and functions, at no cost of their own.

    Larger units are means of those windows; sentences are pooled inside theirs. Only where the encoder gives
    vectors of tokens: others either cost next to nothing or take far longer texts than a window.

    Args:
        encoder: Makes the vectors.
        levels: What it covers.
        encoded: Those whose units the user wants encoded by themselves.
    """
    if not (isinstance(encoder, SpanEncoder) and encoder.pools_spans):
        return ()
    return tuple(
        g for g in levels if g not in encoded and g not in TILES.values() and g is not Granularity.IMAGE
    )


@dataclass(slots=True)
class _Chunk:
    """Units that are embedded in one call, and the rows they go to.

    `units` are laid out by themselves; `rows` are units as ranges of those, and for sentences the span inside it.
    """

    texts: UnitTexts
    pooled: Collection[Granularity]
    units: list[UnitText] = field(default_factory=list)
    rows: dict[Granularity, list[tuple[int, range, Span | None]]] = field(default_factory=dict)

    def add(self, stored: StoredDocument, first_rows: Mapping[Granularity, int]) -> None:
        tree = stored.tree
        present = {
            granularity: first for granularity, first in first_rows.items() if granularity in tree.levels
        }
        tile = TILES.get(tree.kind)
        tiles: range | None = None
        if tile and (tile in present or set(present) & set(self.pooled)):
            tiles = range(len(self.units), len(self.units) + len(tree.levels[tile].starts))
            self.units += self.texts(stored, tile)
        for granularity, first in present.items():
            rows = self.rows.setdefault(granularity, [])
            if tile is not None and tiles is not None and (granularity is tile or granularity in self.pooled):
                found = _over_tiles(tree, granularity, tile, tiles)
            else:
                begin = len(self.units)
                self.units += self.texts(stored, granularity)
                found = [(range(place, place + 1), None) for place in range(begin, len(self.units))]
            rows += [(first + ordinal, *where) for ordinal, where in enumerate(found)]

    @property
    def size(self) -> int:
        return sum(map(len, self.rows.values()))

    def layouts(self, encoder: Encoder) -> tuple[list[Layout], list[Layout]]:
        """Lay out the units themselves, and every row, level after level."""
        own = lay_out(encoder, self.units, weighted=bool(self.pooled))
        rows = [
            joined(own[places.start : places.stop])
            if span is None
            else inside(own[places.start], span, self.units[places.start].text)
            for of_level in self.rows.values()
            for _, places, span in of_level
        ]
        return own, rows


def _over_tiles(
    tree: ContainmentTree, granularity: Granularity, tile: Granularity, tiles: range
) -> list[tuple[range, Span | None]]:
    """Find the tiles of each unit of a level, and for smaller units the span inside the one that holds them."""
    starts = tree.levels[tile].starts
    found: list[tuple[range, Span | None]] = []
    for start, end in tree.spans(granularity):
        low = int(np.searchsorted(starts, start, side="right")) - 1
        high = int(np.searchsorted(starts, end, side="left"))
        begin = int(starts[low])
        part = (tiles[low], tiles[low] + high - low)
        smaller = LEVELS[tree.kind].index(granularity) < LEVELS[tree.kind].index(tile)
        found.append((range(*part), (start - begin, end - begin) if smaller else None))
    return found


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


def kept_rows(encoder: CompressedEncoder, vectors: Vectors) -> StoredRows:
    """Give what an index keeps of vectors (n, base dim) that the base made; rows of zeros stay so."""
    mapped = encoder.mapped(vectors)
    return as_bytes(mapped, encoder.steps) if encoder.spec.keeps_bytes else mapped.astype(np.float16)


def _embed(
    encoder: Encoder,
    cache: VectorCache | None,
    chunk: _Chunk,
    arrays: Mapping[Granularity, StoredRows],
    advance: Advance,
) -> tuple[list[Layout], int, int]:
    """Embed all levels in one call, so that a text that is part of several units is encoded once.

    Returns:
        The layouts of the units themselves, and how many texts there were and the cache knew, for `report_of`.
    """
    own, layouts = chunk.layouts(encoder)
    vectors, texts, cached = pool(encoder, layouts, cache=cache, progress=part_of(advance, len(layouts)))
    position = 0
    for granularity, rows in chunk.rows.items():
        arrays[granularity][[row for row, *_ in rows]] = vectors[position : position + len(rows)]
        position += len(rows)
    return own, texts, cached


@dataclass(frozen=True, slots=True)
class DocumentVectors:
    """Vectors of one document's units, (units, dim) float16 for each level, and what became of long units."""

    levels: Mapping[Granularity, StoredRows]
    report: EmbedReport


def embed_documents(
    encoder: Encoder,
    documents: Sequence[StoredDocument],
    levels: Collection[Granularity],
    pooled: Collection[Granularity],
    *,
    cache: VectorCache | None = None,
    progress: Progress = silent,
) -> list[DocumentVectors]:
    """Make the vectors of documents that lie in no index: those that `Embedder` would write for them."""
    chunk = _Chunk(unit_texts, pooled)
    sizes: dict[Granularity, int] = {}
    first_rows: list[dict[Granularity, int]] = []
    ends = [0]
    for stored in documents:
        present = {g: level for g, level in stored.tree.levels.items() if g in levels}
        first_rows.append({granularity: sizes.get(granularity, 0) for granularity in present})
        chunk.add(stored, first_rows[-1])
        ends.append(len(chunk.units))
        for granularity, level in present.items():
            sizes[granularity] = sizes.get(granularity, 0) + len(level.starts)
    arrays = {g: np.zeros((size, encoder.dim), dtype=np.float16) for g, size in sizes.items()}
    with progress("", chunk.size) as advance:
        own, _, _ = _embed(encoder, cache, chunk, arrays, advance)
    return [
        DocumentVectors(
            {g: arrays[g][first : first + len(stored.tree.levels[g].starts)] for g, first in firsts.items()},
            report_of(own[begin:end], 0, 0),
        )
        for stored, firsts, (begin, end) in zip(documents, first_rows, pairwise(ends), strict=True)
    ]


class Embedder:
    """Writes the vectors of one encoder for whole segments.

    Those of a compressed one are made by its base, whole, and compressed as they are written.

    `pooled` levels take theirs from the windows of others; `texts` says what is encoded of a document's units;
    documents that are not `wanted` get rows of zeros, which are never found.
    """

    def __init__(
        self,
        store: Store,
        encoder: Encoder,
        cache: VectorCache | None,
        progress: Progress,
        *,
        pooled: Collection[Granularity] = (),
        texts: UnitTexts = unit_texts,
        wanted: Callable[[int], bool] | None = None,
    ) -> None:
        self.store = store
        self.catalogue = Catalogue(store)
        self.kept = encoder
        self.encoder = encoder.base if isinstance(encoder, CompressedEncoder) else encoder
        self.cache = cache
        self.progress = progress
        self.pooled = pooled
        self.texts = texts
        self.wanted = wanted
        self.reports: list[EmbedReport] = []

    def cover(self, missing: Sequence[Missing], *, commit: Callable[[], None] | None = None) -> None:
        """Write and note the vectors of these levels of these segments; part of the caller's transaction.

        `commit` is called after each segment, where readers may see some of the vectors before the others.
        """
        lengths = self.store.lengths()
        work = [self._work(segment, levels, lengths) for segment, levels in missing]
        label = f"encoding {units_in(missing):,} units with {self.encoder.name} (tokens)"
        with self.progress(label, sum(work)) as advance:
            for (segment, levels), tokens in zip(missing, work, strict=True):
                self._cover(segment, levels, part_of(advance, tokens))
                if commit:
                    commit()

    def _work(self, segment: Segment, levels: Sequence[Granularity], lengths: Mapping[int, int]) -> int:
        """Estimate the tokens to be read for a segment from all its characters and a sample of its documents."""
        alive = segment.documents[self._positions(segment)].tolist()
        if not alive:
            return 0
        sample = alive[:: max(1, len(alive) // SAMPLED_DOCUMENTS)]
        chunk = _Chunk(self.texts, self.pooled)
        for number in sample:
            chunk.add(self.store.documents([number])[number], dict.fromkeys(levels, 0))
        texts = [whole(unit)[:SAMPLED_CHARACTERS] for unit in chunk.units]
        tokens = int(self.encoder.count_tokens(texts).sum()) / max(sum(map(len, texts)), 1)
        passes = sum(len(whole(unit)) for unit in chunk.units) / max(
            sum(lengths[number] for number in sample), 1
        )
        return int(tokens * passes * sum(lengths[number] for number in alive)) + 1

    def _cover(self, segment: Segment, wanted: Sequence[Granularity], progress: Progress) -> None:
        """Fill one array per level; units of dead documents keep a row of zeros, which is never found."""
        sizes = {g: int(segment.offsets(g)[-1]) for g in wanted}
        arrays = {g: np.zeros((size, self.encoder.dim), dtype=np.float16) for g, size in sizes.items()}
        with progress("", sum(sizes.values())) as advance:
            self._fill(segment, arrays, advance)
        paths: list[Path] = []
        for granularity, rows in arrays.items():
            path = segment.folder / vectors_name(self.kept.fingerprint, granularity, self.pooled)
            path.parent.mkdir(exist_ok=True)
            kept = self.kept
            made = kept_rows(kept, rows.astype(np.float32)) if isinstance(kept, CompressedEncoder) else rows
            write_vectors(path, made, allow_absent=True)
            paths.append(path)
        self.catalogue.put_files(segment.number, seal(segment.folder, paths))

    def _positions(self, segment: Segment) -> list[int]:
        """Positions of the documents of a segment that are to have vectors."""
        positions: list[int] = np.flatnonzero(~segment.dead).tolist()
        if self.wanted is None:
            return positions
        return [position for position in positions if self.wanted(int(segment.documents[position]))]

    def _fill(self, segment: Segment, arrays: Mapping[Granularity, StoredRows], advance: Advance) -> None:
        """Write the vectors of a segment's living units into one array per level."""
        for chunk in self._chunks(segment, tuple(arrays)):
            report = _embed(self.encoder, self.cache, chunk, arrays, advance)
            self.reports.append(report_of(*report))

    def _chunks(self, segment: Segment, wanted: Sequence[Granularity]) -> Iterator[_Chunk]:
        offsets = {g: segment.offsets(g) for g in wanted}
        chunk = _Chunk(self.texts, self.pooled)
        for position in self._positions(segment):
            number = int(segment.documents[position])
            first_rows = {g: int(of[position]) for g, of in offsets.items()}
            chunk.add(self.store.documents([number])[number], first_rows)
            if chunk.size >= CHUNK_UNITS:
                yield chunk
                chunk = _Chunk(self.texts, self.pooled)
        if chunk.size:
            yield chunk

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
