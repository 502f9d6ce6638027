"""Handing vectors and units to notebooks, other tools and other engines."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath

import numpy as np

from tellapart.corpus.document import Granularity
from tellapart.engine.exported import Exported, Fields, live_documents
from tellapart.engine.facade import Index
from tellapart.engine.opened import own_folder
from tellapart.engine.targets.lance import write_dataset
from tellapart.engine.targets.milvus import MilvusCollection
from tellapart.engine.targets.mirror import ExportReport, Server, mirror
from tellapart.engine.targets.opensearch import OpenSearchIndex
from tellapart.engine.targets.qdrant import QdrantCollection
from tellapart.errors import TellapartError, require
from tellapart.index.image_vectors import ImageFiles
from tellapart.progress import Progress, silent

PART = ".part"

LANCE = "lance"
SERVERS: Mapping[str, Callable[[object, str], Server]] = {
    "qdrant": QdrantCollection,
    "milvus": MilvusCollection,
    "opensearch": OpenSearchIndex,
}
FORMATS = (LANCE, *SERVERS)
COLLECTION = "tellapart"
"""Name of the collection where none is named, as of the schema of a published index."""


def export(
    index: Index,
    format: str,
    to: object,
    *,
    encoder: str | None = None,
    granularity: str | None = None,
    collection: str | None = None,
    progress: Progress = silent,
) -> ExportReport:
    """Put units and their vectors into another engine, which then holds these and no others.

    Units go by ids that stay the same, so that a second run replaces them, sends only what changed and removes what the
    index no longer has. A run that was stopped goes on where it was. Lance is the exception: its folder is written anew
    beside the old one, which it replaces when it is whole.

    Args:
        index: In a folder or published; files are not looked at.
        format: `lance`, `qdrant`, `milvus` or `opensearch`; each needs the extra of its name.
        to: For `lance` a folder, `qdrant` a URL or a folder, `milvus` a URL or a file that ends with .db,
            `opensearch` a URL. Or a client of the engine's own library, for whom a URL does not say enough.
        encoder: Whose vectors; None for those that searches use.
        granularity: One granularity, or several joined by `+`; None for paragraphs and functions together.
        collection: Name of the collection, or of the index in OpenSearch; None for `tellapart`.
        progress: Told of units.

    Returns:
        What was sent and removed.

    Raises:
        TellapartError: The index has no such vectors, the library is missing, nothing answers at `to`, or what is there
            was not made by an export of this encoder.
    """
    if format not in FORMATS:
        raise TellapartError(f"there is no format {format!r}: choose among {', '.join(FORMATS)}")
    if format == LANCE and collection is not None:
        raise TellapartError("a Lance dataset is one folder: leave out the collection")
    with index.reading() as snapshot:
        exported = Exported(index, snapshot, granularity, encoder)
        if format == LANCE:
            return write_dataset(str(to), exported, progress)
        return mirror(SERVERS[format](to, collection or COLLECTION), exported, progress)


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
    with index.reading() as snapshot:
        exported = Exported(index, snapshot, granularity, encoder)
        exported.one_level()
        output.mkdir(parents=True, exist_ok=True)
        target = np.lib.format.open_memmap(
            output / f"vectors.npy{PART}", mode="w+", dtype=np.float32, shape=(len(exported), exported.dim)
        )
        with (
            progress("exporting", len(target)) as advance,
            (output / f"units.jsonl{PART}").open("w", encoding="utf-8") as units,
        ):
            done = 0
            for batch in exported.batches():
                target[done : done + len(batch.units)] = batch.vectors
                units.writelines(json.dumps(_place(unit), ensure_ascii=False) + "\n" for unit in batch.units)
                done += len(batch.units)
                advance(len(batch.units))
        target.flush()
    if queries is not None:
        np.save(output / "queries.npy", index.encode_queries(exported.encoder, list(queries.values())))
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
    files = ImageFiles(own_folder(index.store), index.settings)
    with index.reading() as snapshot:
        table, vectors = snapshot.units(image), snapshot.vectors(str(configuration.encoder), image)
        positions = live_documents(table)  # an image is one unit
        found = [index.stored(number).document for number in table.documents[positions].tolist()]
        rows = vectors.take(table.offsets[positions])
    folders = [str(PurePosixPath(document.id).parent) for document in found]
    names, labels = np.unique(folders, return_inverse=True)
    columns = {
        "vector": arrow.FixedSizeListArray.from_arrays(rows.ravel(), vectors.dim),
        "label": labels.astype(np.int64),
        "name": folders,
        "path": [str(files.path(document)) for document in found],
    }
    output.parent.mkdir(parents=True, exist_ok=True)
    with progress("writing", len(found)) as advance:
        parquet.write_table(arrow.table(columns), f"{output}{PART}")
        advance(len(found))
    os.replace(f"{output}{PART}", output)
    return len(found), len(names)


def _place(unit: Fields) -> Fields:
    """Say which unit a row of vectors is of."""
    return {
        "id": unit["id"],
        "document": unit["document"],
        "span": [unit["start"], unit["end"]],
        "granularity": unit["granularity"],
    }
