"""What stands before every HTTP request: who may ask, how much at once, how often, how long."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

LOOPBACK = ("127.0.0.1", "localhost", "::1")
CLIENTS = 10_000
"""Addresses whose rate is remembered; the one that was quiet longest is forgotten first."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request, one client and the whole server may take.

    `body` in bytes (`pictures` where pictures are sent), `seconds` for one request, `concurrent` requests of one
    worker, `rate` requests a second from one address (0 = no limit).
    """

    body: int = 1_000_000
    pictures: int = 32_000_000
    seconds: float = 30.0
    concurrent: int = 64
    rate: float = 0.0


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer without asking the application."""

    status: int
    detail: str
    retry_after: int | None = None


OPEN = ("/health", "/openapi.json", "/docs", "/")
"""Addresses that need no token, with the files of the page: they tell nothing of the corpus."""

CLOSES_EVERY = 100
"""Where there are several workers, one of so many answers ends its connection, as nginx's `keepalive_requests` does:
the client's next one goes to a worker that waits. Of the connections that a client opens at once, one worker can get
all, and the others would have nothing to do."""

PICTURES = ("/v1/identify", "/v1/identities")


class TooLargeError(Exception):
    """The body goes on beyond the limit."""


class Guard:
    """ASGI middleware that checks Host, Origin and token, and holds the limits.

    Browsers send Host and Origin themselves: checking both keeps a page from somewhere else, also one whose name was
    made to point here (DNS rebinding), from reading the corpus.
    """

    def __init__(
        self,
        app: App,
        *,
        hosts: tuple[str, ...] = LOOPBACK,
        token: str | None = None,
        limits: Limits | None = None,
        counted: Callable[[str, int, float], None] = lambda path, status, seconds: None,
        closes_every: int = 0,
    ) -> None:
        """Stand before `app`; `counted` is told path, status and seconds of each request.

        One of `closes_every` answers ends its connection; 0 = none.
        """
        self.app = app
        self.hosts = {host.lower() for host in hosts}
        self.token = token
        self.limits = limits or Limits()
        self.counted = counted
        self.closes_every = closes_every
        self._answered = 0
        self._running = 0
        self._allowance: OrderedDict[str, tuple[float, float]] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check a request, then let it through."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 500

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                self._answered += 1
                if self.closes_every and self._answered % self.closes_every == 0:
                    message = {**message, "headers": [*message.get("headers", ()), (b"connection", b"close")]}
            await send(message)

        refusal = self._refusal(scope)
        if refusal is not None:
            await _refuse(sending, refusal)
        else:
            self._running += 1
            try:
                await self._limited(scope, receive, sending)
            finally:
                self._running -= 1
        self.counted(scope["path"], status, time.perf_counter() - started)

    async def _limited(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = exceeded = False

        async def sending(message: Message) -> None:
            nonlocal begun
            if not exceeded:  # what the application says of half a body is of no interest
                begun = True
                await send(message)

        taken, most = 0, self._most(scope)

        async def receiving() -> Message:
            nonlocal taken, exceeded
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > most:
                exceeded = True
                raise TooLargeError
            return message

        seconds = None if scope["path"].endswith("/events") else self.limits.seconds
        try:
            with contextlib.suppress(TooLargeError):
                async with asyncio.timeout(seconds):  # wait_for would make a task of its own for each request
                    await self.app(scope, receiving, sending)
            if exceeded and not begun:
                await _refuse(send, Refusal(413, f"the body is over {most:,} bytes"))
        except TimeoutError:
            if not begun:
                await _refuse(send, Refusal(504, f"no answer within {self.limits.seconds:g} seconds"))

    def _refusal(self, scope: Scope) -> Refusal | None:
        headers: dict[bytes, bytes] = dict(scope["headers"])
        host = _hostname(b"//" + headers.get(b"host", b""))
        if host not in self.hosts:
            return Refusal(
                421, "this server does not go by that name: ask it by the address it was started with"
            )
        origin = headers.get(b"origin")
        if origin is not None and _hostname(origin) not in self.hosts:
            return Refusal(403, "a page from somewhere else may not ask this server")
        if self.token is not None and not _is_open(scope["path"]):
            scheme, _, secret = headers.get(b"authorization", b"").partition(b" ")
            given = secret if scheme.lower() == b"bearer" else b""
            if not hmac.compare_digest(given, self.token.encode()):
                return Refusal(401, "a token is needed: send 'Authorization: Bearer TOKEN'")
        length = headers.get(b"content-length", b"0")
        if length.isdigit() and int(length) > self._most(scope):
            return Refusal(413, f"the body is over {self._most(scope):,} bytes")
        if self._running >= self.limits.concurrent:
            return Refusal(503, "too many requests at once: try again", 1)
        client = scope.get("client")
        if self.limits.rate and not self._may(client[0] if client else ""):
            return Refusal(429, f"over {self.limits.rate:g} requests a second: slow down", 1)
        return None

    def _most(self, scope: Scope) -> int:
        return self.limits.pictures if scope["path"].startswith(PICTURES) else self.limits.body

    def _may(self, address: str) -> bool:
        """A bucket for each address that fills at the rate and holds two seconds of it."""
        now = time.monotonic()
        full = max(2 * self.limits.rate, 1.0)
        left, before = self._allowance.pop(address, (full, now))
        left = min(full, left + (now - before) * self.limits.rate)
        self._allowance[address] = (max(left - 1, 0.0), now)
        if len(self._allowance) > CLIENTS:
            self._allowance.popitem(last=False)
        return left >= 1


def _is_open(path: str) -> bool:
    return path in OPEN or not (path.startswith("/v1/") or path == "/metrics")


@lru_cache(maxsize=64)
def _hostname(url: bytes) -> str:
    try:
        return (urlsplit(url.decode("latin-1")).hostname or "").lower()
    except ValueError:
        return ""


async def _refuse(send: Send, refusal: Refusal) -> None:
    body = json.dumps({"detail": refusal.detail}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if refusal.retry_after is not None:
        headers.append((b"retry-after", str(refusal.retry_after).encode()))
    if refusal.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
