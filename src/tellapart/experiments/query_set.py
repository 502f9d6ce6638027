"""A query set: what is asked, what answers it, and where both come from. Every experiment starts from one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tellapart.errors import TellapartError
from tellapart.experiments.qrels import Qrels, SpanJudgement

JUDGED_SOURCE = "judged"
"""Source of a query whose answers people judged; synthetic ones are named by what they were made from."""


class Provenance(StrEnum):
    """Who says what answers a query."""

    JUDGED = "judged"
    """People."""
    SYNTHETIC = "synthetic"
    """The corpus: each query was made from a passage, which is taken for its answer."""
    EXAMPLES = "examples"
    """The corpus: units of one document, or of one folder, are taken to belong together."""


def _empty() -> Mapping[str, Any]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class QuerySet:
    """Queries with what answers them.

    Attributes:
        queries: Query text by query id. For images, the id of the image that is asked about.
        qrels: Grades of documents by query id: the relevance.
        spans: Graded passages (code points of a document's text) where these are known; may be empty.
        provenance: Who says what is relevant.
        examples: Rows of units that are given as examples, by query id; empty for queries of words.
        sources: What each synthetic query was made from; empty for judged ones.
        clusters: Label of the group of queries that depend on each other (they share their only answer, or a
            document); resampling draws whole groups. A query without a label is a group of its own.
        categories: How a report groups queries.
        weights: How much each query counts; 1 where absent.
        overlap: Share of a query's words that stand in its answer.
        ignore_same_id: Whether the document whose id is the query's is left out of its ranking.
        notes: Sentences that a reader of the figures must know, such as what was left out.
        unanswered: Texts of judged queries of which nothing is relevant, by query id. They are not searched for
            figures of rankings; `calibrate` learns from them when nothing answers.
    """

    queries: Mapping[str, str]
    qrels: Qrels
    spans: Mapping[str, tuple[SpanJudgement, ...]] = field(default_factory=_empty)
    provenance: Provenance = Provenance.JUDGED
    examples: Mapping[str, tuple[int, ...]] = field(default_factory=_empty)
    sources: Mapping[str, str] = field(default_factory=_empty)
    clusters: Mapping[str, str] = field(default_factory=_empty)
    categories: Mapping[str, str] = field(default_factory=_empty)
    weights: Mapping[str, float] = field(default_factory=_empty)
    overlap: Mapping[str, float] = field(default_factory=_empty)
    ignore_same_id: bool = False
    notes: tuple[str, ...] = ()
    unanswered: Mapping[str, str] = field(default_factory=_empty)

    def source(self, query: str) -> str:
        """Say what a query was made from, or that people judged it."""
        return self.sources.get(query, JUDGED_SOURCE)

    def cluster(self, query: str) -> str:
        """Name the group of dependent queries that one belongs to: itself unless it shares an answer."""
        return self.clusters.get(query, query)

    def answerable(self) -> tuple[str, ...]:
        """Ids of the queries that have a relevant document, in order."""
        return tuple(
            query
            for query in self.queries
            if any(grade > 0 for grade in self.qrels.grades.get(query, {}).values())
        )

    def weights_of(self, queries: Sequence[str]) -> NDArray[np.float64]:
        """Weights (n,) of some queries, 1 on average, so that a mean of weighted values is the weighted mean.

        Raises:
            TellapartError: All of them weigh nothing.
        """
        weights = np.array([self.weights.get(query, 1.0) for query in queries], dtype=np.float64)
        total = float(weights.sum())
        if not total > 0:
            raise TellapartError("all queries have the weight 0: nothing can be measured")
        return np.asarray(weights * (len(weights) / total), dtype=np.float64)

    def renamed(self, names: Mapping[str, str]) -> QuerySet:
        """Keep the queries that `names` maps to new ids, under these."""

        def under_new_names(values: Mapping[str, Any]) -> Mapping[str, Any]:
            return MappingProxyType({new: values[old] for old, new in names.items() if old in values})

        spans = {
            new: tuple(replace(span, query=new) for span in self.spans[old])
            for old, new in names.items()
            if old in self.spans
        }
        return replace(
            self,
            queries=under_new_names(self.queries),
            qrels=Qrels(under_new_names(self.qrels.grades)),
            spans=MappingProxyType(spans),
            examples=under_new_names(self.examples),
            sources=under_new_names(self.sources),
            clusters=under_new_names(self.clusters),
            categories=under_new_names(self.categories),
            weights=under_new_names(self.weights),
            overlap=under_new_names(self.overlap),
        )

    @classmethod
    def joined(cls, parts: Sequence[QuerySet]) -> QuerySet:
        """Put query sets of one provenance together; no query id may occur twice, the first one's notes stay."""

        def united(values: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
            return MappingProxyType({key: value for each in values for key, value in each.items()})

        return replace(
            parts[0],
            queries=united([part.queries for part in parts]),
            qrels=Qrels(united([part.qrels.grades for part in parts])),
            spans=united([part.spans for part in parts]),
            examples=united([part.examples for part in parts]),
            sources=united([part.sources for part in parts]),
            clusters=united([part.clusters for part in parts]),
            categories=united([part.categories for part in parts]),
            weights=united([part.weights for part in parts]),
            overlap=united([part.overlap for part in parts]),
            unanswered=united([part.unanswered for part in parts]),
        )
