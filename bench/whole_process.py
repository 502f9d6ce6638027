"""Whole processes as a user starts them: first search, search on an index, re-index after one change, memory.

Each figure is the median of several runs after a warm-up; memory is the operating system's own peak of the process.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

RUNS = 9
UNITS = 100_000
FILES = 1_000
LONG, SHORT = 40, 8


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    what: str
    figure: str
    target: str


def tellapart(*arguments: object) -> list[str]:
    """Give the command line of one call."""
    return [sys.executable, "-m", "tellapart", *map(str, arguments)]


def seconds(command: list[str], before: object = None) -> float:
    """Median wall time of a command, after one run that is not counted."""
    times = []
    for run in range(RUNS + 1):
        if callable(before):
            before()
        started = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if run:
            times.append(time.perf_counter() - started)
    return statistics.median(times)


def peak_mb(command: list[str]) -> float:
    """Peak resident memory of a command in MB."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(command)} failed")
    return usage.ru_maxrss / 1024


def package_copy(folder: Path) -> Path:
    """Copy packages of the standard library that together have the size of flask (some 24 files, 9,500 lines)."""
    import sysconfig

    library = Path(sysconfig.get_paths()["stdlib"])
    for name in ("http", "urllib", "wsgiref", "json"):
        shutil.copytree(library / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def synthetic(folder: Path, words_per_unit: int) -> Path:
    """Write a corpus of UNITS paragraphs of words drawn by Zipf's law, one a document."""
    rng = np.random.default_rng(0)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    vocabulary = np.array(["".join(rng.choice(letters, rng.integers(3, 11))) for _ in range(30_000)])
    weights = 1 / (np.arange(len(vocabulary)) + 10)
    drawn = rng.choice(vocabulary, (UNITS, words_per_unit), p=weights / weights.sum())
    folder.mkdir()
    with (folder / "corpus.jsonl").open("w") as stream:
        for number, words in enumerate(drawn):
            record = {"_id": str(number), "title": "", "text": " ".join(words)}
            stream.write(json.dumps(record) + "\n")
    return folder


def main() -> None:
    """Measure and print, or write the table to --output."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    data = os.environ.get("TELLAPART_DATA")
    if not data:
        raise SystemExit("set TELLAPART_DATA to the folder of judged collections")
    with tempfile.TemporaryDirectory() as temporary:
        rows = measure(Path(data), Path(temporary))
    table = render(rows)
    print(table)
    if arguments.output:
        arguments.output.write_text(table)


def measure(data: Path, work: Path) -> list[Row]:
    """Run everything."""
    return [*first_search(work), *existing(data, work), *large(work), *one_change(work)]


def first_search(work: Path) -> list[Row]:
    """Search a package that has no index."""
    package = package_copy(work / "package")
    index = package / ".tellapart"
    took = seconds(tellapart("search", "parse a query string", package), lambda: shutil.rmtree(index, True))
    lines = sum(len(path.read_text().splitlines()) for path in package.rglob("*.py"))
    files = len(list(package.rglob("*.py")))
    return [
        Row(
            f"first `search` on a package of {files} files, {lines:,} lines, words only",
            f"{took:.2f} s",
            "< 1 s",
        )
    ]


def existing(data: Path, work: Path) -> list[Row]:
    """Search scifact at all levels, as a process."""
    index = work / "scifact.idx"
    build(data / "scifact", index)
    return searches(index, "scifact, all levels")


def large(work: Path) -> list[Row]:
    """Index and search 100k units: long ones with lsa, short ones with minilm (encoding long ones takes an hour)."""
    rows = []
    for encoder, words in (("lsa", LONG), ("minilm", SHORT)):
        corpus, index = synthetic(work / f"large-{encoder}", words), work / f"large-{encoder}.idx"
        options = ("--encoder", encoder, "--granularity", "paragraph", "--kind", "prose")
        peak = peak_mb(tellapart("index", corpus, "--index", index, *options))
        what = f"{UNITS:,} units of {words} words, {encoder}"
        rows.append(Row(f"peak memory of `index`, {what}", f"{peak:,.0f} MB", "< 1,200 MB"))
        rows += searches(index, what)
        peak = peak_mb(search_command(index, "hybrid"))
        rows.append(Row(f"peak memory of a hybrid `search`, {what}", f"{peak:,.0f} MB", "< 1,200 MB"))
    return rows


def build(source: Path, index: Path) -> None:
    """Build an index with vectors."""
    subprocess.run(tellapart("index", source, "--index", index), check=True)


def search_command(index: Path, ranker: str) -> list[str]:
    """Give a search as a user types it."""
    return tellapart("search", "vitamin d deficiency in children", "--index", index, "--ranker", ranker)


def searches(index: Path, what: str) -> list[Row]:
    """Time both rankers on an index."""
    targets = {"bm25": "< .35 s", "hybrid": "< .6 s"}
    return [
        Row(
            f"`search` on an index ({what}), {ranker}",
            f"{seconds(search_command(index, ranker)):.2f} s",
            target,
        )
        for ranker, target in targets.items()
    ]


def one_change(work: Path) -> list[Row]:
    """Change one file of a thousand and index again: with words only, and with vectors."""
    rng = random.Random(1)
    folder, index = work / "thousand", work / "thousand.idx"
    folder.mkdir()
    words = ["".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=rng.randint(3, 9))) for _ in range(3_000)]
    for number in range(FILES):
        (folder / f"{number}.md").write_text(
            "\n\n".join(" ".join(rng.choices(words, k=60)) for _ in range(5))
        )
    counter = iter(range(10_000))

    def change() -> None:
        target = folder / f"{next(counter) % FILES}.md"
        target.write_text("A new text. " + " ".join(rng.choices(words, k=100)))

    subprocess.run(tellapart("index", folder, "--index", index, "--encoder", "none"), check=True)
    words_only = seconds(tellapart("index", folder, "--index", index), change)
    subprocess.run(tellapart("index", folder, "--index", index, "--encoder", "lsa"), check=True)
    with_lsa = seconds(tellapart("index", "--index", index), change)
    return [
        Row(f"one file of {FILES:,} changed, `index`, words only", f"{words_only:.2f} s", "< .5 s"),
        Row("the same with lsa vectors, encoding included", f"{with_lsa:.2f} s", "< .5 s plus encoding"),
    ]


def render(rows: list[Row]) -> str:
    """Write the table as Markdown."""
    lines = [
        "# Whole processes",
        "",
        "`python bench/whole_process.py --output docs/benchmarks/whole_process.md`; medians of "
        f"{RUNS} runs after a warm-up, {os.cpu_count()} cores.",
        "",
        "| what | measured | wanted |",
        "|---|---|---|",
        *(f"| {row.what} | {row.figure} | {row.target} |" for row in rows),
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
