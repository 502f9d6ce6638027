"""What an export hands over: units with everything that is known of them, and their vectors, some at a time."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import islice
from typing import Any
from uuid import UUID

import numpy as np

from tellapart.corpus.document import KIND_OF, Document, Granularity
from tellapart.corpus.places import Place, place_of
from tellapart.corpus.units import contexts
from tellapart.engine.configuration import BETWEEN_LEVELS
from tellapart.engine.facade import Index
from tellapart.engine.results import unit_ids
from tellapart.errors import TellapartError
from tellapart.index.snapshot import Snapshot, UnitTable
from tellapart.index.store import StoredDocument
from tellapart.index.vectors.stored import Floats

BATCH_UNITS, BATCH_CHARACTERS = 500, 1_000_000
"""Units of one batch, and characters of their texts from which on it is full: with 384 numbers a unit that is a
request of some 5 MB, where Qdrant takes 32, Milvus 64 and OpenSearch 100. A unit that is longer goes alone."""

FETCHED_DOCUMENTS = 64
"""Documents that are in memory at a time."""

Fields = dict[str, Any]
"""A unit as other tools get it; docs/scale.md lists the keys."""


@dataclass(frozen=True, slots=True)
class UnitBatch:
    """Some units and their vectors, float32 (units, dim); zeros for a unit without a vector."""

    units: list[Fields]
    vectors: Floats

    @property
    def keys(self) -> list[str]:
        """A name for each unit that every engine takes (a UUID): the same for the same id."""
        return [key_of(unit["id"]) for unit in self.units]

    def only(self, chosen: Sequence[int]) -> UnitBatch:
        """Give some of them."""
        return UnitBatch([self.units[number] for number in chosen], self.vectors[list(chosen)])


class Exported:
    """The units of some granularities of one generation, with the vectors of one encoder.

    `kept` is the type of the vectors as the index keeps them: float16, or float32 where it keeps bytes that are no
    halves.
    """

    def __init__(
        self, index: Index, snapshot: Snapshot, granularity: str | None, encoder: str | None
    ) -> None:
        """Choose as a search by vectors does what is left open; call inside `index.reading()`.

        Raises:
            TellapartError: The index has no such vectors, or a shard of it does not answer.
        """
        if snapshot.partial:
            raise TellapartError(
                f"an export needs all shards, or it would remove what they hold: {snapshot.partial}"
            )
        chosen = index.plan(ranker="knn", granularity=granularity, encoder=encoder).configuration
        self.encoder = str(chosen.encoder)
        self.levels = chosen.granularities
        self.fingerprint = snapshot.encoders[self.encoder].fingerprint
        self._store = index.store
        self._snapshot = snapshot
        vectors = snapshot.vectors(self.encoder, self.levels[0])
        self.dim = vectors.dim
        self.kept = np.dtype(np.float16 if vectors.row_bytes == 2 * vectors.dim else np.float32)

    def __len__(self) -> int:
        """Count the units."""
        return sum(self._snapshot.units(level).n_alive for level in self.levels)

    def one_level(self) -> Granularity:
        """Give the granularity, where there has to be one only."""
        if len(self.levels) != 1:
            levels = ", ".join(self.levels)
            raise TellapartError(f"an export holds one granularity: choose among {levels} with --granularity")
        return self.levels[0]

    @property
    def name(self) -> str:
        """Say what is exported, for messages."""
        return f"{self.encoder}, {BETWEEN_LEVELS.join(self.levels)}"

    def batches(self) -> Iterator[UnitBatch]:
        """Give all live units in the order of the rows, a bounded number at a time."""
        for level in self.levels:
            vectors = self._snapshot.vectors(self.encoder, level)
            waiting: list[Fields] = []
            rows: list[int] = []
            characters = 0
            for row, unit in self._units(level):
                waiting.append(unit)
                rows.append(row)
                characters += len(unit["text"])
                if len(rows) >= BATCH_UNITS or characters >= BATCH_CHARACTERS:
                    yield _with_revisions(waiting, vectors.take(np.array(rows)))
                    waiting, rows, characters = [], [], 0
            if rows:
                yield _with_revisions(waiting, vectors.take(np.array(rows)))

    def _units(self, level: Granularity) -> Iterator[tuple[int, Fields]]:
        table = self._snapshot.units(level)
        positions = iter(live_documents(table))
        while some := list(islice(positions, FETCHED_DOCUMENTS)):
            fetched = self._store.documents(table.documents[some].tolist())
            for position in some:
                stored, first = fetched[int(table.documents[position])], int(table.offsets[position])
                for ordinal, unit in enumerate(unit_fields(stored, level)):
                    yield first + ordinal, {**unit, "encoder": self.encoder, "fingerprint": self.fingerprint}


def key_of(identifier: str) -> str:
    """Name a unit so that every engine takes it, however long its id is and whatever stands in it."""
    return str(UUID(bytes=blake2b(identifier.encode(), digest_size=16).digest()))


def unit_fields(stored: StoredDocument, level: Granularity) -> Iterator[Fields]:
    """Say everything about the units of a document at one granularity, in order."""
    document, tree = stored.document, stored.tree
    spans, labels = list(tree.spans(level)), tree.levels[level].labels
    metadata = _plain(dict(document.metadata))
    around = contexts(document, tree, level)
    places = _places(document, spans)
    for identifier, (start, end), label, context, (lines, place) in zip(
        unit_ids(stored, level), spans, labels, around, places, strict=True
    ):
        yield {
            "id": identifier,
            "document": document.id,
            "path": document.path,
            "title": document.title,
            "label": label,
            "context": context,
            "text": document.text[start:end],
            "granularity": level.value,
            "kind": KIND_OF[level].value,
            "language": document.language,
            "start": start,
            "end": end,
            "first_line": lines[0],
            "last_line": lines[1],
            "place": place,
            "metadata": metadata,
        }


def live_documents(table: UnitTable) -> list[int]:
    """Positions of the documents that have units and are not deleted."""
    filled = np.diff(table.offsets) > 0
    if table.alive is not None:
        filled[filled] = table.alive[table.offsets[:-1][filled]]
    found: list[int] = np.flatnonzero(filled).tolist()
    return found


def _places(document: Document, spans: Sequence[tuple[int, int]]) -> Iterator[tuple[tuple[int, int], str]]:
    """Lines of spans that follow one another, and where a person finds them; line ends are counted only once."""
    text, line, counted = document.text, 1, 0
    for start, end in spans:
        body = text[start:end]
        inner = body.strip()
        begin = start + len(body) - len(body.lstrip()) if inner else start
        line += text.count("\n", counted, begin)
        counted = begin
        lines = line, line + inner.count("\n")
        where = place_of(document, start, end) if document.places else Place(lines)
        yield where.lines or lines, str(where)


def _with_revisions(units: list[Fields], vectors: Floats) -> UnitBatch:
    """Add to each unit a hash of everything that is said of it, so that a second run sees what changed."""
    for unit, vector in zip(units, vectors, strict=True):
        said = json.dumps(unit, sort_keys=True).encode()
        unit["revision"] = blake2b(said + vector.tobytes(), digest_size=8).hexdigest()
    return UnitBatch(units, vectors)


def _plain(value: object) -> object:
    """Give metadata as every JSON reader takes it: numbers that are none become null."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value if value is None or isinstance(value, str | int | float) else str(value)
