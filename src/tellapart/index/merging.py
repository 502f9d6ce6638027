"""Keeping segments few: small ones are merged, those with many dead documents rewritten."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tellapart.corpus.document import Granularity
from tellapart.index.catalogue import Catalogue
from tellapart.index.lexical import merge as merge_postings
from tellapart.index.names import NamesWriter
from tellapart.index.segments import (
    Segment,
    live_segments,
    segment_folder,
    vectors_folder,
    vectors_name,
    write_tables,
)
from tellapart.index.vectors import write_vectors

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
