"""How the workers of one server share its connections."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

PAUSE, LONGEST_PAUSE = 0.0005, 0.005
"""Seconds that a worker leaves the next connection to the others, for each that it has."""

FULL_PAUSE = 0.1
"""Seconds until it tries again after one could not be taken (no file descriptors are left)."""

Protocols = Callable[[], asyncio.BaseProtocol]


def worker_loop() -> asyncio.AbstractEventLoop:
    """Make the event loop of one of several workers (POSIX): see `SharedServer`."""
    from uvloop import Loop

    class WorkerLoop(Loop):
        async def create_server(
            self,
            protocol_factory: Protocols,
            *,
            sock: socket.socket,
            backlog: int = 100,
            **_: Any,  # noqa: ANN401
        ) -> asyncio.AbstractServer:
            return SharedServer(self, protocol_factory, sock, backlog)

    return WorkerLoop()


class SharedServer(asyncio.AbstractServer):
    """Accepts from a socket that several workers share, one connection at a time; who has fewer takes the next.

    Otherwise the worker that wakes first takes all that wait: of 16 clients that connect at once one worker often
    gets all, and the others idle for as long as these clients keep their connections. The socket stays one, so that
    what waits in its queue outlives a worker.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, make: Protocols, shared: socket.socket, backlog: int
    ) -> None:
        self._loop, self._make, self._shared = loop, make, shared
        self._open: list[asyncio.BaseTransport] = []
        self._beginning: set[asyncio.Task[None]] = set()
        self._closed = False
        shared.setblocking(False)
        shared.listen(backlog)
        self._resume()

    @property
    def sockets(self) -> tuple[socket.socket, ...]:
        """The shared socket."""
        return (self._shared,)

    def close(self) -> None:
        """Take no more connections."""
        if not self._closed:
            self._closed = True
            self._loop.remove_reader(self._shared)

    async def wait_closed(self) -> None:
        """Return at once: open connections are their owner's."""

    def _resume(self) -> None:
        if not self._closed:
            self._loop.add_reader(self._shared, self._accept)

    def _accept(self) -> None:
        try:
            connection, _ = self._shared.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return  # another worker was faster, or the client gave up
        except OSError:
            self._rest(FULL_PAUSE)
            return
        connection.setblocking(False)
        task = self._loop.create_task(self._serve(connection))
        self._beginning.add(task)
        task.add_done_callback(self._beginning.discard)
        self._open = [each for each in self._open if not each.is_closing()]
        self._rest(min(PAUSE * (len(self._open) + 1), LONGEST_PAUSE))

    def _rest(self, seconds: float) -> None:
        self._loop.remove_reader(self._shared)
        self._loop.call_later(seconds, self._resume)

    async def _serve(self, connection: socket.socket) -> None:
        transport, _ = await self._loop.connect_accepted_socket(self._make, connection)
        self._open.append(transport)
