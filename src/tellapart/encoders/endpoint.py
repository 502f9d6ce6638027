"""Servers that speak OpenAI's protocol: where they are, how they are asked, and when asking again helps.

OPENAI_API_KEY goes to api.openai.com and to the server that TELLAPART_OPENAI_BASE_URL names, never to
one that only a model's name mentions: an index somebody else made could carry such a name.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from email.message import Message
from email.utils import parsedate_to_datetime
from http.client import HTTPException, HTTPMessage, HTTPResponse
from typing import IO, TypeVar
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from tellapart.errors import TellapartError

T = TypeVar("T")

EMBEDDINGS = "embeddings"
DEFAULT_BASE_URL = "https://api.openai.com/v1"
KEY_VARIABLE = "OPENAI_API_KEY"
BASE_VARIABLE = "TELLAPART_OPENAI_BASE_URL"
RATE_VARIABLE = "TELLAPART_OPENAI_REQUESTS_PER_MINUTE"
LENGTH_VARIABLE = "TELLAPART_OPENAI_MAX_TOKENS"

OPENAI_TOKENS, OTHER_TOKENS = 8_191, 512
"""Longest input: of OpenAI's encoders (their documentation), and what most other served encoders take."""

ATTEMPTS = 6
FIRST_WAIT, LONGEST_WAIT = 0.5, 60.0
PATIENCE = 120.0
"""Seconds that one request may wait in all; a server that asks for more (a quota is used up) is given up at once."""

TOLD_SECONDS = 1.0
"""A wait from here on is said."""

WITHOUT_SERVER = "'tellapart search --ranker bm25' needs no server"
PAYLOAD_TOO_LARGE = 413
TOO_LARGE = (400, PAYLOAD_TOO_LARGE, 422)
"""Codes with which servers refuse a request of too many texts or too much text."""

OUT_OF_MEMORY = re.compile("out of memory", re.IGNORECASE)
"""What servers say of the same as a fault of theirs, which fewer texts avoid and waiting does not."""

log = logging.getLogger("tellapart")
TIMEOUT = 60.0
RETRIED = (408, 409, 429, 500, 502, 503, 504, 529)
EXCERPT = 200


class EndpointError(TellapartError):
    """A server did not answer as asked; `code` is its HTTP status, 0 where there was none."""

    def __init__(self, message: str, code: int = 0) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a model is served and how it may be asked; `key` None = no authorisation is sent."""

    model: str
    base_url: str
    key: str | None
    max_tokens: int
    requests_per_minute: float = 0.0

    @classmethod
    def parse(cls, spec: str, *, what: str = "encoder") -> Endpoint:
        """Read MODEL[@BASE-URL] and the environment; `what` the model is stands in the errors.

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
                f"cannot read the {what} 'openai:{spec}': write openai:MODEL or openai:MODEL@https://HOST/v1"
            )
        key = os.environ.get(KEY_VARIABLE) if base in (trusted, DEFAULT_BASE_URL) else None
        if base == DEFAULT_BASE_URL and not key:
            raise TellapartError(
                f"the {what} 'openai:{spec}' needs a key: set {KEY_VARIABLE}, or name a server with @BASE-URL"
            )
        usual = OPENAI_TOKENS if base == DEFAULT_BASE_URL else OTHER_TOKENS
        return cls(model, base, key, int(_number(LENGTH_VARIABLE, usual)), _number(RATE_VARIABLE, 0))


class Client:
    """Asks one endpoint; waits and tries again on overload, failure and time-outs."""

    def __init__(
        self, endpoint: Endpoint, *, sleep: Callable[[float], None] = time.sleep, timeout: float = TIMEOUT
    ) -> None:
        """Open nothing yet; `timeout` is how many seconds it may be silent, `sleep` is replaced in tests."""
        self.endpoint = endpoint
        self.timeout = timeout
        self._sleep = sleep
        self._next_request = 0.0
        self._opener = build_opener(_NoRedirects)

    def ask(self, path: str, content: Mapping[str, object]) -> bytes:
        """Post JSON and give the body of the answer.

        Raises:
            TellapartError: The server refuses, or cannot be reached after several attempts.
        """

        def whole() -> bytes:
            with self._post(path, content) as response:
                return bytes(response.read())

        return self._persistently(path, whole)

    def lines(self, path: str, content: Mapping[str, object]) -> Iterator[bytes]:
        """Post JSON and give the lines of the answer as they come.

        Raises:
            TellapartError: The server refuses, cannot be reached, or falls silent in the middle.
        """
        response = self._persistently(path, lambda: self._post(path, content))
        try:
            with response:
                yield from response
        except (HTTPException, TimeoutError, OSError) as error:
            raise self.failure(path, f"the answer broke off: {error!r}") from None

    def _persistently(self, path: str, attempt_once: Callable[[], T]) -> T:
        """Try, wait and try again where that can help; say so, and give up rather than wait longer than `PATIENCE`."""
        wait, waited = FIRST_WAIT, 0.0
        for attempt in range(1, ATTEMPTS + 1):
            self._wait_for_turn()
            try:
                return attempt_once()
            except HTTPError as error:
                reason = f"HTTP {error.code} {_excerpt(error)}"
                code = PAYLOAD_TOO_LARGE if OUT_OF_MEMORY.search(reason) else error.code
                if code not in RETRIED or attempt == ATTEMPTS:
                    raise self.failure(path, reason, code) from None
                told = _retry_after(error.headers)
                pause = wait if told is None else told
            except (URLError, HTTPException, TimeoutError, ConnectionError) as error:
                if attempt == ATTEMPTS:
                    raise self.failure(path, str(getattr(error, "reason", error)) or repr(error)) from None
                pause = wait
                reason = str(getattr(error, "reason", error)) or repr(error)
            waited += pause
            if waited > PATIENCE:
                asked = (
                    f"{reason}; it asks to wait {pause:,.0f} s, and tellapart waits {PATIENCE:.0f} s at most"
                )
                raise self.failure(path, asked, 429)
            if pause >= TOLD_SECONDS:
                log.warning(
                    "%s: %s; waiting %.0f s, then trying again", self.endpoint.base_url, reason, pause
                )
            self._sleep(pause)
            wait = min(2 * wait, LONGEST_WAIT)
        raise AssertionError  # the last attempt returns or raises

    def failure(self, path: str, reason: str, code: int = 0) -> EndpointError:
        """Say in one line what an endpoint did not do."""
        advice = "check the server and the model's name"
        if code in (401, 403):
            advice = (
                f"check {KEY_VARIABLE}"
                if self.endpoint.key
                else f"set {KEY_VARIABLE} and name this server with {BASE_VARIABLE} (keys go nowhere else)"
            )
        if path == EMBEDDINGS:
            advice += f"; {WITHOUT_SERVER}"
        return EndpointError(
            f"{self.endpoint.base_url}/{path}, model {self.endpoint.model!r}: {reason}; {advice}", code
        )

    def _post(self, path: str, content: Mapping[str, object]) -> HTTPResponse:
        headers = {"Content-Type": "application/json", "User-Agent": "tellapart"}
        if self.endpoint.key:
            headers["Authorization"] = f"Bearer {self.endpoint.key}"
        body = json.dumps({"model": self.endpoint.model, **content}).encode()
        request = Request(f"{self.endpoint.base_url}/{path}", data=body, headers=headers, method="POST")
        response: HTTPResponse = self._opener.open(request, timeout=self.timeout)
        return response

    def _wait_for_turn(self) -> None:
        if self.endpoint.requests_per_minute > 0:
            now = time.monotonic()
            if now < self._next_request:
                self._sleep(self._next_request - now)
            self._next_request = max(now, self._next_request) + 60 / self.endpoint.requests_per_minute


class _NoRedirects(HTTPRedirectHandler):
    """A redirect would carry the key and the texts to a server that nobody named."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        return None


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
