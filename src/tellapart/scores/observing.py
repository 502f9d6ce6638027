"""What searches find for queries with known answers: features and relevance of their hits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tellapart.engine import Index
from tellapart.engine.configuration import Configuration
from tellapart.engine.hit_features import COMPARED_HITS, hit_features
from tellapart.engine.request import SearchRequest
from tellapart.engine.searching import Found
from tellapart.engine.second_look import units_ranking
from tellapart.experiments.qrels import Qrels
from tellapart.experiments.query_set import QuerySet
from tellapart.index.store import StoredDocument
from tellapart.progress import Progress, silent
from tellapart.scores.foreign import FOREIGN_QUERIES

Floats = NDArray[np.float64]

DEPTH = 100
"""Hits of a query in which its answer is looked for."""


@dataclass(frozen=True, slots=True)
class ObservedQuery:
    """The hits of one query with known answers.

    Attributes:
        query: Its id.
        cluster: Group of dependent queries.
        weight: How much it counts.
        features: Of the first 100 hits (n, 17), best first, as `hit_features` gives them; ten are learned from.
        relevant: Whether each of these is (n,): its document is, or where people judged passages, it overlaps one.
        without: Features of the first ten hits once every relevant one is gone (n, 17): a near miss, a question whose
            answer was taken out of the corpus while its neighbours stayed.
        answerable: Whether anything was judged relevant.
        foreign: Whether it was asked because it is about something else (`FOREIGN_QUERIES`).
    """

    query: str
    cluster: str
    weight: float
    features: Floats
    relevant: NDArray[np.bool_]
    without: Floats
    answerable: bool = True
    foreign: bool = False

    @property
    def found(self) -> bool:
        """Whether a hit among the first ten answers."""
        return bool(self.relevant[:COMPARED_HITS].any())


def observe(
    index: Index, query_set: QuerySet, configuration: Configuration, progress: Progress = silent
) -> list[ObservedQuery]:
    """Search for every query that has an answer, and for those judged to have none; say what was found.

    Queries without any hit are left out.
    """
    observed = []
    texts = {query: query_set.queries[query] for query in query_set.answerable()} | dict(query_set.unanswered)
    looked_by = configuration.parameters.rerank
    with index.reading() as snapshot, progress("searching", len(texts)) as advance:
        identifiers = index.store.identifiers()
        for query, text in texts.items():
            request = SearchRequest(
                text,
                k=DEPTH,
                ranker=configuration.ranker,
                granularity=configuration.granularity,
                encoder=configuration.encoder,
                parameters=configuration.parameters,
            )
            _, asked = index.level_queries(snapshot, request)
            found = units_ranking(index.store, snapshot, configuration.parameters, asked)(DEPTH)
            if query_set.ignore_same_id:
                found = [each for each in found if identifiers[each.document] != query]
            if found:
                documents = snapshot.fetch(index.store, [each.document for each in found])
                has = query not in query_set.unanswered
                relevant = (
                    _relevant(found, documents, query_set, query) if has else np.zeros(len(found), dtype=bool)
                )
                rest = [each for each, hit in zip(found, relevant, strict=True) if not hit]
                features = hit_features(found, asked, looked_by)
                without = hit_features(rest, asked, looked_by, described=COMPARED_HITS)
                observed.append(
                    ObservedQuery(
                        query,
                        query_set.cluster(query),
                        query_set.weights.get(query, 1.0),
                        features,
                        relevant,
                        without,
                        has,
                    )
                )
            advance(1)
    return observed


def observe_foreign(
    index: Index, configuration: Configuration, progress: Progress = silent
) -> list[ObservedQuery]:
    """Search for queries about something else.

    With a second look there are none: its score of them is low by itself, and reading takes long.
    """
    if configuration.parameters.rerank is not None:
        return []
    asked = {f"foreign {number}": text for number, text in enumerate(FOREIGN_QUERIES)}
    found = observe(index, QuerySet({}, Qrels({}), unanswered=asked), configuration, progress)
    return [replace(each, foreign=True) for each in found]


def _relevant(
    found: Sequence[Found], documents: Mapping[int, StoredDocument], query_set: QuerySet, query: str
) -> NDArray[np.bool_]:
    """Whether each hit answers; a document that nobody judged does not."""
    grades, spans = query_set.qrels.grades[query], query_set.spans.get(query, ())
    answers = []
    for each in found:
        stored = documents[each.document]
        name = stored.document.id
        if spans:
            start, end = stored.tree.span(each.granularity, each.ordinal)
            answers.append(
                any(
                    span.document == name and span.grade > 0 and span.start < end and start < span.end
                    for span in spans
                )
            )
        else:
            answers.append(grades.get(name, 0) > 0)
    return np.array(answers, dtype=bool)
