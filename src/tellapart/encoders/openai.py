"""Any OpenAI-compatible embeddings endpoint (`openai:MODEL[@BASE-URL]`), with the standard library only.

OPENAI_API_KEY goes to api.openai.com and to the server that TELLAPART_OPENAI_BASE_URL names, never to
one that only an encoder's name mentions: an index somebody else made could carry such a name.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from email.message import Message
from email.utils import parsedate_to_datetime
from http.client import HTTPException, HTTPMessage
from typing import IO
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

import numpy as np
from numpy.typing import NDArray

from tellapart.encoders.protocol import Vectors
from tellapart.encoders.rows import unit_rows
from tellapart.errors import TellapartError
from tellapart.progress import Progress, silent

DEFAULT_BASE_URL = "https://api.openai.com/v1"
KEY_VARIABLE = "OPENAI_API_KEY"
BASE_VARIABLE = "TELLAPART_OPENAI_BASE_URL"
RATE_VARIABLE = "TELLAPART_OPENAI_REQUESTS_PER_MINUTE"
LENGTH_VARIABLE = "TELLAPART_OPENAI_MAX_TOKENS"

OPENAI_TOKENS, OTHER_TOKENS = 8_191, 512
"""Longest input: of OpenAI's models (their documentation), and what most other served encoders take."""

BYTES_PER_TOKEN = 2
"""A careful guess without the model's tokenizer: English has about 4.5, code 3, Chinese 2 to 3."""

BATCH_TEXTS, BATCH_BYTES = 64, 200_000
ATTEMPTS = 6
FIRST_WAIT, LONGEST_WAIT = 0.5, 60.0
TIMEOUT = 60.0
RETRIED = (408, 409, 429, 500, 502, 503, 504, 529)
EXCERPT = 200


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a model is served and how it may be asked; `key` None = no authorisation is sent."""

    model: str
    base_url: str
    key: str | None
    max_tokens: int
    requests_per_minute: float = 0.0

    @classmethod
    def parse(cls, spec: str) -> Endpoint:
        """Read MODEL[@BASE-URL] and the environment.

        Raises:
            TellapartError: The URL is not http(s), a number is none, or the key for OpenAI is missing.
        """
        model, at, named = spec.rpartition("@")
        if not at or "://" not in named:
            model, named = spec, ""
        trusted = (os.environ.get(BASE_VARIABLE) or DEFAULT_BASE_URL).rstrip("/")
        base = named.rstrip("/") or trusted
        parts = urlsplit(base)
        if parts.scheme not in ("http", "https") or not parts.hostname or not model:
            raise TellapartError(
                f"cannot read the encoder 'openai:{spec}': write openai:MODEL or openai:MODEL@https://HOST/v1"
            )
        key = os.environ.get(KEY_VARIABLE) if base in (trusted, DEFAULT_BASE_URL) else None
        if base == DEFAULT_BASE_URL and not key:
            raise TellapartError(
                f"the encoder 'openai:{spec}' needs a key: set {KEY_VARIABLE}, or name a server with @BASE-URL"
            )
        usual = OPENAI_TOKENS if base == DEFAULT_BASE_URL else OTHER_TOKENS
        return cls(model, base, key, int(_number(LENGTH_VARIABLE, usual)), _number(RATE_VARIABLE, 0))


class OpenAiEncoder:
    """Asks an endpoint for vectors; waits and tries again on overload, failure and time-outs.

    The weights cannot be hashed from outside: `fingerprint` is a hash of server, model name and dimension, the
    one exception to the rule that a name never identifies an encoder.
    """

    def __init__(self, endpoint: Endpoint, *, name: str, sleep: Callable[[float], None] = time.sleep) -> None:
        """Ask for one vector, to learn the dimension; `sleep` is replaced in tests."""
        self.name = name
        self.endpoint = endpoint
        self.max_tokens: int | None = endpoint.max_tokens
        self._sleep = sleep
        self._next_request = 0.0
        self._opener = build_opener(_NoRedirects)
        self.dim = len(self._asked(["dimension"])[0])
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
                rows += self._asked(batch)
                advance(len(batch))
        if any(len(row) != self.dim for row in rows):
            raise TellapartError(
                f"{self.endpoint.base_url} changed the dimension of {self.endpoint.model!r}: index again"
            )
        return unit_rows(rows, encoder=self.name) if rows else np.zeros((0, self.dim), dtype=np.float32)

    def count_tokens(self, texts: Sequence[str]) -> NDArray[np.int32]:
        """Guess the tokens of each text, rather too many: two bytes each."""
        sizes = [-(-len(text.encode("utf-8", "replace")) // BYTES_PER_TOKEN) for text in texts]
        return np.array(sizes, dtype=np.int32)

    def _asked(self, texts: Sequence[str]) -> list[list[float]]:
        wait = FIRST_WAIT
        for attempt in range(1, ATTEMPTS + 1):
            self._wait_for_turn()
            try:
                return self._vectors(self._post(texts), len(texts))
            except HTTPError as error:
                reason = f"HTTP {error.code} {_excerpt(error)}"
                if error.code not in RETRIED or attempt == ATTEMPTS:
                    raise TellapartError(self._failure(reason, error.code)) from None
                told = _retry_after(error.headers)
                pause = wait if told is None else told
            except (URLError, HTTPException, TimeoutError, ConnectionError) as error:
                if attempt == ATTEMPTS:
                    raise TellapartError(
                        self._failure(str(getattr(error, "reason", error)) or repr(error))
                    ) from None
                pause = wait
            self._sleep(min(pause, LONGEST_WAIT))
            wait = min(2 * wait, LONGEST_WAIT)
        raise AssertionError  # the last attempt returns or raises

    def _post(self, texts: Sequence[str]) -> bytes:
        headers = {"Content-Type": "application/json", "User-Agent": "tellapart"}
        if self.endpoint.key:
            headers["Authorization"] = f"Bearer {self.endpoint.key}"
        # An empty input is refused by OpenAI's own server.
        content = {
            "model": self.endpoint.model,
            "input": [text or " " for text in texts],
            "encoding_format": "float",
        }
        body = json.dumps(content).encode()
        request = Request(f"{self.endpoint.base_url}/embeddings", data=body, headers=headers, method="POST")
        with self._opener.open(request, timeout=TIMEOUT) as response:
            return bytes(response.read())

    def _vectors(self, body: bytes, wanted: int) -> list[list[float]]:
        try:
            entries = json.loads(body)["data"]
            rows = [entry["embedding"] for entry in sorted(entries, key=lambda entry: int(entry["index"]))]
            numbers = sorted(int(entry["index"]) for entry in entries)
            sound = all(isinstance(row, list) and row for row in rows) and numbers == list(range(wanted))
        except (ValueError, KeyError, TypeError):
            sound = False
        if not sound:
            raise TellapartError(
                self._failure(
                    f"not the {wanted} embeddings asked for: {body[:EXCERPT].decode('utf-8', 'replace')!r}"
                )
            )
        return rows

    def _wait_for_turn(self) -> None:
        if self.endpoint.requests_per_minute > 0:
            now = time.monotonic()
            if now < self._next_request:
                self._sleep(self._next_request - now)
            self._next_request = max(now, self._next_request) + 60 / self.endpoint.requests_per_minute

    def _failure(self, reason: str, code: int = 0) -> str:
        advice = "check the server and the model's name"
        if code in (401, 403):
            advice = (
                f"check {KEY_VARIABLE}"
                if self.endpoint.key
                else f"set {KEY_VARIABLE} and name this server with {BASE_VARIABLE} (keys go nowhere else)"
            )
        return f"{self.endpoint.base_url}/embeddings, model {self.endpoint.model!r}: {reason}; {advice}"


class _NoRedirects(HTTPRedirectHandler):
    """A redirect would carry the key and the texts to a server that nobody named."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        return None


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


def _retry_after(headers: Message) -> float | None:
    """Seconds the server asks to wait: a number or a date (RFC 9110, 10.2.3)."""
    value = headers.get("Retry-After")
    if value is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None


def _excerpt(error: HTTPError) -> str:
    try:
        body = error.read(4_096).decode("utf-8", "replace")
    except OSError:
        return str(error.reason)
    with contextlib.suppress(ValueError, KeyError, TypeError):
        body = str(json.loads(body)["error"]["message"])
    return " ".join((body or str(error.reason)).split())[:EXCERPT]


def _number(variable: str, usual: float) -> float:
    value = os.environ.get(variable)
    if not value:
        return usual
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if not 0 < number < 1e9:
        raise TellapartError(f"{variable} is {value!r}: set a number above 0")
    return number
