"""What it costs that a search is never stale: looking at the files, and reading again what changed.

The collection is made of real text: the passages of the judged collections, divided into files. Whole processes are
timed from start to end, with and without the look at the files, interleaved; medians of several rounds.

    TELLAPART_DATA=... python bench/freshness.py --output docs/benchmarks/freshness.md
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from passages import passages
from tellapart.engine import Index
from tellapart.index.freshness import differences
from tellapart.index.store import Store

PER_FOLDER = 50
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
"""Of the processes: a user's Python keeps what it compiled."""


def write_files(folder: Path, texts: list[str], count: int) -> None:
    share = len(texts) // count
    past = time.time() - 3600
    for number in range(count):
        path = folder / f"{number // PER_FOLDER:03}" / f"{number}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n\n".join(texts[number * share : (number + 1) * share]) + "\n", encoding="utf-8")
        os.utime(path, (past, past))


def build(folder: Path, index: Path) -> float:
    started = time.perf_counter()
    command = [
        sys.executable,
        "-m",
        "tellapart",
        "index",
        str(folder),
        "--index",
        str(index),
        "--encoder",
        "none",
    ]
    subprocess.run(command, check=True, capture_output=True, env=ENVIRONMENT)
    return time.perf_counter() - started


def look(index: Path, rounds: int) -> tuple[float, float]:
    """Wall and CPU seconds of looking at everything in one process, medians."""
    store = Store.open(index)
    wall, cpu = [], []
    for _ in range(rounds):
        started, used = time.perf_counter(), time.process_time()
        assert not differences(index, store)
        wall.append(time.perf_counter() - started)
        cpu.append(time.process_time() - used)
    store.close()
    return statistics.median(wall), statistics.median(cpu)


def search(index: Path, query: str, *options: str) -> tuple[float, float, dict[str, object]]:
    """Wall and CPU seconds of one whole process, and its answer."""
    before, started = os.times(), time.perf_counter()
    command = [
        sys.executable,
        "-m",
        "tellapart",
        "search",
        query,
        "--index",
        str(index),
        "--ranker",
        "bm25",
        "--json",
    ]
    done = subprocess.run([*command, *options], check=True, capture_output=True, text=True, env=ENVIRONMENT)
    wall, after = time.perf_counter() - started, os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return wall, cpu, json.loads(done.stdout)


def unchanged(index: Path, rounds: int) -> list[str]:
    wall, cpu = look(index, rounds)
    search(index, "heart rate")
    with_look, without = [], []
    for _ in range(rounds):
        with_look.append(search(index, "heart rate")[:2])
        without.append(search(index, "heart rate", "--no-refresh")[:2])
    medians = [
        statistics.median(column) for rows in (with_look, without) for column in zip(*rows, strict=True)
    ]
    return [
        f"| looking, in a process that runs already | {wall:.3f} | {cpu:.3f} |",
        f"| whole process of `search`, files looked at | {medians[0]:.2f} | {medians[1]:.2f} |",
        f"| whole process of `search --no-refresh` | {medians[2]:.2f} | {medians[3]:.2f} |",
    ]


def changed(folder: Path, index: Path, rounds: int, *, new: bool) -> str:
    times = []
    for number in range(rounds):
        word = f"zyzzyva{'n' if new else 'c'}{number}"
        path = folder / "000" / (f"new{number}.md" if new else f"{number}.md")
        path.write_text(f"# Changed\n\nThe word {word} was not in here before.\n")
        wall, cpu, answer = search(index, word)
        hits, freshness = answer["hits"], answer["freshness"]
        assert isinstance(hits, list)
        assert isinstance(freshness, dict)
        if (
            not new or freshness["updated"]
        ):  # where a new look at every folder takes too long, the answer says so
            assert hits, freshness
            assert hits[0]["document"].endswith(path.name), hits[0]
        times.append((wall, cpu))
    wall, cpu = (statistics.median(column) for column in zip(*times, strict=True))
    what = "new" if new else "changed"
    return f"| one of the files {what}, then `search` finds its new words | {wall:.2f} | {cpu:.2f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, nargs=2, default=[1_000, 14_500])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    texts = passages(20_000)
    lines = [
        "# Freshness",
        "",
        f"Seconds, medians of {options.rounds} rounds. Files of {20_000 / options.files[0]:.0f} and"
        f" {20_000 / options.files[1]:.1f} passages; words only."
        f" `TELLAPART_DATA=... python bench/freshness.py --rounds {options.rounds}`",
    ]
    for count in options.files:
        with tempfile.TemporaryDirectory() as temporary:
            folder, index = Path(temporary) / "files", Path(temporary) / "index"
            write_files(folder, texts, count)
            seconds = build(folder, index)
            opened = Index.open(index)
            documents = opened.store.count()
            opened.close()
            lines += ["", f"## {count:,} files ({documents:,} documents, indexed in {seconds:.1f} s)", ""]
            lines += ["| what | wall | CPU |", "|---|---|---|", *unchanged(index, options.rounds)]
            lines.append(changed(folder, index, options.rounds, new=False))
            lines.append(changed(folder, index, options.rounds, new=True))
            print("\n".join(lines), flush=True)
    if options.output:
        options.output.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
