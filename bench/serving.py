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
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import astuple
from pathlib import Path

from pydantic_core import to_json

from judged import publish, table
from passages import passages, queries
from server_load import CLIENTS, EVERY, Measured, Watched, ask_once, floor, measured, memory_over, server
from tellapart import Index
from tellapart.engine.relevance import nothing_relevant
from tellapart.engine.results import search_json
from tellapart.serving.shared import SharedIndex

RANKERS = ("bm25", "knn", "hybrid")
UNITS = 100_000
ASKED = 20_000
"""More than are asked in one run: no query comes twice."""

WARMED = 100
"""Calls in process that are not counted."""

FLOOR = "nothing"


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
        watched.write_text(
            json.dumps(
                {
                    "units": options.units,
                    "requests": options.requests,
                    "rows": [astuple(each) for each in rows],
                }
            )
        )
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

Made by `python bench/serving.py --units {kept["units"]} --requests {kept["requests"]}`: the three rankers in turn
over {kept["units"]:,} passages, beside other programs. MB that belong to the server and its workers alone (files of the
index are shared), from before the first request; seconds by the clock, and of processor in all of them.

{table(["requests", "MB", "failed", "seconds", "processor"], lines)}"""


if __name__ == "__main__":
    main()
