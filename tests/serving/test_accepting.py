"""Workers that share a socket share the connections that come to it."""

from __future__ import annotations

import asyncio
import socket
import threading
import time

import pytest

pytest.importorskip("uvloop")

from tellapart.serving.accepting import worker_loop

CLIENTS = 16


class Worker(threading.Thread):
    """Echoes what it is sent; `seen` counts its connections."""

    def __init__(self, shared):
        super().__init__(daemon=True)
        self.shared, self.seen = shared, 0
        self.loop, self.ready = worker_loop(), threading.Event()

    def run(self):
        self.loop.run_until_complete(self.serve())

    async def serve(self):
        worker = self

        class Echo(asyncio.Protocol):
            def connection_made(self, transport):
                worker.seen += 1
                self.transport = transport

            def data_received(self, data):
                self.transport.write(data)

        self.stopped = asyncio.Event()
        server = await self.loop.create_server(Echo, sock=self.shared, backlog=100)
        self.ready.set()
        await self.stopped.wait()
        server.close()
        await server.wait_closed()

    def stop(self):
        self.loop.call_soon_threadsafe(self.stopped.set)
        self.join()


@pytest.fixture
def shared():
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound


def answered(client):
    client.sendall(b"here")
    return client.recv(4) == b"here"


def test_clients_that_come_at_once_are_shared(shared):
    workers = [Worker(shared.dup()), Worker(shared.dup())]
    for worker in workers:
        worker.start()
        assert worker.ready.wait(10)
    clients = [socket.create_connection(shared.getsockname(), timeout=20) for _ in range(CLIENTS)]
    assert all(answered(client) for client in clients)
    assert sum(worker.seen for worker in workers) == CLIENTS
    assert min(worker.seen for worker in workers) >= CLIENTS // 4
    for client in clients:
        client.close()
    for worker in workers:
        worker.stop()


def test_one_worker_takes_them_all_and_none_after_it_closed(shared):
    worker = Worker(shared.dup())
    worker.start()
    assert worker.ready.wait(10)
    started = time.monotonic()
    clients = [socket.create_connection(shared.getsockname(), timeout=20) for _ in range(CLIENTS)]
    assert all(answered(client) for client in clients)
    assert time.monotonic() - started < 10
    worker.stop()
    with socket.create_connection(shared.getsockname(), timeout=20) as waiting:
        waiting.settimeout(0.2)
        waiting.sendall(b"late")
        with pytest.raises(TimeoutError):
            waiting.recv(4)
    for client in clients:
        client.close()
