"""Keeping vectors with fewer dimensions or bits: fitted on the vectors of an index, which are then rewritten.

The map, and the steps of its bytes, lie in `encoders/compressed-<fingerprint>/` of the index. Later vectors are
made with the same, so that they can be compared.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from tellapart.encoders.compressed import (
    CompressedEncoder,
    CompressionSpec,
    map_to,
    steps_for,
)
from tellapart.encoders.protocol import Encoder, OfImages, Vectors
from tellapart.index.catalogue import Catalogue, StoredEncoder
from tellapart.index.embedding import TILES, kept_rows
from tellapart.index.files import files_below, remove, seal, sync
from tellapart.index.latent import LSA, compressed_folder
from tellapart.index.segments import live_segments, vectors_folder, vectors_name
from tellapart.index.snapshot import FolderSnapshot
from tellapart.index.store import Store
from tellapart.index.vectors import Moments, write_vectors
from tellapart.index.vectors.stored import StoredRows, blocks
from tellapart.progress import Progress


def is_compressible(name: str, encoder: Encoder) -> bool:
    """Whether an index compresses the vectors of an encoder: not of `lsa`, which is fitted anew, nor of images."""
    return name != LSA and not isinstance(encoder, OfImages)


def compress(
    index: Path, store: Store, kept: StoredEncoder, base: Encoder, spec: CompressionSpec, progress: Progress
) -> CompressedEncoder:
    """Fit a compression to the vectors of an encoder and rewrite them; part of the caller's transaction.

    Args:
        index: Folder of the index.
        store: Its store.
        kept: The encoder, whose vectors are as `base` made them.
        base: What made them.
        spec: What they become.
        progress: Told of vectors.
    """
    snapshot, catalogue = FolderSnapshot(index, store), Catalogue(store)
    tiles = [level for level in kept.granularities if level in TILES.values()] or kept.granularities
    indexes = [snapshot.vectors(kept.name, level) for level in tiles]
    moments = sum((each.moments() for each in indexes), Moments.none(base.dim))
    encoder = CompressedEncoder(base, spec, map_to(base, spec.dim, moments.second), 0.0)
    if spec.keeps_bytes:
        parts = (encoder.mapped(part) for each in indexes for _, part in each.blocks())
        largest = max((float(np.abs(part).max()) for part in parts), default=1.0)
        encoder = CompressedEncoder(base, spec, map_to(base, spec.dim, moments.second), steps_for(largest))
    folder = compressed_folder(index, encoder.fingerprint)
    remove(folder)
    encoder.save(folder)
    sync(folder, files_below(folder))
    total = sum(snapshot.units(level).n_rows for level in kept.granularities)
    with progress(f"compressing vectors of {kept.name} to {spec}", total) as advance:
        for segment in live_segments(index, catalogue):
            paths = []
            for level in kept.granularities:
                before = segment.folder / vectors_name(kept.fingerprint, level, kept.pooled)
                if level not in segment.granularities or not before.is_file():
                    continue
                rows = segment.vectors(vectors_name(kept.fingerprint, level, kept.pooled))
                path = segment.folder / vectors_name(encoder.fingerprint, level, kept.pooled)
                path.parent.mkdir(exist_ok=True)
                write_vectors(path, _converted(rows, encoder), allow_absent=True)
                paths.append(path)
                advance(len(rows))
            catalogue.put_files(segment.number, seal(segment.folder, paths))
            catalogue.remove_files(segment.number, f"{vectors_folder(kept.fingerprint)}/")
    catalogue.put_encoder(replace(kept, fingerprint=encoder.fingerprint, dim=encoder.dim))
    store.next_generation()
    return encoder


def _converted(rows: StoredRows, encoder: CompressedEncoder) -> StoredRows:
    parts = [kept_rows(encoder, part) for part in _parts(rows)]
    return np.concatenate(parts) if parts else kept_rows(encoder, np.zeros((0, rows.shape[1]), np.float32))


def _parts(rows: StoredRows) -> Iterator[Vectors]:
    for _, part in blocks([rows], size=8192):
        yield part
