"""A query set with its gold, judged by people or generated: what every evaluation starts from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from tellapart.experiments.queries.judgements import Qrels, SpanJudgement

JUDGED = "judged"
"""Source of the queries whose gold people gave; generated ones are named by what they were made from."""


def _none() -> Mapping[str, str]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class QueryGold:
    """Queries and what answers them, at the level that was judged.

    `qrels` grade documents; `spans` grade parts of documents where these are known (a generated query's
    source unit, a judged passage) and may be empty. `sources` says what each query was made from,
    `clusters` which queries share a document and are resampled together, `categories` how a report groups
    them, `weights` how much each counts (1 where absent).
    """

    queries: Mapping[str, str]
    qrels: Qrels
    spans: Mapping[str, tuple[SpanJudgement, ...]] = field(default_factory=lambda: MappingProxyType({}))
    sources: Mapping[str, str] = field(default_factory=_none)
    clusters: Mapping[str, str] = field(default_factory=_none)
    categories: Mapping[str, str] = field(default_factory=_none)
    weights: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def generated(self) -> bool:
        """Whether no query was judged by a person."""
        return bool(self.sources) and JUDGED not in self.sources.values()

    def source(self, query: str) -> str:
        """Say what a query was made from."""
        return self.sources.get(query, JUDGED)

    def cluster(self, query: str) -> str:
        """Name the group of dependent queries that one belongs to: itself unless it shares a document."""
        return self.clusters.get(query, query)
