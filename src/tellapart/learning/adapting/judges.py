"""Queries that people judged: what changed vectors are worth to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tellapart.corpus.types import Granularity
from tellapart.encoders.protocol import Vectors
from tellapart.engine import Index
from tellapart.errors import TellapartError
from tellapart.experiments.judgements import Qrels
from tellapart.experiments.measures import Measure, evaluate_run
from tellapart.experiments.query_set import JUDGED_SOURCE, QuerySet
from tellapart.experiments.statistics import compare
from tellapart.learning.adapting.deciding import Evidence
from tellapart.learning.adapting.units import Units, of_documents, read_units
from tellapart.rankers.run import RankedDocuments, Run, rank_documents

MEASURE = Measure.parse("nDCG@10")
DEPTH = 100
BLOCK = 256


@dataclass(frozen=True, slots=True)
class Judges:
    """n judged queries with a relevant document, over the units of one level; documents score as their best unit.

    `queries` (n, d) and `units` are vectors of the encoder as it is, `untouched` (n,) and `bm25` (n,) are nDCG@10 of it
    and of BM25, `clusters` (n,) name queries that depend on each other.
    """

    names: tuple[str, ...]
    texts: tuple[str, ...]
    grades: tuple[Mapping[str, int], ...]
    queries: Vectors
    units: Units
    level: Granularity
    untouched: NDArray[np.float64]
    bm25: NDArray[np.float64]
    clusters: tuple[str, ...]

    @classmethod
    def of(cls, index: Index, encoder: str, level: Granularity, query_set: QuerySet) -> Judges:
        """Read the judged queries of an index.

        Raises:
            TellapartError: No judged query has a relevant document in the index.
        """
        run = index.run(dict(query_set.queries), ranker="bm25", granularity=level, depth=DEPTH)
        found = evaluate_run(run, query_set.qrels, [MEASURE])
        asked = [place for place, name in enumerate(found.queries) if name in query_set.queries]
        names = tuple(found.queries[place] for place in asked)
        texts = tuple(query_set.queries[name] for name in names)
        grades = tuple(query_set.qrels.grades[name] for name in names)
        queries, units = index.encode_queries(encoder, texts), read_units(index, encoder, level)
        if not any(set(units.names) & of.keys() for of in grades):
            raise TellapartError(
                f"no document that the judgements name is in {index.folder}: give those of this corpus"
            )
        return cls(
            names=names,
            texts=texts,
            grades=grades,
            queries=queries,
            units=units,
            level=level,
            untouched=_values(names, grades, queries, units.vectors, units),
            bm25=found.values[MEASURE][asked],
            clusters=tuple(query_set.cluster(name) for name in names),
        )

    def values(self, rows: NDArray[np.int64], asked: Vectors, offered: Vectors) -> NDArray[np.float64]:
        """NDCG@10 (r,) of some queries whose changed vectors are `asked` (r, e), among units `offered` (u, e)."""
        chosen = rows.tolist()
        names, grades = [self.names[row] for row in chosen], [self.grades[row] for row in chosen]
        return _values(names, grades, asked, offered, self.units)

    def evidence(self, adapted: NDArray[np.float64]) -> Evidence:
        """Compare nDCG@10 (n,) with the untouched encoder's and BM25's."""
        return Evidence(
            source=JUDGED_SOURCE,
            queries=len(adapted),
            untouched=float(self.untouched.mean()),
            adapted=float(adapted.mean()),
            bm25=float(self.bm25.mean()),
            against_untouched=compare(adapted, self.untouched, clusters=self.clusters),
            against_bm25=compare(adapted, self.bm25, clusters=self.clusters),
        )


def _values(
    names: tuple[str, ...] | list[str],
    grades: tuple[Mapping[str, int], ...] | list[Mapping[str, int]],
    asked: Vectors,
    offered: Vectors,
    units: Units,
) -> NDArray[np.float64]:
    rankings: dict[str, RankedDocuments] = {}
    depth = min(DEPTH, len(units.names))
    for start in range(0, len(names), BLOCK):
        scores = of_documents(asked[start : start + BLOCK], offered, units.starts)
        for name, row in zip(names[start : start + BLOCK], scores, strict=True):
            top = np.argpartition(-row, depth - 1)[:depth]
            rankings[name] = rank_documents([units.names[place] for place in top], row[top].tolist())
    qrels = Qrels(dict(zip(names, grades, strict=True)))
    return evaluate_run(Run(rankings), qrels, [MEASURE]).values[MEASURE]
