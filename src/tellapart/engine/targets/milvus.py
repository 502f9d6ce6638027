"""A collection of Milvus, on a server or in a file of Milvus Lite: an entity for each unit."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from tellapart.engine.exported import Exported, Fields, UnitBatch
from tellapart.engine.targets.mirror import Held, Server, is_url, unreached
from tellapart.errors import TellapartError, require

EXTRA = "milvus"
TOKEN = "MILVUS_TOKEN"
FILE_END = ".db"
SECONDS = 60
PAGE = 1_000

LONGEST = 65_535
"""Bytes of a string, and of a JSON value: what Milvus takes at the most."""

KEY_LENGTH = 36
NUMBERS = ("start", "end", "first_line", "last_line")
STRINGS = ("id", "document", "label", "context", "text", "title", "granularity", "kind", "place")
STAMPS = ("encoder", "fingerprint", "revision")
MISSING = ("path", "language")
"""Strings that may be null."""


class MilvusCollection(Server):
    """Entities with keys made from the ids of the units; vectors are compared by inner product, as the index does.

    Vectors are float32: Milvus Lite takes no halves, and a query must have the type of what it searches.
    """

    def __init__(self, to: object, collection: str) -> None:
        """Connect: `to` is a URL, a file of Milvus Lite that ends with .db, or a `MilvusClient`.

        Raises:
            TellapartError: The library is missing, or nothing answers there.
        """
        os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # it reports on its connections to stderr
        self._library = require("pymilvus", extra=EXTRA)
        super().__init__(to, collection)
        self.errors = (self._library.MilvusException, ValueError, OSError)
        logging.getLogger("pymilvus").setLevel(logging.CRITICAL)  # it prints what it raises, with a traceback
        if isinstance(to, str | Path):
            if not is_url(str(to)):
                if not str(to).endswith(FILE_END):
                    raise TellapartError(
                        f"{to} is neither a URL nor a file of Milvus Lite, whose name ends with {FILE_END}"
                    )
                require("milvus_lite", extra=EXTRA)
            try:
                self._client = self._library.MilvusClient(
                    uri=str(to), token=os.environ.get(TOKEN, ""), timeout=SECONDS
                )
            except self.errors as error:
                raise unreached(self.place, error) from error

    def held(self) -> Held | None:
        """Say what the collection holds; None where there is none."""
        if not self._client.has_collection(self._name):
            return None
        fields = {field["name"]: field for field in self._client.describe_collection(self._name)["fields"]}
        if not {"key", "vector", *STAMPS} <= fields.keys():
            return Held(None, None)
        self._client.load_collection(self._name)
        found = self._client.query(
            self._name, filter="", limit=1, output_fields=["encoder"], consistency_level="Strong"
        )
        return Held(int(fields["vector"]["params"]["dim"]), found[0]["encoder"] if found else None)

    def create(self, exported: Exported) -> None:
        """Make an empty collection, with the index that Milvus chooses itself."""
        kind = self._library.DataType
        schema = self._client.create_schema(auto_id=False, enable_dynamic_field=False)
        schema.add_field("key", kind.VARCHAR, is_primary=True, max_length=KEY_LENGTH)
        for name in (*STRINGS, *STAMPS):
            schema.add_field(name, kind.VARCHAR, max_length=LONGEST)
        for name in MISSING:
            schema.add_field(name, kind.VARCHAR, max_length=LONGEST, nullable=True)
        for name in NUMBERS:
            schema.add_field(name, kind.INT64)
        schema.add_field("metadata", kind.JSON)
        schema.add_field("vector", kind.FLOAT_VECTOR, dim=exported.dim)
        indexes = self._client.prepare_index_params()
        indexes.add_index("vector", index_type="AUTOINDEX", metric_type="IP")
        self._client.create_collection(self._name, schema=schema, index_params=indexes)

    def revisions(self, keys: Sequence[str]) -> dict[str, str]:
        """Give the `revision` of those of some units that are there."""
        found = self._client.get(
            self._name, ids=list(keys), output_fields=["key", "revision"], consistency_level="Strong"
        )
        return {each["key"]: each["revision"] for each in found}

    def put(self, batch: UnitBatch) -> int:
        """Add units, or replace those of the same keys; says of how many something had to be cut."""
        rows = [shortened(unit) for unit in batch.units]
        entities = [
            {**row, "key": key, "vector": vector.tolist()}
            for row, key, vector in zip(rows, batch.keys, batch.vectors, strict=True)
        ]
        self._client.upsert(self._name, entities)
        return sum(row != unit for row, unit in zip(rows, batch.units, strict=True))

    def pages(self) -> Iterator[list[str]]:
        """Give the keys of all units that an export has put there."""
        pages = self._client.query_iterator(
            self._name, batch_size=PAGE, filter="", output_fields=["key"], consistency_level="Strong"
        )
        try:
            while page := pages.next():
                yield [each["key"] for each in page]
        finally:
            pages.close()

    def remove(self, keys: Sequence[str]) -> None:
        """Take units out."""
        self._client.delete(self._name, ids=list(keys))


def shortened(unit: Fields) -> Fields:
    """Cut strings to what Milvus takes, and leave out metadata that is longer."""
    cut = {
        name: value.encode()[:LONGEST].decode(errors="ignore") if isinstance(value, str) else value
        for name, value in unit.items()
    }
    if len(json.dumps(unit["metadata"], ensure_ascii=False).encode()) > LONGEST:
        cut["metadata"] = {}
    return cut
