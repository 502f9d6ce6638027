"""What an index of a billion units takes, from slopes measured here: bytes, core hours, money, milliseconds.

Passages of some 100 words are read, split and written into a Lance dataset by the code that workers run, and an index
is assembled from that. One unit is one passage with one vector of 384 halves. Vectors are drawn at random, for encoding
is measured by itself: its cost a token does not depend on how many there are. Each size runs in a process of its own.

    TELLAPART_DATA=... python bench/scale_plan.py --work build/plan --sizes 10000 30000 100000
"""

from __future__ import annotations

import argparse
import importlib
import json
import math
import re
import resource
import statistics
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from passages import passages, queries
from tellapart import Index
from tellapart.cluster import tasks
from tellapart.cluster.dataset import Documents, HeldEncoder, LastRun, Recipe
from tellapart.cluster.files import find_files
from tellapart.cluster.job import KnownSource, known_sources
from tellapart.corpus.document import Granularity, Kind
from tellapart.corpus.sources import ScanOptions
from tellapart.encoders.load import load_encoder
from tellapart.encoders.protocol import Vectors
from tellapart.index.files import bytes_below

DIM = 384
ENCODED, ASKED = 300, 40
FRAGMENTS = (10, 100, 1_000)
PLANNED = (1_000_000, 10_000_000, 100_000_000, 1_000_000_000)
PAGES = Path(__file__).parents[1] / "docs" / "benchmarks"
LEVELS = (Granularity.PARAGRAPH,)


assembling = importlib.import_module("tellapart.cluster.assemble")


class RandomVectors:
    """An encoder at no cost: one random direction for each text."""

    name, dim, max_tokens, fingerprint = "random", DIM, None, "random-vectors-of-the-plan-000000"

    def encode_document(self, texts: Sequence[str], *, progress: object = None) -> Vectors:
        """Draw vectors."""
        return self.encode_query(texts)

    def encode_query(self, texts: Sequence[str]) -> Vectors:
        """Draw vectors; the same text gets the same one."""
        rows = np.stack(
            [np.random.default_rng(crc32(t.encode())).standard_normal(DIM, np.float32) for t in texts]
        )
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    def count_tokens(self, texts: Sequence[str]) -> NDArray[np.int32]:
        """Estimate."""
        return np.array([len(text) // 4 + 2 for text in texts], dtype=np.int32)


def cpu() -> float:
    return time.process_time()


def fill(work: Path, count: int) -> tuple[Documents, dict[str, float]]:
    """Do what workers and driver do, one piece after the other; the encoder's share is subtracted."""
    records, texts = work / "corpus.jsonl", passages(count)
    with records.open("w") as stream:
        for number, text in enumerate(texts):
            stream.write(json.dumps({"_id": str(number), "text": " ".join(text.split())}) + "\n")
    encoder = RandomVectors()
    tasks.opened_encoder = lambda name: encoder
    held = HeldEncoder(encoder.name, encoder.fingerprint, DIM, LEVELS, ())
    recipe = Recipe((held,), Kind.PROSE, LEVELS)
    place = str(work / "plan.lance")
    documents = Documents.create(place, LastRun(recipe, (str(records),), (), None), rebuild=False)
    assignment = tasks.Assignment(place, recipe, ScanOptions(kind=Kind.PROSE))
    found, _ = find_files([str(records)], ScanOptions(), output=place, now=time.time_ns())
    started, written = cpu(), []
    reader = tasks.RecordReader(assignment, found[0], ())
    at_end = False
    while not at_end:
        batch, read = reader.next()
        at_end = read.at_end
        written += tasks.encode_records(assignment, batch).written
    filled = cpu() - started
    started = cpu()
    encoder.encode_document(texts[:2_000])
    spent = (cpu() - started) / min(len(texts), 2_000) * count
    documents.commit(written)
    documents.commit(assignment.write([tasks.read_row(found[0])]))
    documents.complete()
    characters = sum(map(len, texts)) / count
    return documents, {
        "fill": (filled - spent) / count,
        "rows": bytes_below(Path(place)) / count,
        "characters": characters,
    }


def measure(work: Path, count: int) -> dict[str, float]:
    documents, found = fill(work, count)
    known = known_sources(documents)
    found["driver"] = _bytes_a_row(known)
    assembling.load_encoder = lambda name, home=None: RandomVectors()
    folder = work / "plan.idx"
    started = cpu()
    assembling.assemble(documents.place, folder)
    found["assemble"] = (cpu() - started) / count
    found["memory"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    found["index"] = bytes_below(folder) / count
    for name, pattern in {
        "store": "store.sqlite",
        "vectors": "segments/*/vectors-*/*",
        "words": "segments/*/lexical/*",
    }.items():
        found[name] = sum(path.stat().st_size for path in folder.glob(pattern)) / count
    index = Index.open(folder, encoders={"random": RandomVectors()}, refresh=False)
    asked = queries(passages(min(count, 20_000)), ASKED)
    for ranker in ("bm25", "knn"):
        index.search(asked[0], ranker=ranker)
        times = []
        for query in asked:
            started = cpu()
            index.search(query, ranker=ranker)
            times.append(1000 * (cpu() - started))
        found[f"{ranker} p50"] = statistics.median(times)
        found[f"{ranker} p95"] = float(np.quantile(times, 0.95))
    return found


def _bytes_a_row(known: dict[str, KnownSource]) -> float:
    """Bytes that the driver holds of a document: its digest in a set, 16 bytes in an object of 49."""
    digests = next(iter(known.values())).digests
    return (sys.getsizeof(digests) + sum(map(sys.getsizeof, digests))) / max(len(digests), 1)


def commits(work: Path) -> dict[int, float]:
    """Seconds of one commit to a dataset of so many files, each a row."""
    recipe = Recipe()
    place = str(work / "commits.lance")
    documents = Documents.create(place, LastRun(recipe, ("x",), (), None), rebuild=False)
    assignment = tasks.Assignment(place, recipe, ScanOptions())
    found, held = {}, 0
    for wanted in FRAGMENTS:
        files = [
            f
            for _ in range(wanted - held)
            for f in assignment.write([{"source": "x", "id": "a", "skipped": "b"}])
        ]
        documents.commit(files)
        held = wanted
        times = []
        for _ in range(5):
            more = assignment.write([{"source": "x", "id": "a", "skipped": "b"}])
            started = time.perf_counter()
            documents.commit(more)
            times.append(time.perf_counter() - started)
            held += 1
        found[wanted] = statistics.median(times)
    return found


def encoding() -> dict[str, float]:
    """CPU seconds of minilm for one passage, and its tokens: twice, on different passages."""
    encoder = load_encoder("minilm")
    texts = passages(2 * ENCODED, seed=3)
    rates = []
    for some in (texts[:ENCODED], texts[ENCODED:]):
        started = cpu()
        encoder.encode_document(some)
        rates.append((cpu() - started) / ENCODED)
    return {
        "encode": statistics.mean(rates),
        "spread": max(rates) / min(rates),
        "tokens": float(encoder.count_tokens(texts).mean()),
    }


def published() -> dict[str, float]:
    """Bytes and seconds a unit at the server, out of the committed page of bench/postgres.py."""
    page = (PAGES / "postgres_million.md").read_text()
    units = int(re.search(r"--units (\d+)", page)[1])
    sizes = re.findall(r"([\d,]+) MB", re.search(r"size at the server \| (.*)", page)[1])
    return {
        "units": units,
        "dim": int(re.search(r"(\d+)-d vectors", page)[1]),
        "bytes": sum(float(each.replace(",", "")) for each in sizes) * 1e6 / units,
        "seconds": float(re.search(r"all of it \| ([\d.]+) s", page)[1]) / units,
        "graph": float(re.search(r"building the index of neighbours \| ([\d.]+) s", page)[1]) / units,
    }


def exponent(values: dict[int, float]) -> float:
    """The power of the number of units by which a total grows, between the two largest sizes."""
    (small, first), (large, second) = sorted(values.items())[-2:]
    return math.log(second / first) / math.log(large / small)


def measured_table(sizes: dict[int, dict[str, float]]) -> list[str]:
    """Rows of what was measured, a unit, and the power by which totals grow."""
    rows = {
        "reading, splitting, writing rows, CPU ms": ("fill", 1e3),
        "assembling an index, CPU ms": ("assemble", 1e3),
        "dataset, bytes": ("rows", 1),
        "index, bytes": ("index", 1),
        "of that documents and units (SQLite)": ("store", 1),
        "of that vectors": ("vectors", 1),
        "of that postings": ("words", 1),
    }
    lines = [
        "| a unit | " + " | ".join(f"{n:,} units" for n in sizes) + " | the total grows with the power |",
        "|---|" + "---|" * (len(sizes) + 1),
    ]
    for title, (key, scale) in rows.items():
        values = [
            f"{scale * each[key]:,.2f}" if scale > 1 else f"{each[key]:,.0f}" for each in sizes.values()
        ]
        power = exponent({n: n * each[key] for n, each in sizes.items()})
        lines.append(f"| {title} | {' | '.join(values)} | {power:.2f} |")
    for title, key in {"BM25": "bm25", "k-NN, the query's vector given": "knn"}.items():
        values = [f"{each[f'{key} p50']:.1f} / {each[f'{key} p95']:.1f}" for each in sizes.values()]
        power = exponent({n: each[f"{key} p50"] for n, each in sizes.items()})
        lines.append(f"| a whole search, {title}: p50 / p95, CPU ms | {' | '.join(values)} | {power:.2f} |")
    memory = [f"{each['memory'] / 1e9:.2f}" for each in sizes.values()]
    power = exponent({n: each["memory"] for n, each in sizes.items()})
    lines.append(f"| most memory while assembling, GB | {' | '.join(memory)} | {power:.2f} |")
    return lines


def planned_table(last: dict[str, float], encode: dict[str, float], prices: argparse.Namespace) -> list[str]:
    """Rows of what is computed in proportion to the largest size that was measured."""
    server = published()
    worker = last["fill"] + encode["encode"]

    def row(title: str, value: Callable[[int], float], digits: int = 0) -> str:
        return f"| {title} | " + " | ".join(f"{value(n):,.{digits}f}" for n in PLANNED) + " |"

    return [
        "| units | " + " | ".join(f"{n:,}" for n in PLANNED) + " |",
        "|---|" + "---|" * len(PLANNED),
        row("workers, core hours", lambda n: n * worker / 3600),
        row("- of that all but encoding", lambda n: n * last["fill"] / 3600, 1),
        row("- dollars", lambda n: n * worker / 3600 * prices.core_hour),
        row("- hours with 100 cores", lambda n: n * worker / 3600 / 100, 1),
        row("- hours with 1,000 cores", lambda n: n * worker / 3600 / 1000, 1),
        row("dataset, GB", lambda n: n * last["rows"] / 1e9),
        row("- dollars a month", lambda n: n * last["rows"] / 1e9 * prices.object_month),
        row("- files", lambda n: n * last["characters"] / tasks.PIECE_CHARACTERS),
        row("driver, GB for digests", lambda n: n * last["driver"] / 1e9, 1),
        row("one index, hours of one core to assemble", lambda n: n * last["assemble"] / 3600, 1),
        row("- GB", lambda n: n * last["index"] / 1e9),
        row("PostgreSQL, GB", lambda n: n * server["bytes"] / 1e9),
        row("- disk, dollars a month", lambda n: n * server["bytes"] / 1e9 * prices.disk_month),
        row("- hours to publish from one machine to one server", lambda n: n * server["seconds"] / 3600, 1),
        row(
            f"- servers of {prices.server_gb} GB of memory that holds it",
            lambda n: math.ceil(n * server["bytes"] / 1e9 / prices.server_gb),
        ),
    ]


def report(
    sizes: dict[int, dict[str, float]],
    encode: dict[str, float],
    commit: dict[int, float],
    prices: argparse.Namespace,
) -> str:
    server, last, most = published(), sizes[max(sizes)], max(sizes)
    paragraphs = [
        "# A plan to a billion units",
        f"Command: `python bench/scale_plan.py --sizes {' '.join(map(str, sizes))}`",
        "A unit is a passage of some 100 words: a document of its own with one vector of 384 halves. Times"
        " are of the processor,"
        " so that other work on the machine counts little. Corpora with long documents have fewer bytes and"
        " less work a unit;"
        " every further granularity with vectors adds 768 bytes a unit of it.",
        "## Measured",
        "\n".join(measured_table(sizes)),
        f"Encoding with minilm takes {1e3 * encode['encode']:.1f} ms a unit of {encode['tokens']:.0f} tokens;"
        " two halves of the"
        f" sample differ by {encode['spread'] - 1:.0%}. It does not depend on how many units there are.",
        "One commit to a dataset of "
        + ", ".join(f"{n:,} files takes {1e3 * seconds:.0f} ms" for n, seconds in commit.items())
        + f". The driver holds {last['driver']:.0f} bytes for the digest of each document.",
        f"A published index, by the page of [a million](postgres_million.md) ({server['units']:,} units with"
        f" vectors of {server['dim']} halves): {server['bytes']:,.0f} bytes and"
        f" {1e3 * server['seconds']:.2f} ms of publishing a unit, of which {1e3 * server['graph']:.2f} ms are the"
        " server's work on the graph of neighbours, with two cores.",
        "## Computed",
        f"In proportion to {most:,} units, the most that was measured, and to {server['units']:,} in"
        " PostgreSQL: nothing beyond is"
        f" measured. Prices are assumptions; give your own with `--core-hour {prices.core_hour}` (dollars an"
        " hour of one core),"
        f" `--object-month {prices.object_month}` and `--disk-month {prices.disk_month}` (dollars a month for"
        " a gigabyte).",
        "\n".join(planned_table(last, encode, prices)),
        "## Where it stops being in proportion",
        "**Not the workers.** Each takes a piece of a million characters and knows nothing of the others;"
        " only the price of"
        " reading from the store and the driver's work grow beside them. Listing is one call a folder or a"
        " thousand objects, by one"
        " process.",
        f"**The driver.** It holds what the dataset has, and writes the list of all files with each commit."
        " At a hundred million"
        f" units these are {1e8 * last['driver'] / 1e9:,.0f} GB and"
        f" {1e8 * last['characters'] / tasks.PIECE_CHARACTERS:,.0f} files,"
        f" of which {max(commit):,} at most were measured: at a billion make several datasets, each with its"
        " own part of the sources.",
        f"**One index.** Up to {most:,} units making hits takes most of a search, so that its time hardly"
        " grows (above). But it reads all codes of vectors and the postings of its words: where these"
        " prevail, time grows in proportion ([knn_speed](knn_speed.md), [bm25_speed](bm25_speed.md)), and"
        " more servers are what helps. Assembling writes everything on one machine and merges segments; its"
        " own power is above.",
        "**One server.** An index of neighbours that is larger than the memory reads pages from the disk, and"
        " building one slows"
        " down where it does not fit: the number of servers is that of memories that hold all of it."
        " Publishing sends from one"
        " machine, to the servers in turn or together; the hours above are for all to one.",
    ]
    return "\n\n".join(map(wrapped, paragraphs)) + "\n"


def wrapped(paragraph: str) -> str:
    """Break the lines of a paragraph that is no table or title."""
    if paragraph.startswith(("|", "#", "Command")):
        return paragraph
    return textwrap.fill(paragraph, 120, break_long_words=False, break_on_hyphens=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Path("build/plan"))
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 30_000, 100_000])
    parser.add_argument("--core-hour", type=float, default=0.04)
    parser.add_argument("--object-month", type=float, default=0.023)
    parser.add_argument("--disk-month", type=float, default=0.1)
    parser.add_argument("--server-gb", type=int, default=128)
    parser.add_argument("--one", help="Measure one size, or commits or encoding, and print JSON.")
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    if arguments.one:
        folder = arguments.work / f"{arguments.one}.tmp"
        folder.mkdir(exist_ok=True)
        kinds = {"encoding": lambda: encoding(), "commits": lambda: commits(folder)}
        print(json.dumps(kinds.get(arguments.one, lambda: measure(folder, int(arguments.one)))()))
        return

    def kept(what: str) -> dict[str, float]:
        """Measure in a process of its own, once."""
        file = arguments.work / f"{what}.json"
        if not file.exists():
            subprocess.run(["rm", "-rf", str(arguments.work / f"{what}.tmp")], check=True)
            command = [sys.executable, __file__, "--work", str(arguments.work), "--one", what]
            file.write_text(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
        return json.loads(file.read_text())

    sizes = {size: kept(str(size)) for size in sorted(arguments.sizes)}
    encode, commit = kept("encoding"), {int(n): seconds for n, seconds in kept("commits").items()}
    text = report(sizes, encode, commit, arguments)
    print(text)
    if arguments.output:
        arguments.output.write_text(text)


if __name__ == "__main__":
    main()
