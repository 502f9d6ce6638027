"""Relations of an index: learned from pairs of its units, kept in it, and used by `related --as NAME`."""

from __future__ import annotations

import functools
import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tellapart.corpus.document import KIND_OF, Granularity
from tellapart.engine import Index, SearchResult
from tellapart.engine.configuration import Configuration
from tellapart.engine.examples import Example, ExampleReader, ExampleSet, vectors_of
from tellapart.engine.hits import distinct_hits
from tellapart.engine.records import write_records
from tellapart.engine.request import SearchRequest
from tellapart.engine.searching import Found
from tellapart.errors import StaleIndexError, TellapartError
from tellapart.experiments.statistics import Comparison, compare
from tellapart.index.lexical import analyse_query
from tellapart.index.settings import located
from tellapart.index.snapshot import Snapshot
from tellapart.index.store import StoredDocument
from tellapart.scores.relations import (
    CANDIDATES,
    MOST_PAIRS,
    NamedUnits,
    RelationModel,
    Surroundings,
    Terms,
    decoded,
)

RECORD = "relation "
"""Records of relations are named so, with the relation's name behind it."""

NAMES = re.compile(r"[a-z0-9][a-z0-9_-]*")


@dataclass(frozen=True, slots=True)
class LearnedRelation:
    """What was learned, and what it is worth on pairs left out one at a time.

    Attributes:
        name: Of the relation.
        pairs: How many.
        texts: How many of their sides are no unit of the index but words.
        learned: Reciprocal rank of each left-out answer among at most 1,000 units (n,).
        plain: The same by the plain cosine.
        as_cosine: Whether nothing was gained over it, so that `related --as` uses it.
    """

    name: str
    pairs: int
    texts: int
    learned: NDArray[np.float64]
    plain: NDArray[np.float64]
    as_cosine: bool

    @property
    def gain(self) -> Comparison:
        """Mean reciprocal rank against the plain cosine's, paired."""
        return compare(self.learned, self.plain)


def read_pairs(file: Path) -> list[tuple[str, str]]:
    """Read two columns, separated by a tab; empty lines and those that start with # are left out.

    Raises:
        TellapartError: The file cannot be read, or a line has no two columns.
    """
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise TellapartError(f"cannot read the pairs in {file}: {why}; check the path") from error
    pairs = []
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith("#"):
            continue
        sides = [side.strip() for side in line.split("\t")]
        if len(sides) != 2 or not all(sides):
            raise TellapartError(f"{file}, line {number}: write two names with a tab between them")
        pairs.append((sides[0], sides[1]))
    return pairs


def learn_relation(
    index: Index,
    name: str,
    pairs: Sequence[tuple[str, str]],
    *,
    symmetric: bool = False,
    encoder: str | None = None,
    granularity: str | None = None,
) -> LearnedRelation:
    """Learn a relation from pairs and keep it in the index.

    Args:
        index: Whose units stand in the relation.
        name: Small letters, digits and hyphens.
        pairs: Two names each: a document, FILE:LINE, the id of a unit, or any other words. One that is given twice,
            or both ways round of a symmetric relation, counts once: a left-out pair must not be among the others.
        symmetric: Whether it holds both ways ("is a duplicate of").
        encoder: Whose vectors; None = those that a search by examples uses.
        granularity: Of the units; None = the default.

    Raises:
        TellapartError: A name that is none, or too few pairs.
    """
    if not NAMES.fullmatch(name):
        raise TellapartError(f"{name!r} is no name for a relation: use small letters, digits and hyphens")
    chosen = index.plan(ranker="knn", granularity=granularity, encoder=encoder).configuration
    level, used = chosen.granularities[0], str(chosen.encoder)
    different = list({frozenset(pair) if symmetric else pair: pair for pair in pairs}.values())
    spaced = np.linspace(0, len(different) - 1, min(len(different), MOST_PAIRS)).astype(int).tolist()
    chosen_pairs = [different[at] for at in spaced]
    with index.reading() as snapshot:
        resolver = _Resolver(index, snapshot, used, level)
        sides = [[resolver.unit(side) for side in pair] for pair in chosen_pairs]
        surroundings = surroundings_in(index, snapshot, used, level)
        fingerprint = snapshot.encoders[used].fingerprint
    if not sides:
        raise TellapartError("no pairs: give some lines of two names with a tab between them")
    sources, targets = (functools.reduce(NamedUnits.and_then, column) for column in zip(*sides, strict=True))
    model = RelationModel(symmetric=symmetric).fit(sources, targets, surroundings)
    record = {
        "encoder": used,
        "granularity": level.value,
        "fingerprint": fingerprint,
        "pairs": len(sides),
        **model.to_json(),
    }
    write_records(index.store, {RECORD + name: json.dumps(record)})
    return LearnedRelation(
        name, len(sides), resolver.texts, *model.left_out_ranks_, math.isinf(model.shrinkage_)
    )


def relations_of(index: Index) -> dict[str, dict[str, Any]]:
    """Give the relations kept in an index by name: encoder, granularity, pairs, symmetric."""
    with index.reading():
        kept = index.store.records(RECORD)
    found = {name.removeprefix(RECORD): decoded(value) for name, value in kept.items()}
    return {name: kept for name, kept in found.items() if kept is not None}


def search_relation(index: Index, place: str, name: str, k: int = 10) -> SearchResult:
    """Find the units that stand in a relation to one.

    Args:
        index: Holds the relation.
        place: A document, FILE:LINE, the id of a unit, or any other words.
        name: Of the relation.
        k: How many.

    Raises:
        TellapartError: No such relation; the message names those there are.
    """
    kept = relations_of(index).get(name)
    if kept is None:
        known = ", ".join(relations_of(index)) or "none yet"
        raise TellapartError(
            f"no relation {name!r} in {index.place} (there: {known}): learn it with"
            f" 'tellapart relation learn {name} PAIRS --index {index.place}'"
        )
    encoder, level = str(kept["encoder"]), Granularity(kept["granularity"])
    with index.reading() as snapshot:
        if encoder not in snapshot.encoders or snapshot.encoders[encoder].fingerprint != kept["fingerprint"]:
            raise StaleIndexError(
                f"the relation {name} was learned with other vectors of {encoder}:"
                f" run 'tellapart relation learn {name} PAIRS --index {index.place}' again"
            )
        resolver = _Resolver(index, snapshot, encoder, level)
        x = resolver.unit(place)
        model = RelationModel.from_json(kept, surroundings_in(index, snapshot, encoder, level))
        found = _best(index, snapshot, model, x, encoder, level, resolver.own, name, k)
        fetch = lambda numbers: snapshot.fetch(index.store, numbers)  # noqa: E731
        hits = distinct_hits(lambda count: found[:count], fetch, k)
    request = SearchRequest(like=(place,), k=k, encoder=encoder, granularity=level.value)
    why = f"the relation {name}, learned from {kept['pairs']:,} pairs"
    notes = (f"{place!r} is no unit of this index: taken as words",) if resolver.texts else ()
    return SearchResult(request, Configuration(encoder, (level,), "knn"), why, hits, notes=notes)


def surroundings_in(index: Index, snapshot: Snapshot, encoder: str, level: Granularity) -> Surroundings:
    """Describe the units of one level by mean, covariance and a sample."""
    vectors = snapshot.vectors(encoder, level)
    moments = vectors.moments()
    rows = np.arange(vectors.n_rows) if vectors.alive is None else np.flatnonzero(vectors.alive)
    if len(rows) > CANDIDATES:
        rows = np.sort(np.random.default_rng(0).choice(rows, CANDIDATES, replace=False))
    sample = vectors.take(rows)
    there = sample.any(axis=1)
    named = _named(index, snapshot, level, rows[there], sample[there])
    return Surroundings(moments.mean, moments.covariance, named)


def _best(
    index: Index,
    snapshot: Snapshot,
    model: RelationModel,
    x: NamedUnits,
    encoder: str,
    level: Granularity,
    own: set[int],
    name: str,
    k: int,
) -> list[Found]:
    """Score every unit block by block, the best by their names too; copies may take places, so some more are given."""
    vectors, table = snapshot.vectors(encoder, level), snapshot.units(level)
    scores, cosines = np.full(vectors.n_rows, -np.inf), np.zeros(vectors.n_rows)
    for first, block in vectors.blocks():
        there = block.any(axis=1)
        rows = first + np.flatnonzero(there)
        scores[rows] = model.vector_score(x, block[there])
        cosines[rows] = block[there] @ x.vectors[0].astype(np.float32)
    if vectors.alive is not None:
        scores[~vectors.alive] = -np.inf
    scores[list(own)] = -np.inf
    order = np.argsort(-scores, kind="stable")[: max(2 * k + 1, CANDIDATES)]
    order = order[scores[order] > -np.inf]
    scores[order] += model.name_score(x, _named(index, snapshot, level, order, vectors.take(order)))
    order = order[np.argsort(-scores[order], kind="stable")][: 2 * k + 1]
    numbers, ordinals = table.locate(order)
    return [
        Found(
            int(number),
            level,
            int(ordinal),
            float(scores[row]),
            {"knn": float(cosines[row]), name: float(scores[row])},
        )
        for row, number, ordinal in zip(order.tolist(), numbers.tolist(), ordinals.tolist(), strict=True)
    ]


def _named(
    index: Index,
    snapshot: Snapshot,
    level: Granularity,
    rows: NDArray[np.int64],
    vectors: NDArray[np.float32],
) -> NamedUnits:
    """Describe units in some rows of a level, with their vectors (n, dim)."""
    numbers, ordinals = snapshot.units(level).locate(rows)
    documents = snapshot.fetch(index.store, numbers.tolist())
    words = [
        _words(documents[number], level, ordinal)
        for number, ordinal in zip(numbers.tolist(), ordinals.tolist(), strict=True)
    ]
    return NamedUnits.of(vectors, [text for text, _ in words], [name for _, name in words])


def _words(stored: StoredDocument, level: Granularity, ordinal: int) -> tuple[Terms, Terms]:
    """Terms of a unit's text and of its name: its own heading or function's name, else the title; none without."""
    text = stored.document.text[slice(*stored.tree.span(level, ordinal))]
    name = stored.tree.levels[level].labels[ordinal] or stored.document.title
    return frozenset(analyse_query(text, KIND_OF[level])), frozenset(analyse_query(name, KIND_OF[level]))


class _Resolver:
    """Turns what a user names into one unit: of the index, or else of words; `own` collects the rows of units."""

    def __init__(self, index: Index, snapshot: Snapshot, encoder: str, level: Granularity) -> None:
        self.index = index
        self.snapshot = snapshot
        self.encoder = encoder
        self.level = level
        self.reader = ExampleReader(
            snapshot, index.store, located(index.settings.sources, index.folder), (level,), encoder
        )
        self.texts = 0
        self.own: set[int] = set()

    def unit(self, name: str) -> NamedUnits:
        """Give a name's vector (1, dim), of unit length, and its words."""
        try:
            examples = self.reader.read([name], [])
        except TellapartError:
            self.texts += 1
            terms = frozenset(analyse_query(name, KIND_OF[self.level]))
            return NamedUnits.of(self.index.encode_queries(self.encoder, [name]), [terms], [terms])
        self.own.update(examples.own_rows(self.snapshot, self.level))
        mean = vectors_of(self.snapshot, self.encoder, examples.liked).astype(np.float64).mean(axis=0)
        texts, names = zip(*(self._words(examples, each) for each in examples.liked), strict=True)
        vector = mean / max(float(np.linalg.norm(mean)), 1e-12)
        return NamedUnits.of(vector[None], [frozenset().union(*texts)], [frozenset().union(*names)])

    @staticmethod
    def _words(examples: ExampleSet, each: Example) -> tuple[Terms, Terms]:
        stored = examples.documents[each.document]
        return _words(stored, each.level, stored.tree.at(each.level, each.span[0]))
