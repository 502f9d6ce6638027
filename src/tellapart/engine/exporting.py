"""Handing vectors and units to notebooks and other tools."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

import numpy as np

from tellapart.corpus.document import Granularity
from tellapart.engine.facade import Index
from tellapart.engine.results import unit_ids
from tellapart.errors import TellapartError, require
from tellapart.index.image_vectors import ImageFiles
from tellapart.index.snapshot import UnitTable
from tellapart.progress import Progress, silent

PART = ".part"


def export_units(
    index: Index,
    output: Path,
    encoder: str | None = None,
    granularity: str | None = None,
    queries: Mapping[str, str] | None = None,
    progress: Progress = silent,
) -> int:
    """Write `vectors.npy` (float32) and `units.jsonl` in the same order, and `queries.npy` if asked.

    Returns the number of units. Raises TellapartError where the index has no such vectors.
    """
    configuration = index.plan(ranker="knn", granularity=granularity, encoder=encoder).configuration
    if len(configuration.granularities) != 1:
        levels = ", ".join(configuration.granularities)
        raise TellapartError(f"an export holds one granularity: choose among {levels} with --granularity")
    level, name = configuration.granularities[0], str(configuration.encoder)
    output.mkdir(parents=True, exist_ok=True)
    with index.reading() as snapshot:
        table, vectors = snapshot.units(level), snapshot.vectors(name, level)
        shape = (table.n_alive, vectors.dim)
        target = np.lib.format.open_memmap(
            output / f"vectors.npy{PART}", mode="w+", dtype=np.float32, shape=shape
        )
        with (
            progress("exporting", len(target)) as advance,
            (output / f"units.jsonl{PART}").open("w", encoding="utf-8") as units,
        ):
            done = 0
            for number, rows in _documents(table):
                target[done : done + len(rows)] = vectors.take(rows)
                units.writelines(_lines(index, number, level))
                done += len(rows)
                advance(len(rows))
        target.flush()
    if queries is not None:
        np.save(output / "queries.npy", index.encode_queries(name, list(queries.values())))
    for file in ("vectors.npy", "units.jsonl"):
        os.replace(output / f"{file}{PART}", output / file)
    return len(target)


def export_images(
    index: Index, output: Path, encoder: str | None = None, progress: Progress = silent
) -> tuple[int, int]:
    """Write the images of an index as one Parquet file that both trainings read.

    Columns: `vector` (float32 list), `label` (int64, the number of the image's folder, as centres need it), `name` (the
    folder) and `path`.

    Returns the number of images and that of labels. Raises TellapartError where the index has no such vectors.
    """
    arrow, parquet = require("pyarrow", extra="train"), require("pyarrow.parquet", extra="train")
    image = Granularity.IMAGE
    configuration = index.plan(ranker="knn", granularity=image.value, encoder=encoder).configuration
    files = ImageFiles(index.folder, index.settings)
    with index.reading() as snapshot:
        table, vectors = snapshot.units(image), snapshot.vectors(str(configuration.encoder), image)
        found = [(index.stored(number).document, rows) for number, rows in _documents(table)]
        folders = [str(PurePosixPath(document.id).parent) for document, _ in found]
        names, labels = np.unique(folders, return_inverse=True)
        rows = vectors.take(np.concatenate([rows for _, rows in found])).astype(np.float32)
    columns = {
        "vector": arrow.FixedSizeListArray.from_arrays(rows.ravel(), vectors.dim),
        "label": labels.astype(np.int64),
        "name": folders,
        "path": [str(files.path(document)) for document, _ in found],
    }
    output.parent.mkdir(parents=True, exist_ok=True)
    with progress("writing", len(found)) as advance:
        parquet.write_table(arrow.table(columns), f"{output}{PART}")
        advance(len(found))
    os.replace(f"{output}{PART}", output)
    return len(found), len(names)


def _documents(table: UnitTable) -> Iterator[tuple[int, np.ndarray]]:
    """Give each live document's number with the rows of its units, in row order."""
    rows = np.arange(table.n_rows) if table.alive is None else np.flatnonzero(table.alive)
    if not len(rows):
        return
    numbers, _ = table.locate(rows)
    for group in np.split(rows, np.flatnonzero(np.diff(numbers)) + 1):
        yield int(table.locate(group[:1])[0][0]), group


def _lines(index: Index, number: int, level: Granularity) -> Iterator[str]:
    stored = index.stored(number)
    spans = stored.tree.spans(level)
    for identifier, span in zip(unit_ids(stored, level), spans, strict=True):
        unit = {
            "id": identifier,
            "document": stored.document.id,
            "span": list(span),
            "granularity": level.value,
        }
        yield json.dumps(unit, ensure_ascii=False) + "\n"
