"""Requests a second that `tellapart serve` answers on this machine, how long they take, and what memory does meanwhile.

    python bench/serving.py --requests 100000                            # memory, every 10,000 requests; kept in --work
    python bench/serving.py --output docs/benchmarks/serving.md

`wrk` (Debian's package) asks with 16 connections, each request another query of the corpus's own words, after
a warm-up. The index is kept in `--work`: a second run takes as long as the measurement.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import astuple, dataclass
from pathlib import Path

from fastapi import FastAPI, Response
from pydantic_core import to_json

from judged import publish, table
from passages import passages, queries
from tellapart import Index
from tellapart.engine.relevance import nothing_relevant
from tellapart.engine.results import search_json
from tellapart.serving.shared import SharedIndex

RANKERS = ("bm25", "knn", "hybrid")
UNITS = 100_000
CLIENTS = 16
ASKED = 20_000
"""More than are asked in one run: no query comes twice."""

WARM = 5
WARMED = 100
"""Seconds and calls that are not counted; the workers do not start all at once."""

EVERY, WATCHED_SECONDS = 10_000, 5
FLOOR = "nothing"
LUA = """
local bodies = {}
for line in io.lines(os.getenv("BODIES")) do bodies[#bodies + 1] = line end
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--units", type=int, default=UNITS)
    parser.add_argument("--seconds", type=int, default=25)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--work", type=Path, default=Path("build/serving"), help="Keeps the index.")
    parser.add_argument("--prepare", action="store_true", help="Only make the index.")
    parser.add_argument("--requests", type=int, default=0, help="Only watch memory over so many requests.")
    parser.add_argument(
        "--calls", metavar="RANKER", help="Only call in process, and print how many a second."
    )
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    texts = passages(options.units)
    folder = prepared(texts, options.work)
    asked = queries(texts, ASKED)
    if options.prepare:
        return
    if options.calls:
        print(called(folder, asked, options.calls, options.seconds))
        return
    if shutil.which("wrk") is None:
        sys.exit("wrk asks the questions here: apt-get install wrk")
    watched = options.work / "memory.json"
    if options.requests:
        bodies = [body for text in asked for body in bodies_of([text])]
        with server(folder, options.workers) as (port, pid):
            rows = memory_over(port, pid, bodies, options.requests)
        watched.write_text(json.dumps({"units": options.units, "rows": [astuple(each) for each in rows]}))
        return
    rows = []
    for ranker in RANKERS:
        with server(folder, options.workers) as (port, _):
            rows.append((ranker, measured(port, bodies_of(asked, [ranker]), options.seconds)))
    with server(folder, options.workers) as (port, _):
        answer = ask_once(port, bodies_of(asked[:1], ["hybrid"])[0])
    with floor(answer, options.workers) as port:
        rows.append((FLOOR, measured(port, bodies_of(asked, ["hybrid"]), options.seconds)))
    calls = {ranker: in_process(ranker, options) for ranker in RANKERS}
    page = report(rows, calls, len(answer), options)
    publish(page + memory_report(watched) if watched.exists() else page, options.output)


def bodies_of(asked: list[str], rankers: Sequence[str] = RANKERS) -> list[str]:
    return [json.dumps({"query": text, "ranker": ranker, "k": 10}) for text in asked for ranker in rankers]


def called(folder: Path, asked: list[str], ranker: str, seconds: int) -> float:
    """Searches a second in this process, as a worker does them, with their JSON but without HTTP."""
    shared = SharedIndex(folder)

    def one(text: str) -> None:
        with shared.use() as index:
            found = index.search(text, ranker=ranker, k=10)
            to_json({**search_json(found), "absent": nothing_relevant(index, found)})

    for text in asked[:WARMED]:
        one(text)
    started, done = time.perf_counter(), 0
    while time.perf_counter() - started < seconds:
        one(asked[(WARMED + done) % len(asked)])
        done += 1
    return done / (time.perf_counter() - started)


def in_process(ranker: str, options: argparse.Namespace) -> float:
    """Searches a second of as many processes as there are workers, together."""
    command = [sys.executable, __file__, "--calls", ranker, "--units", str(options.units)]
    command += ["--seconds", str(options.seconds), "--work", str(options.work)]
    environment = {**os.environ, "OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // options.workers))}
    running = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        for _ in range(options.workers)
    ]
    return sum(float(each.communicate()[0]) for each in running)


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
            "serving:make_floor",
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


def prepared(texts: list[str], work: Path) -> Path:
    """Index the passages, a record each, with paragraphs as the only units."""
    folder = work / f"{len(texts)}.idx"
    if not (folder / "ready").exists():
        work.mkdir(parents=True, exist_ok=True)
        source = work / "source"
        source.mkdir(exist_ok=True)
        with (source / "corpus.jsonl").open("w") as stream:
            for number, text in enumerate(texts):
                stream.write(json.dumps({"_id": str(number), "title": "", "text": text}) + "\n")
        Index.build([source], folder, encoders=("lsa",), granularities=("paragraph",), kind="prose").close()
        (folder / "ready").touch()
    return folder


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
            if done // EVERY > rows[-1].requests // EVERY:
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


def report(
    rows: list[tuple[str, Measured]],
    calls: dict[str, float],
    size: int,
    options: argparse.Namespace,
) -> str:
    lines = [
        [
            ranker,
            f"{each.requests / each.seconds:,.0f}",
            f"{each.p50:.0f}",
            f"{each.p95:.0f}",
            f"{each.p99:.0f}",
            f"{each.requests:,}",
            f"{each.failures}",
            f"{each.load:.0%}",
            f"{calls[ranker]:,.0f}" if ranker in calls else "",
        ]
        for ranker, each in rows
    ]
    head = ["ranker", "requests/s", "median ms", "95 % ms", "99 % ms", "requests", "failed", "wrk", "calls/s"]
    return f"""# Serving

Made by `python bench/serving.py --seconds {options.seconds}`: {options.units:,} passages as units, vectors of `lsa`
(so that encoding a query costs next to nothing), {options.workers} workers, {CLIENTS} connections of `wrk`, which runs
on the same {os.cpu_count()} cores and asks another query of nine words each time; ten hits with their texts come back.
*wrk*: the share of the cores that the load generator took. *calls/s*: the same searches in {options.workers} processes,
with their JSON, without HTTP and without wrk. *{FLOOR}*: an endpoint of FastAPI that does nothing and gives back
an answer of the same {size:,} bytes.

{table(head, lines)}"""


def memory_report(watched: Path) -> str:
    """What `--requests` kept: how memory went."""
    kept = json.loads(watched.read_text())
    rows = [Watched(*each) for each in kept["rows"]]
    last = rows[-1].requests
    shown = [
        each for each in rows if each.requests < EVERY * 2 or each.requests // EVERY % 2 or each is rows[-1]
    ]
    lines = [
        [
            f"{each.requests:,}",
            f"{each.megabytes:,.0f}",
            f"{each.failures}",
            f"{each.seconds:,.0f}",
            f"{each.processor:,.0f}",
        ]
        for each in shown
    ]
    return f"""
## Memory

Made by `python bench/serving.py --units {kept["units"]} --requests {last // EVERY * EVERY}`: the three rankers in turn
over {kept["units"]:,} passages, beside other programs. MB that belong to the server and its workers alone (files of the
index are shared), from before the first request; seconds by the clock, and of processor in all of them.

{table(["requests", "MB", "failed", "seconds", "processor"], lines)}"""


if __name__ == "__main__":
    main()
