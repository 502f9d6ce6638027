"""`tellapart serve` under load: the server, `wrk` that asks it, and what its processes use meanwhile."""

from __future__ import annotations

import os
import re
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import astuple, dataclass
from pathlib import Path

from fastapi import FastAPI, Response

CLIENTS = 16
WARM = 5
"""Seconds that are not counted; the workers do not start all at once."""

EVERY, WATCHED_SECONDS = 10_000, 5
LUA = """
local bodies = {}
for line in io.lines(os.getenv("BODIES")) do bodies[#bodies + 1] = line end
math.randomseed(os.time())
local at = math.random(#bodies)
request = function()
  at = at % #bodies + 1
  return wrk.format("POST", "/v1/search", {["Content-Type"] = "application/json"}, bodies[at])
end
done = function(summary, latency)
  io.write(string.format("FIGURES %d %d %d %d %d %d %d\\n", summary.requests, summary.duration,
    summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.timeout,
    latency:percentile(50), latency:percentile(95), latency:percentile(99), latency.max))
end
"""


@dataclass(frozen=True)
class Measured:
    """Requests, seconds, failures, milliseconds, and the share of all cores that the load generator took."""

    requests: int
    seconds: float
    failures: int
    p50: float
    p95: float
    p99: float
    load: float


@dataclass(frozen=True)
class Watched:
    """Requests so far; seconds by the clock and of processor; MB of all workers; failures."""

    requests: int
    seconds: float
    processor: float
    megabytes: float
    failures: int


@contextmanager
def server(folder: Path, workers: int) -> Iterator[tuple[int, int]]:
    """Run `tellapart serve`, and give its port and process."""
    port = free_port()
    command = [sys.executable, "-m", "tellapart", "serve", "--index", str(folder)]
    process = subprocess.Popen([*command, "--port", str(port), "--workers", str(workers)])
    try:
        wait_for(f"http://127.0.0.1:{port}/health", process)
        yield port, process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    while process.poll() is None:
        with suppress(OSError):
            urllib.request.urlopen(url, timeout=5).close()
            return
        time.sleep(0.1)
    sys.exit("the server did not start")


def measured(port: int, bodies: list[str], seconds: int) -> Measured:
    with asking(port, bodies) as ask:
        ask(WARM)
        before = used_by_children()
        requests, microseconds, failures, p50, p95, p99, _ = ask(seconds)
        load = (used_by_children() - before) / (microseconds / 1e6) / (os.cpu_count() or 1)
    return Measured(requests, microseconds / 1e6, failures, p50 / 1e3, p95 / 1e3, p99 / 1e3, load)


def memory_over(port: int, pid: int, bodies: list[str], requests: int) -> list[Watched]:
    """Look at the workers before the first request, and about every 10,000 requests."""
    rows = [Watched(0, 0.0, processor_time(pid), memory(pid), 0)]
    done = failed = 0
    started = time.perf_counter()
    with asking(port, bodies) as ask:
        while done < requests:
            count, _, failures, *_ = ask(WATCHED_SECONDS)
            done, failed = done + count, failed + failures
            if done // EVERY > rows[-1].requests // EVERY or done >= requests:
                spent = time.perf_counter() - started
                rows.append(Watched(done, spent, processor_time(pid), memory(pid), failed))
                print(*astuple(rows[-1]), file=sys.stderr, flush=True)
    return rows


@contextmanager
def asking(port: int, bodies: list[str]) -> Iterator[Callable[[int], list[int]]]:
    """Give a function that lets wrk ask for so many seconds: requests, microseconds, failures, latencies."""
    with tempfile.TemporaryDirectory() as work:
        (Path(work) / "bodies").write_text("\n".join(bodies) + "\n")
        (Path(work) / "ask.lua").write_text(LUA)

        def ask(duration: int) -> list[int]:
            command = [
                "wrk",
                "-t1",
                f"-c{CLIENTS}",
                f"-d{duration}s",
                "--timeout",
                "10s",
                "-s",
                f"{work}/ask.lua",
            ]
            printed = subprocess.run(
                [*command, f"http://127.0.0.1:{port}"],
                env={**os.environ, "BODIES": f"{work}/bodies"},
                capture_output=True,
                text=True,
                check=True,
            ).stdout
            return [int(figure) for figure in re.findall(r"FIGURES (.*)", printed)[0].split()]

        yield ask


def used_by_children() -> float:
    """Seconds of processor of the load generator: of children that ended, which the servers have not."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def processes(pid: int) -> list[int]:
    """The server and its workers."""
    children = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True).stdout
    return [pid, *map(int, children.split())]


def memory(pid: int) -> float:
    """MB that belong to the workers alone (files of the index that they share are not counted)."""
    total = 0
    for each in processes(pid):
        with suppress(OSError):
            found = re.search(r"RssAnon:\s+(\d+)", Path(f"/proc/{each}/status").read_text())
            total += int(found[1]) if found else 0
    return total / 1024


def processor_time(pid: int) -> float:
    """Seconds of processor of the server and its workers so far."""
    ticks = 0
    for each in processes(pid):
        with suppress(OSError):
            fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def make_floor() -> FastAPI:
    """An endpoint that gives the same bytes for whatever is asked: what remains is the web server and the client."""
    app = FastAPI()
    answer = Path(os.environ["ANSWER"]).read_bytes()

    @app.post("/v1/search")
    async def search() -> Response:
        return Response(answer, media_type="application/json")

    return app


@contextmanager
def floor(answer: bytes, workers: int) -> Iterator[int]:
    port = free_port()
    with tempfile.NamedTemporaryFile() as kept:
        kept.write(answer)
        kept.flush()
        command = [
            sys.executable,
            "-m",
            "uvicorn",
            "--factory",
            "server_load:make_floor",
            "--log-level",
            "warning",
        ]
        process = subprocess.Popen(
            [*command, "--port", str(port), "--workers", str(workers)],
            env={**os.environ, "ANSWER": kept.name},
            cwd=Path(__file__).parent,
        )
        try:
            wait_for(f"http://127.0.0.1:{port}/openapi.json", process)
            yield port
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()


def ask_once(port: int, body: str) -> bytes:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/v1/search", body.encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        found: bytes = answer.read()
        return found
