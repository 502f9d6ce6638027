"""What the evidence on the SVM is measured on: vectors of items, targets by query, and the query's own vector."""

from __future__ import annotations

import json
import random
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from judged import load
from quality import ROWS, build
from tellapart.corpus.document import Granularity
from tellapart.engine import Index

Floats = NDArray[np.float32]

JUDGED = (
    ("scifact", "train"),
    ("cranfield", "test"),
    ("cisi", "test"),
    ("med", "test"),
    ("cacm", "test"),
    ("cosqa", "dev"),
)
ENCODERS = ("minilm", "lsa")

LEAVES, CONCEPTS = 9_000, 80
FEWEST, MOST = 20, 400
"""Leaves under a concept: enough for 10 examples and as many targets, too few to be a topic of half the nouns."""
OVERLAP = 0.5
"""Two concepts share at most this part of their leaves (Jaccard): one is not the other again."""


@dataclass(frozen=True)
class Collection:
    """Items with unit vectors (n, d), queries with graded targets by row, and the queries' vectors if they have words.

    `queries` (m, d) is None where a query is an example and nothing else (images); `texts` are their words,
    `identifiers` the items' names.
    """

    name: str
    family: str
    encoder: str
    vectors: Floats
    targets: Sequence[Mapping[int, int]]
    queries: Floats | None
    texts: Sequence[str] = ()
    identifiers: Sequence[str] = ()

    def grades(self, query: int) -> NDArray[np.int64]:
        """Grades (n,) of all items for a query; 0 where nobody judged."""
        dense = np.zeros(len(self.vectors), dtype=np.int64)
        rows = list(self.targets[query])
        dense[rows] = [self.targets[query][row] for row in rows]
        return dense


def judged_collections(data: Path, place: Path) -> Iterator[Collection]:
    """Judged sets, one vector a document."""
    for folder, split in JUDGED:
        rows = [row for row in ROWS if (row.folder, row.split, row.parts) == (folder, split, None)]
        index = build(data, folder, "corpus.jsonl", rows, place, ENCODERS)
        judged = load(folder, split)
        gold = {
            query: {document: grade for document, grade in judged.qrels.grades[query].items() if grade > 0}
            for query in judged.queries
        }
        for encoder in ENCODERS:
            yield collection_of(f"{folder} {split}", "judged", index, encoder, judged.queries, gold)
        index.close()


def concepts(data: Path, place: Path, most: int = CONCEPTS) -> Iterator[Collection]:
    """WordNet: leaf nouns are the items, the leaves under a concept its targets, the concept's name the query.

    With more of them the first ones stay.

    An item's text is the noun with its synonyms alone, or with the dictionary's explanation.
    """
    synsets, leaves, chosen = _concepts(data / "wordnet", most)
    gold = {concept: dict.fromkeys(below, 1) for concept, below in chosen.items()}
    queries = {concept: synsets[concept][0] for concept in chosen}
    named = {leaf: synsets[leaf][0] for leaf in leaves}
    explained = {leaf: ": ".join(synsets[leaf]) for leaf in leaves}
    for name, texts in (("concepts, nouns", named), ("concepts, nouns explained", explained)):
        index = _indexed(texts, place, name.replace(", ", "-").replace(" ", "-"))
        for encoder in ENCODERS:
            yield collection_of(name, "concepts", index, encoder, queries, gold)
        index.close()


def intents(data: Path, place: Path) -> Iterator[Collection]:
    """banking77: short requests of customers, those of one intent its targets, the intent's name the query."""
    labels = [row[1] for row in _table(data / "banking77" / "banking77.tsv")]
    texts = {str(n): row[2] for n, row in enumerate(_table(data / "banking77" / "banking77.tsv"))}
    gold: dict[str, dict[str, int]] = defaultdict(dict)
    for n, label in enumerate(labels):
        gold[label][str(n)] = 1
    index = _indexed(texts, place, "intents")
    for encoder in ENCODERS:
        queries = {label: label.replace("_", " ") for label in sorted(gold)}
        yield collection_of("intents", "concepts", index, encoder, queries, gold)
    index.close()


def _indexed(texts: Mapping[str, str], place: Path, name: str) -> Index:
    source = place / "sources" / name
    source.mkdir(parents=True, exist_ok=True)
    lines = (json.dumps({"_id": identifier, "text": text}) + "\n" for identifier, text in texts.items())
    (source / "corpus.jsonl").write_text("".join(lines), encoding="utf-8")
    sys.stderr.write(f"{name}: indexing\n")
    return Index.build([source], place / name, encoders=ENCODERS, granularities=[Granularity.DOCUMENT])


def images(data: Path) -> Iterator[Collection]:
    """Raw pixels of unit length, one query a class."""
    for name in ("mnist10k", "omniglot8"):
        with np.load(data / name / f"{name}.npz") as arrays:
            pixels = arrays["images"].reshape(len(arrays["images"]), -1).astype(np.float32)
            labels = arrays["labels"]
        pixels /= np.maximum(np.linalg.norm(pixels, axis=1, keepdims=True), 1e-12)
        targets = [dict.fromkeys(np.flatnonzero(labels == label).tolist(), 1) for label in np.unique(labels)]
        yield Collection(name, "images", "pixels", pixels, targets, None)


def collection_of(
    name: str,
    family: str,
    index: Index,
    encoder: str,
    texts: Mapping[str, str],
    gold: Mapping[str, Mapping[str, int]],
) -> Collection:
    with index.reading() as snapshot:
        numbers: dict[str, int] = {}
        parts: list[Floats] = []
        identifiers = index.store.identifiers()
        for level in (Granularity.DOCUMENT, Granularity.FILE):
            if level not in snapshot.granularities:
                continue
            documents, _ = snapshot.units(level).locate(np.arange(snapshot.units(level).n_rows))
            for number in documents.tolist():
                numbers[identifiers[number]] = len(numbers)
            parts.append(snapshot.vectors(encoder, level).matrix())
    found = {  # documents without a word are not indexed
        query: {numbers[document]: grade for document, grade in of.items() if document in numbers}
        for query, of in gold.items()
    }
    kept = [query for query in texts if found[query]]
    targets = [found[query] for query in kept]
    words = [texts[query] for query in kept]
    queries = index.encode_queries(encoder, words)
    return Collection(name, family, encoder, np.concatenate(parts), targets, queries, words, list(numbers))


def _concepts(folder: Path, most: int) -> tuple[dict[str, tuple[str, str]], list[str], dict[str, list[str]]]:
    """Synsets (lemmas, gloss), the leaves drawn, and the leaves under each concept chosen; seed 0."""
    rows = (row for row in _table(folder / "synsets.tsv") if row[0].startswith("n"))
    synsets = {row[0]: (row[2].replace("|", ", "), row[3]) for row in rows}
    parents: dict[str, list[str]] = defaultdict(list)
    named: set[str] = set()  # single persons and places, which are instances and no kinds
    for child, parent, kind in _table(folder / "hypernyms.tsv"):
        parents[child].append(parent)
        if kind == "@i":
            named.add(child)
    inner = {parent for each in parents.values() for parent in each}
    draw = random.Random(0)
    leaves = sorted(draw.sample(sorted(set(synsets) - inner - named), LEAVES))
    below: dict[str, set[str]] = defaultdict(set)
    for leaf in leaves:
        for ancestor in _ancestors(leaf, parents):
            below[ancestor].add(leaf)
    candidates = sorted(each for each, members in below.items() if FEWEST <= len(members) <= MOST)
    draw.shuffle(candidates)
    chosen: dict[str, set[str]] = {}
    for concept in candidates:
        near = (len(below[concept] & other) / len(below[concept] | other) for other in chosen.values())
        if len(chosen) < most and max(near, default=0.0) <= OVERLAP:
            chosen[concept] = below[concept]
    return synsets, leaves, {concept: sorted(members) for concept, members in chosen.items()}


def _ancestors(synset: str, parents: Mapping[str, Sequence[str]]) -> set[str]:
    seen: set[str] = set()
    waiting = list(parents.get(synset, ()))
    while waiting:
        each = waiting.pop()
        if each not in seen:
            seen.add(each)
            waiting.extend(parents.get(each, ()))
    return seen


def _table(path: Path) -> Iterator[list[str]]:
    with path.open(encoding="utf-8") as lines:
        next(lines)
        for line in lines:
            yield line.rstrip("\n").split("\t")
