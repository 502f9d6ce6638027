"""Scores of a block of queries on one tier of units, shared by all configurations that are made of them.

The dense scores of every (encoder, direction) and of every (k1, b) are computed once; fusions, roll-ups and
cuts work on the same arrays. The arithmetic is that of the rankers, so a configuration gets here what
`Index.run` would give it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tellapart.corpus.document import KIND_OF, Granularity
from tellapart.encoders.protocol import Vectors
from tellapart.engine.configuration import Configuration
from tellapart.engine.searching import joint_spreads
from tellapart.experiments.entropy import entropy_weights
from tellapart.index.lexical import analyse_query
from tellapart.index.snapshot import Snapshot, UnitTable
from tellapart.index.vectors.moments import Moments
from tellapart.rankers.bm25 import BM25, lexical_spread
from tellapart.rankers.hybrid import Hybrid
from tellapart.rankers.query import Query, Spread, Spreads, Units, forbid
from tellapart.rankers.registry import make_ranker
from tellapart.rankers.structure import Structure, side_of
from tellapart.rankers.vectors import Linear, VectorRanker

KNN = "knn"

Scores = NDArray[np.float32]
"""Scores of a block: (queries, rows of a level) or (queries, documents)."""


@dataclass(frozen=True, slots=True)
class Pieces:
    """One kind of score of a block on one level, with its spread per query where scores are compared."""

    scores: Scores
    spreads: tuple[Spread, ...]

    def standardised(self, spreads: Sequence[Spread]) -> Scores:
        """Give z-scores, row by row."""
        return np.stack([spread.standardise(row) for spread, row in zip(spreads, self.scores, strict=True)])


class Tier:
    """The units of levels that are searched together, and the documents they belong to."""

    def __init__(self, snapshot: Snapshot, levels: Sequence[Granularity]) -> None:
        self.snapshot = snapshot
        self.levels = tuple(levels)
        self._lexical = dict(zip(self.levels, snapshot.lexical_together(self.levels), strict=True))
        self.tables: tuple[UnitTable, ...] = tuple(snapshot.units(level) for level in levels)
        self._filled = [np.flatnonzero(np.diff(table.offsets)) for table in self.tables]
        numbers = [table.documents[filled] for table, filled in zip(self.tables, self._filled, strict=True)]
        self.documents: NDArray[np.int64] = np.unique(np.concatenate(numbers))
        self._columns = [np.searchsorted(self.documents, of_level) for of_level in numbers]

    @property
    def rows(self) -> int:
        """How many units there are, dead ones included."""
        return sum(table.n_rows for table in self.tables)

    def units(self, level: Granularity, encoder: str | None) -> Units:
        """What a ranker may look at."""
        table = self.snapshot.units(level)
        vectors = None if encoder is None else self.snapshot.vectors(encoder, level)
        names = self.snapshot.names
        return Units(
            level,
            table.n_rows,
            self._lexical[level],
            vectors,
            table.alive,
            offsets=table.offsets,
            names=names,
        )

    def roll_up(self, scores: Sequence[Scores]) -> Scores:
        """Give each document its best unit's score: (queries, documents), -inf where nothing may be found."""
        best = np.full((len(scores[0]), len(self.documents)), -np.inf, dtype=np.float32)
        for of_level, table, filled, columns in zip(
            scores, self.tables, self._filled, self._columns, strict=True
        ):
            if not len(filled):
                continue
            whole = len(filled) == table.n_rows
            highest = of_level if whole else np.maximum.reduceat(of_level, table.offsets[filled], axis=1)
            best[:, columns] = np.maximum(best[:, columns], highest)
        return best


Settings = tuple[float | None, float | None, str | None]
"""Lambda, C and solver of an svm."""


@dataclass
class QueryBlock:
    """Queries put to a tier: `texts`, and their vectors (queries, dim) by encoder."""

    tier: Tier
    texts: Sequence[str]
    vectors: Mapping[str, Vectors]
    _words: dict[tuple[Granularity, float, float], Pieces] = field(default_factory=dict)
    _near: dict[tuple[Granularity, str, str, Settings], Pieces] = field(default_factory=dict)
    _terms: dict[str, list[tuple[str, ...]]] = field(default_factory=dict)

    def unit_scores(self, configuration: Configuration) -> list[Scores]:
        """Score every unit for every query, level by level."""
        if configuration.ranker not in ("bm25", "knn", "svm", "hybrid"):
            return self._by_ranker(configuration)
        made_of = [self._made_of(configuration, level) for level in self.tier.levels]
        fused = configuration.ranker == "hybrid"  # scores of one ranker are of one scale already
        own = [{name: part.spreads for name, part in pieces.items()} for pieces in made_of]
        spreads = _common(own) if fused else [None] * len(own)
        return [
            self._joined(configuration, level, pieces, of_level)
            for level, pieces, of_level in zip(self.tier.levels, made_of, spreads, strict=True)
        ]

    def entropy_weights(self, configuration: Configuration) -> NDArray[np.float64]:
        """Weight of the vectors (queries,) that the entropy rule gives a hybrid, over the units of all levels."""
        sides = [list(self._made_of(configuration, level).items()) for level in self.tier.levels]
        alive = [self.tier.units(level, None) for level in self.tier.levels]
        joined = [
            np.concatenate(
                [forbid(own[side][1].scores, units) for own, units in zip(sides, alive, strict=True)], axis=1
            )
            for side in (0, 1)
        ]
        joined = [each[:, np.isfinite(each).any(axis=0)] for each in joined]  # deleted units say nothing
        finite = [
            np.where(np.isfinite(each), each, each.min(initial=0, where=np.isfinite(each))) for each in joined
        ]
        return entropy_weights(*finite)

    def _joined(
        self,
        configuration: Configuration,
        level: Granularity,
        pieces: Mapping[str, Pieces],
        spreads: Mapping[str, Sequence[Spread]] | None,
    ) -> Scores:
        units = self.tier.units(level, None)
        if configuration.ranker == "hybrid":
            ranker = make_ranker(
                "hybrid", KIND_OF[level], configuration.parameters, encoder=configuration.encoder
            )
            assert isinstance(ranker, Hybrid)
            near, words = pieces[ranker.semantic.name], pieces[ranker.lexical.name]
            own = spreads or {ranker.semantic.name: near.spreads, ranker.lexical.name: words.spreads}
            by_vectors = near.standardised(own[ranker.semantic.name])
            return forbid(ranker.fuse(by_vectors, words.standardised(own[ranker.lexical.name])), units)
        ((name, part),) = pieces.items()
        scores = part.scores if spreads is None else part.standardised(spreads[name])
        if configuration.ranker == "bm25":
            scores = np.where(part.scores > 0, scores, np.float32(-np.inf))
        return forbid(scores, units)

    def _made_of(self, configuration: Configuration, level: Granularity) -> dict[str, Pieces]:
        ranker = make_ranker(configuration.ranker, KIND_OF[level], configuration.parameters)
        if isinstance(ranker, BM25):
            return {ranker.name: self._lexical(level, ranker)}
        encoder = str(configuration.encoder)
        if isinstance(ranker, Hybrid):
            return {
                ranker.lexical.name: self._lexical(level, ranker.lexical),
                ranker.semantic.name: self._semantic(level, encoder, ranker.semantic, (None, None, None)),
            }
        assert isinstance(ranker, VectorRanker)
        chosen = configuration.parameters
        settings = (chosen.regularisation, chosen.c, chosen.solver)
        return {ranker.name: self._semantic(level, encoder, ranker, settings)}

    def _lexical(self, level: Granularity, ranker: BM25) -> Pieces:
        key = level, ranker.k1, ranker.b
        if key not in self._words:
            units = self.tier.units(level, None)
            dense = [units.lexical.scores(terms, k1=ranker.k1, b=ranker.b) for terms in self._analysed(level)]
            self._words[key] = Pieces(np.stack(dense), tuple(lexical_spread(row, units) for row in dense))
        return self._words[key]

    def _semantic(self, level: Granularity, encoder: str, ranker: VectorRanker, settings: Settings) -> Pieces:
        key = level, encoder, ranker.name, settings
        if key not in self._near:
            units = self.tier.units(level, encoder)
            assert units.vectors is not None
            index, moments = units.vectors, units.vectors.moments()
            linears, scores = ranker.scores_of_many(
                [Query((), vector) for vector in self.vectors[encoder]], index
            )
            compared = len(self.tier.levels) > 1 or ranker.name == KNN  # knn is part of the fusions
            self._near[key] = Pieces(
                scores, tuple(_spread(moments, linear) for linear in linears) if compared else ()
            )
        return self._near[key]

    def _by_ranker(self, configuration: Configuration) -> list[Scores]:
        """Let a ranker whose scores are not shared speak for itself."""
        whole = make_ranker(configuration.ranker, KIND_OF[self.tier.levels[0]], configuration.parameters)
        if isinstance(whole, Structure):
            return self._together(whole, configuration.encoder)
        blocks = []
        for level in self.tier.levels:
            ranker = make_ranker(configuration.ranker, KIND_OF[level], configuration.parameters)
            units = self.tier.units(level, configuration.encoder)
            queries = zip(self._analysed(level), self.vectors[str(configuration.encoder)], strict=True)
            blocks.append(np.stack([ranker.scores(Query(*query), units) for query in queries]))
        return blocks

    def _together(self, ranker: Structure, encoder: str | None) -> list[Scores]:
        """Ask a ranker that looks at all levels at once."""
        units = [self.tier.units(level, encoder) for level in self.tier.levels]
        terms = [self._analysed(level) for level in self.tier.levels]
        blocks = []
        for number, text in enumerate(self.texts):
            vector = None if encoder is None else self.vectors[encoder][number]
            sides = [
                side_of(Query(own[number], vector, text=text), each)
                for each, own in zip(units, terms, strict=True)
            ]
            blocks.append(ranker.dense_together(sides))
        return [np.stack(level) for level in zip(*blocks, strict=True)]

    def _analysed(self, level: Granularity) -> list[tuple[str, ...]]:
        kind = KIND_OF[level]
        if kind not in self._terms:
            languages = self.tier.snapshot.languages
            self._terms[kind] = [tuple(analyse_query(text, kind, languages)) for text in self.texts]
        return self._terms[kind]


def _spread(moments: Moments, linear: Linear) -> Spread:
    mean, std = moments.score_statistics(linear.w)
    return Spread(moments.n, mean + linear.b, std)


def _common(own: Sequence[Mapping[str, tuple[Spread, ...]]]) -> list[Mapping[str, list[Spread]] | None]:
    """Spreads per level that make levels comparable, query by query; None for a single level."""
    if len(own) < 2:
        return [None] * len(own)
    queries = range(len(next(iter(own[0].values()))))
    joint: list[list[Spreads]] = [
        joint_spreads([{name: of[query] for name, of in level.items()} for level in own]) for query in queries
    ]
    return [
        {name: [joint[query][position][name] for query in queries] for name in own[0]}
        for position in range(len(own))
    ]
