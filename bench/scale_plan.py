"""What an index of a billion units takes, from slopes measured here: bytes, core hours, money, milliseconds.

Passages of some 100 words are read, split and written into a Lance dataset by the code that workers run, and an index is
assembled from that; one unit is one passage with one vector of 384 halves. Vectors are drawn at random, for encoding is
measured by itself: its cost a token does not depend on how many there are. Each size runs in a process of its own.

    TELLAPART_DATA=... python bench/scale_plan.py --work build/plan --sizes 10000 100000 1000000
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
import time
from pathlib import Path
from zlib import crc32

import numpy as np

from passages import passages, queries
from tellapart import Index
from tellapart.cluster import tasks
from tellapart.cluster.dataset import Documents, HeldEncoder, LastRun, Recipe
from tellapart.cluster.files import find_files
from tellapart.cluster.job import known_sources
from tellapart.corpus.document import Granularity, Kind
from tellapart.corpus.sources import ScanOptions
from tellapart.encoders.load import load_encoder
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

    def encode_document(self, texts, *, progress=None):
        return self.encode_query(texts)

    def encode_query(self, texts):
        rows = np.stack(
            [np.random.default_rng(crc32(t.encode())).standard_normal(DIM, np.float32) for t in texts]
        )
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    def count_tokens(self, texts):
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


def _bytes_a_row(known) -> float:
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
    page = (PAGES / "postgres.md").read_text()
    units = int(re.search(r"--units (\d+)", page)[1])
    size = sum(
        float(each) for each in re.findall(r"(\d+) MB", re.search(r"size at the server \| (.*)", page)[1])
    )
    seconds = float(re.search(r"all of it \| ([\d.]+) s", page)[1])
    return {"units": units, "bytes": size * 1e6 / units, "seconds": seconds / units}


def exponent(values: dict[int, float]) -> float:
    """The power of the number of units by which a total grows, between the two largest sizes."""
    (small, first), (large, second) = sorted(values.items())[-2:]
    return math.log(second / first) / math.log(large / small)


def report(
    sizes: dict[int, dict[str, float]],
    encode: dict[str, float],
    commit: dict[int, float],
    prices,
    command: str,
) -> str:
    server = published()
    rows = {
        "reading, splitting, writing rows, CPU ms": ("fill", 1e3),
        "assembling an index, CPU ms": ("assemble", 1e3),
        "dataset, bytes": ("rows", 1),
        "index, bytes": ("index", 1),
        "- documents and units (SQLite)": ("store", 1),
        "- vectors": ("vectors", 1),
        "- postings": ("words", 1),
    }
    lines = [
        "# A plan to a billion units",
        "",
        f"Command: `{command}`",
        "",
        "A unit is a passage of some 100 words with one vector of 384 halves (minilm); one granularity, one unit a document. "
        "CPU time, so that other work on the machine counts little; 2 cores.",
        "",
        "## Measured, a unit",
        "",
        "| what | " + " | ".join(f"{n:,} units" for n in sizes) + " | total grows with the power |",
        "|---|" + "---|" * (len(sizes) + 1),
    ]
    for title, (key, scale) in rows.items():
        totals = {n: n * each[key] for n, each in sizes.items()}
        values = " | ".join(
            f"{scale * each[key]:,.3g}" if scale > 1 else f"{each[key]:,.0f}" for each in sizes.values()
        )
        lines.append(f"| {title} | {values} | {exponent(totals):.2f} |")
    for title, key in {
        "BM25, whole search, p50 / p95 CPU ms": "bm25",
        "k-NN, whole search without encoding, p50 / p95 CPU ms": "knn",
    }.items():
        values = " | ".join(f"{each[f'{key} p50']:.1f} / {each[f'{key} p95']:.1f}" for each in sizes.values())
        lines.append(
            f"| {title} | {values} | {exponent({n: each[f'{key} p50'] for n, each in sizes.items()}):.2f} |"
        )
    memory = " | ".join(f"{each['memory'] / 1e9:.2f}" for each in sizes.values())
    lines.append(
        f"| most memory while assembling, GB | {memory} | {exponent({n: e['memory'] for n, e in sizes.items()}):.2f} |"
    )
    lines += [
        "",
        f"Encoding with minilm: {1e3 * encode['encode']:.1f} CPU ms a unit of {encode['tokens']:.0f} tokens; two halves of the "
        f"sample differ by {encode['spread'] - 1:.0%}. It does not depend on how many units there are.",
        "",
        "One commit to a dataset of "
        + ", ".join(f"{n:,} files: {1e3 * seconds:.0f} ms" for n, seconds in commit.items())
        + f". The driver holds {list(sizes.values())[-1]['driver']:.0f} bytes of each document's digest.",
        "",
        f"In PostgreSQL (from [postgres](postgres.md), {server['units']:,} units with vectors of 256 halves): "
        f"{server['bytes']:,.0f} bytes and {1e3 * server['seconds']:.2f} ms of publishing a unit.",
        "",
        "## Computed",
        "",
        f"From the largest size measured, {max(sizes):,} units, in proportion; beyond it nothing is measured. Prices are "
        f"assumptions to replace with your own (`--core-hour {prices.core_hour} --object-month {prices.object_month} "
        f"--disk-month {prices.disk_month}`): {prices.core_hour} dollars an hour of one core, {prices.object_month} a month for "
        f"a gigabyte of object storage, {prices.disk_month} of disk.",
        "",
        "| units | " + " | ".join(f"{n:,}" for n in PLANNED) + " |",
        "|---|" + "---|" * len(PLANNED),
    ]
    last = sizes[max(sizes)]
    worker = last["fill"] + encode["encode"]

    def row(title: str, value) -> str:
        return f"| {title} | " + " | ".join(value(n) for n in PLANNED) + " |"

    lines += [
        row("workers: core hours", lambda n: f"{n * worker / 3600:,.0f}"),
        row("of that encoding", lambda n: f"{encode['encode'] / worker:.0%}"),
        row("their price, dollars", lambda n: f"{n * worker / 3600 * prices.core_hour:,.0f}"),
        row("hours with 100 cores", lambda n: f"{n * worker / 3600 / 100:,.1f}"),
        row("hours with 1,000 cores", lambda n: f"{n * worker / 3600 / 1000:,.1f}"),
        row("dataset, GB", lambda n: f"{n * last['rows'] / 1e9:,.0f}"),
        row("dataset, dollars a month", lambda n: f"{n * last['rows'] / 1e9 * prices.object_month:,.0f}"),
        row("files of the dataset", lambda n: f"{n * last['characters'] / tasks.PIECE_CHARACTERS:,.0f}"),
        row("driver: GB for digests", lambda n: f"{n * last['driver'] / 1e9:,.1f}"),
        row("one index: hours of one core to assemble", lambda n: f"{n * last['assemble'] / 3600:,.1f}"),
        row("one index: GB", lambda n: f"{n * last['index'] / 1e9:,.0f}"),
        row("one index: k-NN, seconds a query", lambda n: f"{n / max(sizes) * last['knn p50'] / 1e3:,.2f}"),
        row("one index: BM25, seconds a query", lambda n: f"{n / max(sizes) * last['bm25 p50'] / 1e3:,.2f}"),
        row("PostgreSQL: GB", lambda n: f"{n * server['bytes'] / 1e9:,.0f}"),
        row(
            "PostgreSQL: disk, dollars a month",
            lambda n: f"{n * server['bytes'] / 1e9 * prices.disk_month:,.0f}",
        ),
        row(
            "PostgreSQL: hours to publish from one machine", lambda n: f"{n * server['seconds'] / 3600:,.1f}"
        ),
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Path("build/plan"))
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--core-hour", type=float, default=0.04)
    parser.add_argument("--object-month", type=float, default=0.023)
    parser.add_argument("--disk-month", type=float, default=0.1)
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

    def kept(what: str):
        """Measure in a process of its own, once."""
        file = arguments.work / f"{what}.json"
        if not file.exists():
            subprocess.run(["rm", "-rf", str(arguments.work / f"{what}.tmp")], check=True)
            command = [sys.executable, __file__, "--work", str(arguments.work), "--one", what]
            file.write_text(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
        return json.loads(file.read_text())

    sizes = {size: kept(str(size)) for size in sorted(arguments.sizes)}
    encode, commit = kept("encoding"), {int(n): seconds for n, seconds in kept("commits").items()}
    command = f"python bench/scale_plan.py --sizes {' '.join(map(str, sizes))}"
    text = report(sizes, encode, commit, arguments, command)
    print(text)
    if arguments.output:
        arguments.output.write_text(text)


if __name__ == "__main__":
    main()
