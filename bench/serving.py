"""Requests a second that `tellapart serve` answers on this machine, how long they take, and what memory does meanwhile.

    python bench/serving.py --output docs/benchmarks/serving.md

`wrk` (Debian's package) asks with 16 connections, each request another query of the corpus's own words, after
a warm-up. The index is kept in `--work`: a second run takes as long as the measurement.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from judged import publish, table
from passages import passages, queries
from tellapart import Index

UNITS = 100_000
CLIENTS = 16
ASKED = 2_000
WARM = 3
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
    """Requests, seconds, failures, milliseconds, and MB of memory of all workers before and after."""

    requests: int
    seconds: float
    failures: int
    p50: float
    p95: float
    p99: float
    before: float
    after: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--units", type=int, default=UNITS)
    parser.add_argument("--seconds", type=int, default=25)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--work", type=Path, default=Path("build/serving"), help="Keeps the index.")
    parser.add_argument("--prepare", action="store_true", help="Only make the index.")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    texts = passages(options.units)
    folder = prepared(texts, options.work)
    if options.prepare:
        return
    if shutil.which("wrk") is None:
        sys.exit("wrk asks the questions here: apt-get install wrk")
    asked = queries(texts, ASKED)
    rows = []
    with server(folder, options.workers) as (port, pid):
        for ranker in ("bm25", "knn", "hybrid"):
            bodies = [json.dumps({"query": text, "ranker": ranker, "k": 10}) for text in asked]
            rows.append((ranker, measured(port, pid, bodies, options.seconds)))
    publish(report(rows, options), options.output)


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
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "tellapart", "serve", "--index", str(folder)]
    process = subprocess.Popen([*command, "--port", str(port), "--workers", str(workers)])
    try:
        for _ in range(3_000):
            with suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).close()
                break
            time.sleep(0.1)
        yield port, process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def measured(port: int, pid: int, bodies: list[str], seconds: int) -> Measured:
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

        ask(WARM)
        before = memory(pid)
        requests, microseconds, failures, p50, p95, p99, _ = ask(seconds)
        return Measured(
            requests,
            microseconds / 1e6,
            failures,
            p50 / 1e3,
            p95 / 1e3,
            p99 / 1e3,
            before,
            memory(pid),
        )


def memory(pid: int) -> float:
    """MB that belong to the workers alone (files of the index that they share are not counted)."""
    children = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True).stdout
    total = 0
    for each in [pid, *map(int, children.split())]:
        with suppress(OSError):
            found = re.search(r"RssAnon:\s+(\d+)", Path(f"/proc/{each}/status").read_text())
            total += int(found[1]) if found else 0
    return total / 1024


def report(rows: list[tuple[str, Measured]], options: argparse.Namespace) -> str:
    lines = [
        [
            ranker,
            f"{each.requests / each.seconds:,.0f}",
            f"{each.p50:.0f}",
            f"{each.p95:.0f}",
            f"{each.p99:.0f}",
            f"{each.requests:,}",
            f"{each.failures}",
            f"{each.before:,.0f}",
            f"{each.after:,.0f}",
        ]
        for ranker, each in rows
    ]
    head = [
        "ranker",
        "requests/s",
        "median ms",
        "95 % ms",
        "99 % ms",
        "requests",
        "failed",
        "MB before",
        "MB after",
    ]
    return f"""# Serving

Made by `python bench/serving.py --seconds {options.seconds}`: {options.units:,} passages as units, vectors of `lsa`
(so that encoding a query costs next to nothing), {options.workers} workers, {CLIENTS} connections of `wrk`, which runs
on the same {os.cpu_count()} cores and asks another query of nine words each time; ten hits with their texts come back.
Memory is what belongs to all workers alone, after the warm-up and at the end.

{table(head, lines)}"""


if __name__ == "__main__":
    main()
