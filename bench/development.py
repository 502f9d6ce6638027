"""The development collections as indexes: built once, kept in a folder, shared by the benchmarks of the verdict.

TELLAPART_DATA=... python bench/development.py --indexes DIR
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

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
    Collection("humaneval", "test"),
    Collection("adi", "test"),
    Collection("limit-small", "test"),
    Collection("xquad-en", "paragraph"),
    Collection("med", "test"),
    Collection("mbpp", "train"),
    Collection("cacm", "test"),
    Collection("cisi", "test"),
    Collection("cranfield", "test"),
    Collection("java-cs", "valid"),
    Collection("cosqa", "dev"),
    Collection("npl", "test"),
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


SAMPLED_DOCUMENTS = 1_200
SAMPLED_CHARACTERS = 600_000
SAMPLED_QUERIES = 200
"""Most of each that a sample of a collection has: what encodes in less than a minute on a core."""


def sample(collection: Collection, data: Path, place: Path, seed: int = 0) -> Path:
    """Write a BEIR folder with some of the judged queries, all that they found relevant, and other documents.

    A small collection is taken whole.
    """
    folder = place / "samples" / collection.name
    if (folder / "qrels" / f"{collection.split}.tsv").is_file():
        return folder
    random = np.random.default_rng(seed)
    judged = collection.judged(data)
    asked = [query for query, grades in judged.qrels.grades.items() if max(grades.values(), default=0) > 0]
    drawn = sorted(random.permutation(len(asked))[:SAMPLED_QUERIES].tolist())
    queries = [asked[place] for place in drawn]
    wanted = {document for query in queries for document in judged.qrels.grades[query]}
    lines = (data / collection.name / "corpus.jsonl").read_text(encoding="utf-8").splitlines()
    named = [json.loads(line)["_id"] in wanted for line in lines]
    documents, characters = sum(named), sum(len(line) for line, own in zip(lines, named, strict=True) if own)
    kept = list(named)
    for position in random.permutation(len(lines)).tolist():
        if documents >= SAMPLED_DOCUMENTS or characters >= SAMPLED_CHARACTERS:
            break
        if not kept[position]:
            kept[position] = True
            documents, characters = documents + 1, characters + len(lines[position])
    (folder / "qrels").mkdir(parents=True, exist_ok=True)
    corpus = "".join(f"{line}\n" for line, own in zip(lines, kept, strict=True) if own)
    (folder / "corpus.jsonl").write_text(corpus, encoding="utf-8")
    texts = "".join(
        json.dumps({"_id": query, "text": judged.queries.texts[query]}) + "\n" for query in queries
    )
    (folder / "queries.jsonl").write_text(texts, encoding="utf-8")
    rows = "".join(
        f"{query}\t{document}\t{grade}\n"
        for query in queries
        for document, grade in judged.qrels.grades[query].items()
    )
    head = "query-id\tcorpus-id\tscore\n"
    (folder / "qrels" / f"{collection.split}.tsv").write_text(head + rows, encoding="utf-8")
    return folder


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
