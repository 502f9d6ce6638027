"""What bench/code_search.py compares with: semble without its model, by an interpreter that has semble.

    SEMBLE-VENV/bin/python bench/code_semble.py --data DIR --checkouts DIR --output FILE

Its BM25 and rules run as they are (`alpha=0`); a model that gives the same vector to every text takes the place of its
own, which is not installed with it.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
from semble.index import index as semble_index
from semble.types import ContentType


class Blind:
    """Stands in for semble's model."""

    dim = 4

    def encode(self, texts: list[str], **_: object) -> np.ndarray:
        """Give every text the same vector."""
        return np.ones((len(texts), self.dim), dtype=np.float32)


def build(folder: Path) -> semble_index.SembleIndex:
    """Index a folder in memory."""
    return semble_index._build(folder.resolve(), Blind(), "blind", (ContentType.CODE,), False)


def serve() -> None:
    """Index a folder, or search the last one, and answer with the milliseconds of processor time that it took."""
    index = None
    for line in sys.stdin:
        asked = json.loads(line)
        started = time.process_time()
        if "index" in asked:
            index = build(Path(asked["index"]))
        elif index is not None:
            index.search(asked["query"], top_k=10, alpha=0.0)
        sys.stdout.write(f"{1000 * (time.process_time() - started)}\n")
        sys.stdout.flush()


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--data", type=Path)
    options.add_argument("--checkouts", type=Path)
    options.add_argument("--output", type=Path)
    options.add_argument("--serve", action="store_true", help="time what lines of standard input ask for")
    chosen = options.parse_args()
    semble_index.save_search_stats = lambda *_, **__: None  # it would write to the user's home
    if chosen.serve:
        serve()
        return
    found = {}
    for repository in json.loads((chosen.data / "semble-bench" / "repos.json").read_text(encoding="utf-8")):
        folder = chosen.checkouts / repository["name"] / (repository.get("benchmark_root") or ".")
        annotations = chosen.data / "semble-bench" / "annotations" / f"{repository['name']}.json"
        started = time.perf_counter()
        index = build(folder)
        seconds = time.perf_counter() - started
        results = [
            [
                (hit.chunk.file_path, hit.chunk.start_line, hit.chunk.end_line)
                for hit in index.search(each["query"], top_k=10, alpha=0.0)
            ]
            for each in json.loads(annotations.read_text(encoding="utf-8"))
        ]
        found[repository["name"]] = {"seconds": seconds, "results": results}
    chosen.output.write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main()
