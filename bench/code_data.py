"""Repositories with judged queries of semble's benchmark: checkouts, indexes, its measure, candidates of queries."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tellapart.corpus.document import KIND_OF, Granularity
from tellapart.corpus.places import lines
from tellapart.encoders.cache import open_cache
from tellapart.encoders.pooling import embed
from tellapart.encoders.protocol import Encoder
from tellapart.encoders.windows import UnitText
from tellapart.engine import Index
from tellapart.experiments.semble import Annotations, Target, read_semble
from tellapart.index.embedding import unit_texts
from tellapart.index.lexical import B_CODE, K1_CODE, analyse_query
from tellapart.index.snapshot import Snapshot
from tellapart.index.store import StoredDocument
from tellapart.index.vectors import VectorIndex
from tellapart.rankers.query import Query, Units
from tellapart.rankers.rocchio import knn
from tellapart.rankers.structure import Placed, Structure
from tellapart.rankers.structure_features import FEATURES, NEAR_FEATURES, Side
from tellapart.rankers.structure_names import Asked
from tellapart.rankers.structure_weights import Weights

LEVELS = (Granularity.PARAGRAPH, Granularity.FUNCTION)
TOP = 10
Place = tuple[str, int, int]
"""A hit: its path, first line and last line."""


@dataclass(frozen=True)
class Repository:
    """A repository of the benchmark: its language, its judged queries, and the folder that is searched."""

    name: str
    language: str
    folder: Path
    annotations: Annotations


def repositories(data: Path, checkouts: Path, only: Sequence[str] = ()) -> list[Repository]:
    """Read the annotations; a repository that is not checked out is left out with a word on stderr."""
    found = []
    for each in json.loads((data / "semble-bench" / "repos.json").read_text(encoding="utf-8")):
        folder = checkouts / each["name"] / (each.get("benchmark_root") or ".")
        if only and each["name"] not in only:
            continue
        if not folder.is_dir():
            sys.stderr.write(f"{each['name']}: no {folder}, left out\n")
            continue
        judged = read_semble(data / "semble-bench" / "annotations" / f"{each['name']}.json")
        found.append(Repository(each["name"], each["language"], folder, judged))
    return found


def open_index(repository: Repository, place: Path) -> Index:
    """Index a repository, or open what an earlier run left."""
    folder = place / repository.name
    if (folder / "store.sqlite").is_file():
        return Index.open(folder, refresh=False)
    return Index.build([repository.folder], folder, encoders=())


def covers(place: Place, target: Target) -> bool:
    """Whether a hit stands for a target: equal paths, or one a suffix of the other, and lines that overlap."""
    path, first, last = place
    same = path == target.path or path.endswith("/" + target.path) or target.path.endswith("/" + path)
    return same and (target.lines is None or (first <= target.lines[1] and last >= target.lines[0]))


def gain(first_ranks: Iterable[int | None], targets: int) -> float:
    """NDCG@10 as semble counts it: binary gains, a slot once, ideal of min(10, targets)."""
    discounts = 1 / np.log2(np.arange(2, TOP + 2))
    slots = {rank for rank in first_ranks if rank is not None and rank < TOP}
    return float(sum(discounts[slot] for slot in slots) / discounts[: min(TOP, targets)].sum())


def value(places: Sequence[Place], targets: Sequence[Target]) -> float:
    """Score a list of hits for one query."""
    ranks = (next((at for at, p in enumerate(places[:TOP]) if covers(p, target)), None) for target in targets)
    return gain(ranks, len(targets))


@dataclass(frozen=True)
class Judged:
    """One query with its candidate files: features (n, columns).

    `covered` (targets, n) says what each file's first unit covers, `relevant` (n,) which files are those of a target.
    """

    repository: Repository
    query: str
    asked: Asked
    features: NDArray[np.float64]
    covered: NDArray[np.bool_]
    relevant: NDArray[np.bool_]

    @property
    def category(self) -> str:
        """`symbol`, `semantic` or `architecture`."""
        return self.repository.annotations.categories[self.query]

    def value(self, scores: NDArray[np.float64]) -> float:
        """Score the files in the order of some scores, each as its first unit."""
        order = np.argsort(-scores, kind="stable")[:TOP]
        ranks = [int(np.argmax(row)) if row.any() else None for row in self.covered[:, order]]
        return gain(ranks, len(self.covered))


class Searched:
    """One repository's index, asked without the planner so that weights can be tried.

    `encode` gives some of its units vectors, of which the queries put from then on make use.
    """

    def __init__(self, repository: Repository, index: Index, snapshot: Snapshot) -> None:
        self.repository = repository
        self.index = index
        self.snapshot = snapshot
        self._vectors: dict[Granularity, VectorIndex] = {}
        self._queries: dict[str, NDArray[np.float32]] = {}

    def encode(self, encoder: Encoder, rows: Mapping[Granularity, Sequence[int]]) -> None:
        """Give these units vectors, as a search finds them in an index that is not encoded to its end."""
        texts = self.repository.annotations.queries.texts
        self._queries = dict(zip(texts, encoder.encode_query(list(texts.values())), strict=True))
        for level, own in rows.items():
            made, _ = embed(encoder, [self._text(level, row) for row in own], cache=open_cache())
            halves = np.zeros((self.snapshot.units(level).n_rows, encoder.dim), np.float16)
            halves[list(own)] = made
            self._vectors[level] = VectorIndex([halves], self.snapshot.units(level).alive)

    def _text(self, level: Granularity, row: int) -> UnitText:
        stored, ordinal = self._stored(level, row)
        return unit_texts(stored, level)[ordinal]

    def _stored(self, level: Granularity, row: int) -> tuple[StoredDocument, int]:
        """Fetch the document of a unit, and say which of its units it is."""
        numbers, ordinals = self.snapshot.units(level).locate(np.array([row]))
        number = int(numbers[0])
        return self.snapshot.fetch(self.index.store, [number])[number], int(ordinals[0])

    def ranker(self, fitted: Weights | None) -> Structure:
        """Rank by some weights; None where only candidates matter."""
        return Structure(K1_CODE, B_CODE, knn() if self._vectors else None, fitted=fitted)

    def sides(self, query: str) -> list[Side]:
        """Put a query to functions and paragraphs."""
        text = self.repository.annotations.queries.texts[query]
        sides = []
        for level in LEVELS:
            if level not in self.snapshot.granularities:
                continue
            table = self.snapshot.units(level)
            units = Units(
                level, table.n_rows, self.snapshot.lexical(level), self._vectors.get(level), table.alive,
                offsets=table.offsets, names=self.snapshot.names,
            )  # fmt: skip
            terms = tuple(analyse_query(text, KIND_OF[level]))
            sides.append(Side(level, Query(terms, self._queries.get(query), text=text), units, table.offsets))
        return sides

    def place(self, side: Side, row: int) -> Place:
        """Say where a unit stands."""
        stored, ordinal = self._stored(side.granularity, row)
        span = stored.tree.span(side.granularity, ordinal)
        return (stored.document.path or "", *lines(stored.document.text, *span))

    def judged(self, query: str, among: NDArray[np.int64] | None = None) -> Judged:
        """Measure the candidates of a query, or those of them that are `among` some files."""
        sides = self.sides(query)
        neutral = Weights(tuple(self.columns), *(np.zeros(len(self.columns)),) * 2, 0.0, 1.0)
        ranker = self.ranker(neutral)
        found, _ = ranker.find(sides)
        shown = _first_units(ranker.rank_together(sides, len(found.positions)), sides)
        kept = np.flatnonzero(
            np.ones(len(found.positions), bool) if among is None else np.isin(found.positions, among)
        )
        positions = found.positions[kept].tolist()
        places = [self.place(sides[shown[at].side], shown[at].row) for at in positions]
        targets = self.repository.annotations.targets[query]
        covered = np.array([[covers(place, target) for place in places] for target in targets], bool)
        covered = covered.reshape(len(targets), len(places))
        relevant = [any(covers(place, replace(target, lines=None)) for target in targets) for place in places]
        features = found.features[kept].astype(np.float64)
        return Judged(self.repository, query, found.asked, features, covered, np.array(relevant, bool))

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the features."""
        return FEATURES + NEAR_FEATURES if self._vectors else FEATURES

    def answer(self, query: str, fitted: Weights, decay: float) -> list[Place]:
        """Search as the product does, with some weights."""
        sides = self.sides(query)
        ranker = replace(self.ranker(fitted), decay=decay)
        return [self.place(sides[p.side], p.row) for p in ranker.rank_together(sides, TOP)]


def _first_units(placed: Iterable[Placed], sides: Sequence[Side]) -> dict[int, Placed]:
    first: dict[int, Placed] = {}
    for each in placed:
        document = int(np.searchsorted(sides[each.side].offsets, each.row, side="right")) - 1
        if document not in first or each.score > first[document].score:
            first[document] = each
    return first


def searched(chosen: Sequence[Repository], place: Path) -> Iterator[Searched]:
    """Open every repository in turn."""
    for repository in chosen:
        index = open_index(repository, place)
        with index.reading() as snapshot:
            yield Searched(repository, index, snapshot)
        index.close()
