"""Handing vectors and units to notebooks and other tools."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from tellapart.corpus.document import Granularity
from tellapart.engine.facade import Index
from tellapart.engine.results import unit_ids
from tellapart.errors import TellapartError
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
