"""An index of OpenSearch: a document for each unit, with BM25 of our k1 and b and a vector to find neighbours by."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from tellapart.corpus.document import Kind
from tellapart.engine.exported import Exported, Fields, UnitBatch
from tellapart.engine.targets.mirror import Held, Server, is_url
from tellapart.errors import TellapartError, require
from tellapart.index.lexical.bm25 import defaults
from tellapart.index.lexical.tokens import STOP_WORDS

EXTRA = "opensearch"
PASSWORD = "OPENSEARCH_PASSWORD"
SECONDS = 60
RETRIES = 3
PAGE = 1_000
REQUEST_BYTES = 10 << 20
"""Of one bulk request; OpenSearch takes 100 MB, services often 10."""

LONGEST_KEYWORD = 8_191
"""Characters of a value that can be filtered by: Lucene takes 32,766 bytes, and a character has four at the most."""

KEYWORDS = (
    *("id", "document", "path", "label", "granularity", "kind", "language", "place"),
    *("encoder", "fingerprint", "revision"),
)
NUMBERS = ("start", "end", "first_line", "last_line")


class OpenSearchIndex(Server):
    """Documents with ids made from those of the units.

    `indexed` holds the words of a unit as our BM25 sees them, its context and its text; `indexed.code` cuts
    identifiers into their parts. Neighbours are found by faiss's HNSW over halves, by inner product.
    """

    def __init__(self, to: object, collection: str) -> None:
        """Connect: `to` is a URL, with user and password or with $OPENSEARCH_PASSWORD, or an `OpenSearch` client.

        Raises:
            TellapartError: The library is missing, or `to` is no URL.
        """
        library = require("opensearchpy", extra=EXTRA)
        self._helpers = require("opensearchpy.helpers", extra=EXTRA)
        super().__init__(to, collection)
        self.errors = (
            library.exceptions.OpenSearchException,
            ValueError,
            OSError,
        )
        if isinstance(to, str | Path):
            if not is_url(str(to)):
                raise TellapartError(f"{to} is no server: write https://user@host:9200")
            url, login = _login(str(to))
            self._client = library.OpenSearch(
                url,
                http_auth=login,
                timeout=SECONDS,
                max_retries=RETRIES,
                retry_on_status=(429, 502, 503, 504),
            )

    def held(self) -> Held | None:
        """Say what the index holds; None where there is none."""
        if not self._client.indices.exists(index=self._name):
            return None
        mappings = next(iter(self._client.indices.get_mapping(index=self._name).values()))["mappings"]
        made = mappings.get("_meta", {}).get("tellapart")
        return Held(made["dim"], made["encoder"]) if made else Held(None, None)

    def create(self, exported: Exported) -> None:
        """Make an empty index."""
        self._client.indices.create(index=self._name, body=definition(exported))

    def revisions(self, keys: Sequence[str]) -> dict[str, str]:
        """Give the `revision` of those of some units that are there."""
        found = self._client.mget(index=self._name, body={"ids": list(keys)}, _source=["revision"])["docs"]
        return {each["_id"]: each["_source"]["revision"] for each in found if each.get("found")}

    def put(self, batch: UnitBatch) -> int:
        """Add units, or replace those of the same keys; says of how many some metadata had to be cut."""
        sent = [{**unit, "metadata": _shortened(unit["metadata"])} for unit in batch.units]
        self._bulk(
            {"_op_type": "index", "_id": key, "_source": {**unit, "vector": vector.tolist()}}
            for key, unit, vector in zip(batch.keys, sent, batch.vectors, strict=True)
        )
        return sum(row != unit for row, unit in zip(sent, batch.units, strict=True))

    def pages(self) -> Iterator[list[str]]:
        """Give the keys of all units."""
        self._client.indices.refresh(index=self._name)
        ours = {"query": {"exists": {"field": "revision"}}, "_source": False}
        page: list[str] = []
        for found in self._helpers.scan(self._client, query=ours, index=self._name, size=PAGE):
            page.append(found["_id"])
            if len(page) == PAGE:
                yield page
                page = []
        yield page

    def remove(self, keys: Sequence[str]) -> None:
        """Take units out."""
        self._bulk({"_op_type": "delete", "_id": key} for key in keys)

    def _bulk(self, actions: Iterator[Fields]) -> None:
        for worked, said in self._helpers.streaming_bulk(
            self._client,
            actions,
            index=self._name,
            max_chunk_bytes=REQUEST_BYTES,
            max_retries=RETRIES,
            raise_on_error=False,
        ):
            result = next(iter(said.values()))
            if not worked and result.get("status") != 404:  # a unit to remove that is gone already
                error = result.get("error") or result
                reason = error.get("reason", error) if isinstance(error, dict) else error
                raise TellapartError(
                    f"{self.place} refuses unit {result.get('_id')}: {' '.join(str(reason).split())}"
                )


def definition(exported: Exported) -> Fields:
    """Settings and mapping of an index: analysers near ours, BM25 with our k1 and b, vectors, fields to filter by.

    `metadata` is one flat object, so that a key may hold a number here and a word there.
    """
    similarity = {
        kind.value: dict(zip(("type", "k1", "b"), ("BM25", *defaults(kind)), strict=True))
        for kind in (Kind.PROSE, Kind.CODE)
    }
    parts = {"type": "word_delimiter_graph", "preserve_original": True, "stem_english_possessive": False}
    words = {"type": "stop", "stopwords": sorted(STOP_WORDS)}
    prose = {"type": "custom", "tokenizer": "standard", "filter": ["lowercase", "words", "porter_stem"]}
    code = {
        "type": "custom",
        "tokenizer": "identifiers",
        "filter": ["parts", "flatten_graph", "lowercase", "words", "porter_stem"],
    }
    keyword = {"type": "keyword", "ignore_above": LONGEST_KEYWORD}
    text = {"type": "text", "index": False}
    return {
        "settings": {
            "index": {"knn": True, "similarity": similarity},
            "analysis": {
                "tokenizer": {"identifiers": {"type": "pattern", "pattern": r"[^\p{L}\p{N}_]+"}},
                "filter": {"parts": parts, "words": words},
                "analyzer": {"prose": prose, "code": code},
            },
        },
        "mappings": {
            "_meta": {"tellapart": {"encoder": exported.encoder, "dim": exported.dim}},
            "dynamic": False,
            "properties": {
                **dict.fromkeys(KEYWORDS, keyword),
                **{name: {"type": "integer"} for name in NUMBERS},
                "title": {"type": "text", "analyzer": "prose", "fields": {"keyword": keyword}},
                "context": {**text, "copy_to": "indexed"},
                "text": {**text, "copy_to": "indexed"},
                "indexed": {
                    "type": "text",
                    "analyzer": "prose",
                    "similarity": "prose",
                    "fields": {"code": {"type": "text", "analyzer": "code", "similarity": "code"}},
                },
                "metadata": {"type": "flat_object"},
                "vector": {
                    "type": "knn_vector",
                    "dimension": exported.dim,
                    "method": {
                        "name": "hnsw",
                        "engine": "faiss",
                        "space_type": "innerproduct",
                        "parameters": {"encoder": {"name": "sq", "parameters": {"type": "fp16"}}},
                    },
                },
            },
        },
    }


def _login(to: str) -> tuple[str, tuple[str, str] | None]:
    """Take user and password out of a URL; the password may stand in the environment instead."""
    parts = urlsplit(to)
    user, at, host = parts.netloc.rpartition("@")
    name, _, password = user.partition(":")
    if not at:
        return to, None
    known = unquote(password) or os.environ.get(PASSWORD, "")
    return urlunsplit(parts._replace(netloc=host)), (unquote(name), known)


def _shortened(value: object) -> object:
    """Cut what is too long to be filtered by."""
    if isinstance(value, str):
        return value[:LONGEST_KEYWORD]
    if isinstance(value, dict):
        return {key: _shortened(each) for key, each in value.items()}
    return [_shortened(each) for each in value] if isinstance(value, list) else value
