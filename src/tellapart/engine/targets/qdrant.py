"""A collection of Qdrant: a point for each unit, its fields as payload."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from tellapart.engine.exported import Exported, UnitBatch
from tellapart.engine.targets.mirror import Held, Server, is_url, unreached
from tellapart.errors import require

EXTRA = "qdrant"
API_KEY = "QDRANT_API_KEY"
SECONDS = 60
PAGE = 1_000

INDEXED = ("document", "path", "granularity", "kind", "language")
"""Fields with an index of their own, without which Qdrant filters slowly and, in the cloud, not at all."""


class QdrantCollection(Server):
    """Points with ids made from those of the units; vectors are compared by inner product, as the index does."""

    def __init__(self, to: object, collection: str) -> None:
        """Connect: `to` is a URL, a folder for Qdrant's local mode, or a `QdrantClient`.

        Raises:
            TellapartError: The library is missing, or the folder is in use.
        """
        library = require("qdrant_client", extra=EXTRA)
        exceptions = require("qdrant_client.http.exceptions", extra=EXTRA)
        self._models = library.models
        super().__init__(to, collection)
        # in local mode it raises ValueError for what a server refuses
        self.errors = (exceptions.ApiException, ValueError, OSError)
        if isinstance(to, str | Path):
            try:
                with _quietly():
                    self._client = (
                        library.QdrantClient(
                            url=to,
                            api_key=os.environ.get(API_KEY),
                            timeout=SECONDS,
                            check_compatibility=False,
                        )
                        if isinstance(to, str) and is_url(to)
                        else library.QdrantClient(path=str(to))
                    )
            except (RuntimeError, ValueError, OSError) as error:
                raise unreached(self.place, error) from error

    def held(self) -> Held | None:
        """Say what the collection holds; None where there is none."""
        if not self._client.collection_exists(self._name):
            return None
        vectors = self._client.get_collection(self._name).config.params.vectors
        points, _ = self._client.scroll(self._name, limit=1, with_payload=["encoder", "revision"])
        payload = (points[0].payload or {}) if points else {}
        if not isinstance(vectors, self._models.VectorParams) or (points and "revision" not in payload):
            return Held(None, None)
        return Held(vectors.size, payload.get("encoder"))

    def create(self, exported: Exported) -> None:
        """Make an empty collection, of halves where the index keeps halves."""
        half = exported.kept == np.float16
        form = self._models.VectorParams(
            size=exported.dim,
            distance=self._models.Distance.DOT,
            datatype=self._models.Datatype.FLOAT16 if half else self._models.Datatype.FLOAT32,
        )
        self._client.create_collection(self._name, vectors_config=form)
        with _quietly():
            for field in INDEXED:
                self._client.create_payload_index(self._name, field, self._models.PayloadSchemaType.KEYWORD)

    def revisions(self, keys: Sequence[str]) -> dict[str, str]:
        """Give the `revision` of those of some units that are there."""
        points = self._client.retrieve(self._name, list(keys), with_payload=["revision"])
        return {str(point.id): (point.payload or {}).get("revision", "") for point in points}

    def put(self, batch: UnitBatch) -> int:
        """Add units, or replace those of the same keys."""
        points = self._models.Batch(ids=batch.keys, vectors=batch.vectors.tolist(), payloads=batch.units)
        with _quietly():
            self._client.upsert(self._name, points, wait=True)
        return 0

    def pages(self) -> Iterator[list[str]]:
        """Give the keys of all units that an export has put there."""
        offset = None
        while True:
            points, offset = self._client.scroll(
                self._name, limit=PAGE, offset=offset, with_payload=["revision"]
            )
            yield [str(point.id) for point in points if "revision" in (point.payload or {})]
            if offset is None:
                return

    def remove(self, keys: Sequence[str]) -> None:
        """Take units out."""
        self._client.delete(self._name, self._models.PointIdsList(points=list(keys)), wait=True)


@contextmanager
def _quietly() -> Iterator[None]:
    """Keep the library's warnings back: that a server does not answer, and what local mode lacks or does slowly."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
