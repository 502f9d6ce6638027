"""The development collections as indexes: built once, kept in a folder, shared by the benchmarks of the verdict.

TELLAPART_DATA=... python bench/development.py --indexes DIR
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from judged import data_folder
from tellapart.engine import Index
from tellapart.experiments.qrels import JudgedQueries, read_beir

ENCODERS = ("minilm", "lsa")
PLACE = Path("build") / "indexes"
"""Where the indexes are kept when nobody says."""

LEVELS = ("paragraph", "section", "document", "function", "class", "file")
"""Sentences are left out: they would double the encoding and no document judgement asks for them."""


@dataclass(frozen=True)
class Collection:
    """A judged set: its folder below TELLAPART_DATA and the split that is for development."""

    name: str
    split: str

    def judged(self, data: Path) -> JudgedQueries:
        """Read the judged queries."""
        return read_beir(data / self.name, self.split)


COLLECTIONS = (
    Collection("limit-small", "test"),
    Collection("xquad-en", "paragraph"),
    Collection("med", "test"),
    Collection("mbpp", "train"),
    Collection("cacm", "test"),
    Collection("cisi", "test"),
    Collection("cranfield", "test"),
    Collection("java-cs", "valid"),
    Collection("cosqa", "dev"),
    Collection("wikiqa", "dev"),
    Collection("scifact", "train"),
)


def build(
    collection: Collection,
    data: Path,
    place: Path,
    levels: Sequence[str] = LEVELS,
    suffix: str = "",
) -> Index:
    """Index one collection, or open what is there already, as a BEIR folder so that ids stay as they are."""
    source = place / "sources" / collection.name
    if not source.exists():
        source.mkdir(parents=True)
        shutil.copyfile(data / collection.name / "corpus.jsonl", source / "corpus.jsonl")
    folder = place / f"{collection.name}{suffix}"
    if (folder / "store.sqlite").is_file():
        return Index.open(folder)
    return Index.build([source], folder, encoders=ENCODERS, granularities=levels)


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--indexes", type=Path, metavar="DIR", default=PLACE)
    options.add_argument("--only", action="append", metavar="NAME")
    chosen = options.parse_args()
    data = data_folder()
    for collection in COLLECTIONS:
        if chosen.only and collection.name not in chosen.only:
            continue
        started = time.perf_counter()
        build(collection, data, chosen.indexes).close()
        sys.stderr.write(f"{collection.name}: {time.perf_counter() - started:.0f} s\n")


if __name__ == "__main__":
    main()
