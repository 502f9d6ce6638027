"""Any OpenAI-compatible embeddings endpoint (`openai:MODEL[@BASE-URL]`), with the standard library only."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from tellapart.encoders.endpoint import (
    EMBEDDINGS,
    EXCERPT,
    LENGTH_VARIABLE,
    TOO_LARGE,
    Client,
    Endpoint,
    EndpointError,
)
from tellapart.encoders.protocol import OfTexts, Vectors, unit_rows
from tellapart.progress import Progress, silent

BYTES_PER_TOKEN = 2
"""A careful guess without the model's tokenizer: English has about 4.5, code 3, Chinese 2 to 3."""

SHORTENED_MODELS, SHORTENED = "text-embedding-3", 256
"""Models whose prefixes are embeddings too, and the smallest that OpenAI reports figures for (its announcement of
January 2024)."""

BATCH_TEXTS, BATCH_BYTES = 64, 200_000


class OpenAiEncoder(OfTexts):
    """Asks an endpoint for vectors; waits and tries again on overload, failure and time-outs.

    The weights cannot be hashed from outside: `fingerprint` is a hash of server, model name and dimension, the
    one exception to the rule that a name never identifies an encoder.
    """

    def __init__(self, endpoint: Endpoint, *, name: str, sleep: Callable[[float], None] = time.sleep) -> None:
        """Ask for one vector, to learn the dimension; `sleep` is replaced in tests."""
        self.name = name
        self.endpoint = endpoint
        self.max_tokens: int | None = endpoint.max_tokens
        self._client = Client(endpoint, sleep=sleep)
        self._most = BATCH_TEXTS
        self.dim = len(self._asked(["dimension"])[0])
        self.matryoshka = SHORTENED if endpoint.model.startswith(SHORTENED_MODELS) else 0
        identity = json.dumps([endpoint.base_url, endpoint.model, self.dim])
        self.fingerprint = hashlib.blake2b(identity.encode(), digest_size=16).hexdigest()

    @classmethod
    def open(cls, spec: str) -> OpenAiEncoder:
        """Open MODEL[@BASE-URL]; see `Endpoint.parse` for the environment it reads."""
        return cls(Endpoint.parse(spec), name=f"openai:{spec}")

    def encode_query(self, texts: Sequence[str]) -> Vectors:
        """Encode queries: (n, dim), rows of unit length."""
        return self.encode_document(texts)

    def encode_document(self, texts: Sequence[str], *, progress: Progress = silent) -> Vectors:
        """Encode units in batches: (n, dim), rows of unit length."""
        rows: list[list[float]] = []
        with progress(f"encoding with {self.name}", len(texts)) as advance:
            for batch in _batches(texts):
                rows += self._in_parts(batch)
                advance(len(batch))
        if any(len(row) != self.dim for row in rows):
            raise self._client.failure(
                EMBEDDINGS, f"vectors of another dimension than the {self.dim} numbers before: index again"
            )
        if not rows:
            return np.zeros((0, self.dim), dtype=np.float32)
        values = np.array(rows, dtype=np.float32)
        if not np.isfinite(values).all():
            raise self._client.failure(EMBEDDINGS, "returned NaN or infinite values")
        if not values.any(axis=1).all():
            text = texts[int(np.flatnonzero(~values.any(axis=1))[0])]
            raise self._client.failure(
                EMBEDDINGS, f"returned a vector of zeros, which no search finds, for {text[:40]!r}"
            )
        return unit_rows(values, encoder=self.name)

    def _in_parts(self, texts: Sequence[str]) -> list[list[float]]:
        """Ask for a batch in parts of a size that the server takes, halved whenever it finds one too large."""
        rows: list[list[float]] = []
        while len(rows) < len(texts):
            part = texts[len(rows) : len(rows) + self._most]
            try:
                rows += self._asked(part)
            except EndpointError as error:
                if error.code not in TOO_LARGE:
                    raise
                if len(part) == 1:
                    raise EndpointError(
                        f"{error}; if the text is too long for the model, set {LENGTH_VARIABLE}", error.code
                    ) from None
                self._most = len(part) // 2
        return rows

    def count_tokens(self, texts: Sequence[str]) -> NDArray[np.int32]:
        """Guess the tokens of each text, rather too many: two bytes each."""
        sizes = [-(-len(text.encode("utf-8", "replace")) // BYTES_PER_TOKEN) for text in texts]
        return np.array(sizes, dtype=np.int32)

    def _asked(self, texts: Sequence[str]) -> list[list[float]]:
        # An empty input is refused by OpenAI's own server.
        body = self._client.ask(
            EMBEDDINGS, {"input": [text or " " for text in texts], "encoding_format": "float"}
        )
        try:
            entries = json.loads(body)["data"]
            rows = [entry["embedding"] for entry in sorted(entries, key=lambda entry: int(entry["index"]))]
            numbers = sorted(int(entry["index"]) for entry in entries)
            sound = all(map(_is_vector, rows)) and numbers == list(range(len(texts)))
        except (ValueError, KeyError, TypeError):
            sound = False
        if not sound:
            raise self._client.failure(
                EMBEDDINGS,
                f"not the {len(texts)} embeddings asked for: {body[:EXCERPT].decode('utf-8', 'replace')!r}",
            )
        return rows


def _is_vector(row: object) -> bool:
    return isinstance(row, list) and bool(row) and all(type(value) in (int, float) for value in row)


def _batches(texts: Sequence[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    size = 0
    for text in texts:
        more = len(text.encode("utf-8", "replace"))
        if batch and (len(batch) == BATCH_TEXTS or size + more > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(text)
        size += more
    if batch:
        yield batch
