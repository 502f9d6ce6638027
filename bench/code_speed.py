"""Search of code without a model against semble, side by side in one run: a cold word index, and warm queries.

    TELLAPART_DATA=... python bench/code_speed.py --checkouts DIR --semble SEMBLE-VENV/bin/python --output FILE

Both tools take turns on flask's `src/` and on the whole repository, each in a process of its own on one core. semble
has no model (bench/code_semble.py says how) and indexes code alone; tellapart indexes documentation too, at every
granularity. Times are those of the processor: others use these machines.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from judged import data_folder, publish, table
from tellapart.corpus.document import Kind
from tellapart.engine import Index

FOLDERS = ("src", ".")
ROUNDS, PASSES = 15, 20


class Peer:
    """semble in a process of its own, asked by lines of JSON."""

    def __init__(self, python: Path) -> None:
        command = [str(python), str(Path(__file__).with_name("code_semble.py")), "--serve"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, **command: object) -> float:
        """Give the milliseconds that one command took."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--checkouts", type=Path, required=True)
    options.add_argument("--semble", type=Path, required=True)
    options.add_argument("--output", type=Path)
    chosen = options.parse_args()
    annotations = data_folder() / "semble-bench" / "annotations" / "flask.json"
    queries = [each["query"] for each in json.loads(annotations.read_text(encoding="utf-8"))]
    os.environ["OMP_NUM_THREADS"] = "1"
    peer = Peer(chosen.semble)
    rows, held = [], []
    for folder in FOLDERS:
        place = chosen.checkouts / "flask" / folder
        name = "flask's src/" if folder == "src" else "the whole repository"
        rows += _measured(peer, place, name, queries)
        held.append(f"of {name} {_held(place)}")
    text = (
        f"# Search of code, times\n\n`python bench/code_speed.py`: medians of {ROUNDS} cold indexes and of"
        f" {PASSES * len(queries)} warm queries with rules on, both tools in turn, milliseconds of processor time"
        " (wall in brackets).\n\n"
        + table(["", "tellapart", "semble", "ratio"], rows)
        + "\n\nsemble indexes code"
        f" alone, in memory. tellapart writes its index to the disk, at three or four granularities: {'; '.join(held)}."
    )
    publish(text, chosen.output)


def _held(place: Path) -> str:
    with tempfile.TemporaryDirectory() as folder, Index.build([place], folder, encoders=()) as index:
        kinds, characters = index.store.kinds(), index.store.lengths()
    sizes = {kind: sum(size for number, size in characters.items() if kinds[number] is kind) for kind in Kind}
    return (
        f"{sizes[Kind.CODE] / 1000:,.0f} KB of code and {sizes[Kind.PROSE] / 1000:,.0f} KB of documentation"
    )


def _measured(peer: Peer, place: Path, name: str, queries: list[str]) -> list[list[str]]:
    ours, theirs = [], []
    walls = []
    work = Path(tempfile.mkdtemp())
    for number in range(ROUNDS + 1):
        started, wall = time.process_time(), time.perf_counter()
        index = Index.build([place], work / str(number), encoders=())
        ours.append(1000 * (time.process_time() - started))
        walls.append(1000 * (time.perf_counter() - wall))
        if number < ROUNDS:
            index.close()
        theirs.append(peer.ask(index=str(place)))
    rows = [_row(f"cold word index in process, {name}", ours[1:], theirs[1:], walls[1:])]
    ours, theirs, walls = [], [], []
    for number in range(PASSES + 1):
        for query in queries:
            started, wall = time.process_time(), time.perf_counter()
            index.search(query)
            if number:
                ours.append(1000 * (time.process_time() - started))
                walls.append(1000 * (time.perf_counter() - wall))
            spent = peer.ask(query=query)
            if number:
                theirs.append(spent)
    index.close()
    shutil.rmtree(work)
    return [*rows, _row(f"warm query, {name}", ours, theirs, walls)]


def _row(name: str, ours: list[float], theirs: list[float], walls: list[float]) -> list[str]:
    a, b = median(ours), median(theirs)
    return [name, f"{a:.1f} ({median(walls):.1f})", f"{b:.1f}", f"{a / b:.2f}"]


if __name__ == "__main__":
    sys.exit(main())
