"""The configurations whose results are judged against each other, and what a person is shown of a document."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from tellapart.engine import Configuration, Hit, Index
from tellapart.engine.configuration import parse_granularities
from tellapart.engine.records import CheckedVerdict
from tellapart.errors import TellapartError
from tellapart.experiments.arms import text_arms
from tellapart.experiments.costs import cost_order
from tellapart.experiments.experiment import Experiment
from tellapart.experiments.judging.pools import DEPTH, Pools, first_ranks
from tellapart.experiments.posterior.choice import contend
from tellapart.experiments.posterior.evidence import weigh
from tellapart.experiments.posterior.model import load_models
from tellapart.experiments.qrels import Qrels
from tellapart.experiments.query_set import QuerySet
from tellapart.experiments.verdict import EVALUATION
from tellapart.progress import Progress, silent
from tellapart.rankers.registry import Parameters

MOST = 4
"""Leaders at once: six pairs share the error, and each more makes every pool larger: with 2
one pair is judged, with 8 there are 28."""

UNITS = 100
"""Units searched for the passage that made a leader return a document."""


def default_leaders(index: Index) -> tuple[Configuration, ...]:
    """Name the contenders of the verdict, of which knowing the gains is worth most (`contend`), the cheapest first.

    By the verdict kept in the index; without one, or with a stale one, by what is known of other collections.
    """
    leaders = _by_verdict(index) or _by_other_collections(index)
    with index.reading() as snapshot:
        return tuple(leaders[place] for place in cost_order(snapshot, leaders))


def _by_verdict(index: Index) -> list[Configuration]:
    with index.reading() as snapshot:
        kept = CheckedVerdict.of(index.store, snapshot)
        record = index.store.record(EVALUATION)
    if kept is None or kept.stale or record is None:
        return []
    try:
        found = [
            Configuration(
                each["encoder"],
                parse_granularities(each["granularity"]),
                each["ranker"],
                Parameters(**each["parameters"]),
            )
            for each in json.loads(record)["contenders"]
        ]
    except (ValueError, KeyError, TypeError, TellapartError):
        return []  # another version of tellapart wrote it
    return found if len(found) > 1 else []


def _by_other_collections(index: Index) -> list[Configuration]:
    auto = index.plan().configuration
    if not auto.granularities:
        raise TellapartError(f"the index {index.place} holds no documents: index some first")
    if auto.encoder is None:
        raise TellapartError(
            "there is one configuration only, bm25, because the index holds no vectors:"
            f" add them with 'tellapart index --encoder minilm --index {index.place}'"
        )
    nothing = QuerySet(MappingProxyType({}), Qrels(MappingProxyType({})))
    experiment = Experiment.without_queries(nothing, text_arms(index), None)
    weighed = weigh(experiment, load_models())
    default = experiment.arms[experiment.default].arm.variants[0]
    return [
        each.configuration
        for each in contend(weighed.rivals, weighed.posterior, (experiment.default, default))
    ]


def pool(
    index: Index,
    leaders: Sequence[Configuration],
    queries: Mapping[str, str],
    *,
    progress: Progress = silent,
) -> Pools:
    """Search every query with every leader and pool their first documents."""
    names = [leader.described for leader in leaders]
    if len(set(names)) < len(names):
        raise TellapartError(f"the configuration {max(names, key=names.count)} is named twice: name it once")
    if not 2 <= len(leaders) <= MOST:
        raise TellapartError(
            f"{len(leaders)} configurations to compare: give 2 to {MOST} with --configuration"
        )
    for query, text in queries.items():
        if not text.strip():
            raise TellapartError(f"the query {query!r} is empty: give it some words or take it out")
    runs = [
        index.run(
            queries,
            depth=DEPTH,
            ranker=leader.ranker,
            granularity=leader.granularity,
            encoder=leader.encoder,
            parameters=leader.parameters,
            progress=progress,
        )
        for leader in leaders
    ]
    lists = first_ranks(runs, list(queries), DEPTH)
    if not any(documents for of in lists for documents in of):
        raise TellapartError(
            f"no query finds anything in {index.place}: index some documents, or give queries that fit them"
        )
    return Pools.of(list(queries), names, lists, depth=DEPTH)


class Passages:
    """The unit of a document that made a leader return it, for the eyes of a person."""

    def __init__(self, index: Index, leaders: Sequence[str]) -> None:
        self._index = index
        self._leaders = [Configuration.parse(name) for name in leaders]
        self._query = ""
        self._found: dict[str, Hit] = {}

    def of(self, query: str, document: str) -> Hit | None:
        """Give the best unit of a document for a query's text; None where the index no longer has it."""
        if query != self._query:
            self._query, self._found = query, {}
            for leader in self._leaders:
                for hit in self._search(query, leader):
                    self._found.setdefault(hit.document, hit)
        if document not in self._found:
            try:
                return self._index.get(document)
            except TellapartError:
                return None
        return self._found[document]

    def _search(self, query: str, leader: Configuration) -> Sequence[Hit]:
        return self._index.search(
            query,
            k=UNITS,
            ranker=leader.ranker,
            granularity=leader.granularity,
            encoder=leader.encoder,
            parameters=leader.parameters,
        )
