"""A Lance dataset: a folder, written beside its place and moved there when it is whole."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from tellapart.engine.exported import Exported, UnitBatch
from tellapart.engine.targets.mirror import ExportReport, is_url, said
from tellapart.errors import TellapartError, require
from tellapart.progress import Progress

EXTRA = "lance"
PART, BEFORE = ".part", ".before"

MADE_BY = b"tellapart"
"""Key in the metadata of the schema: only a dataset that has it is replaced."""

NUMBERS = ("start", "end", "first_line", "last_line")
STRINGS = (
    *(
        "id",
        "document",
        "path",
        "title",
        "label",
        "context",
        "text",
        "granularity",
        "kind",
        "language",
        "place",
    ),
    *("encoder", "fingerprint", "revision"),
)


def write_dataset(to: str | Path, exported: Exported, progress: Progress) -> ExportReport:
    """Write all units into a dataset, in place of the one that an export before this one wrote.

    Columns are the fields of a unit; `metadata` is JSON (`json_get_int(metadata, 'year') > 2000` filters by it) and
    `vector` a fixed-size list of halves or floats, as the index keeps them.

    Raises:
        TellapartError: There is something else, or nothing can be written there.
    """
    lance, arrow = require("lance", extra=EXTRA), require("pyarrow", extra=EXTRA)
    if is_url(str(to)):
        raise TellapartError(f"{to}: a Lance dataset is written to a folder: name one, and copy it there")
    place = Path(to).resolve()  # not a link to it, which would be replaced
    _check(lance, place)
    schema = _schema(arrow, exported)
    part = place.with_name(place.name + PART)
    left_out: list[int] = []
    failed: list[BaseException] = []

    def records() -> Iterator[Any]:
        """Give record batches; what fails here would come back as an error of Lance."""
        try:
            with progress(f"exporting {exported.name}", len(exported)) as advance:
                for batch in exported.batches():
                    found = batch.only(np.flatnonzero(batch.vectors.any(axis=1)).tolist())
                    left_out.append(len(batch.units) - len(found.units))
                    if found.units:
                        yield _record(arrow, schema, found, exported.kept)
                    advance(len(batch.units))
        except BaseException as error:
            failed.append(error)
            raise

    place.parent.mkdir(parents=True, exist_ok=True)
    _discard(part)
    try:
        lance.write_dataset(arrow.RecordBatchReader.from_batches(schema, records()), str(part), schema=schema)
        total = lance.dataset(str(part)).count_rows()
    except BaseException as error:
        _discard(part)
        if failed:
            raise failed[0] from None
        if isinstance(error, Exception):
            raise TellapartError(f"{place}: {said(error)}") from error
        raise
    _swap(part, place)
    return ExportReport(str(to), total, total, left_out=sum(left_out))


def _check(lance: ModuleType, place: Path) -> None:
    """Refuse to replace what no export has written."""
    if not place.exists():
        return
    try:
        ours = place.is_dir() and MADE_BY in (lance.dataset(str(place)).schema.metadata or {})
    except (ValueError, OSError):
        ours = False
    if not ours:
        raise TellapartError(
            f"{place} is there and no export wrote it: name another place, or remove it first"
        )


def _schema(arrow: ModuleType, exported: Exported) -> Any:  # noqa: ANN401
    number = arrow.float16() if exported.kept == np.float16 else arrow.float32()
    return arrow.schema(
        [
            *(arrow.field(name, arrow.string()) for name in STRINGS),
            *(arrow.field(name, arrow.int64()) for name in NUMBERS),
            arrow.field("metadata", arrow.json_(arrow.string())),
            arrow.field("vector", arrow.list_(number, exported.dim)),
        ],
        {MADE_BY: json.dumps({"encoder": exported.encoder, "fingerprint": exported.fingerprint}).encode()},
    )


def _record(arrow: ModuleType, schema: Any, batch: UnitBatch, kept: np.dtype[Any]) -> Any:  # noqa: ANN401
    values = {name: [unit[name] for unit in batch.units] for name in (*STRINGS, *NUMBERS)}
    columns = [arrow.array(values[name], schema.field(name).type) for name in (*STRINGS, *NUMBERS)]
    metadata = [json.dumps(unit["metadata"], ensure_ascii=False) for unit in batch.units]
    columns.append(
        arrow.ExtensionArray.from_storage(
            schema.field("metadata").type, arrow.array(metadata, arrow.string())
        )
    )
    vectors = arrow.array(batch.vectors.astype(kept).ravel())
    columns.append(arrow.FixedSizeListArray.from_arrays(vectors, batch.vectors.shape[1]))
    return arrow.RecordBatch.from_arrays(columns, schema=schema)


def _swap(part: Path, place: Path) -> None:
    before = place.with_name(place.name + BEFORE)
    _discard(before)
    if place.exists():
        place.rename(before)
    part.rename(place)
    _discard(before)


def _discard(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)
