"""Queries that decide about an adapted encoder, as vectors, beside the units that answer them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from tellapart.corpus.document import Granularity, Kind
from tellapart.encoders.protocol import Vectors
from tellapart.encoders.windows import UnitText
from tellapart.engine import Index
from tellapart.errors import TellapartError
from tellapart.experiments.experiment import FOLDS, assign_folds
from tellapart.experiments.measures import Measure, evaluate_run
from tellapart.experiments.qrels import Qrels
from tellapart.experiments.query_set import QuerySet
from tellapart.experiments.synthetic import QuerySource, generate, leaks
from tellapart.learning.adapting.units import UnitMatrix, contents_of, of_documents, read_units
from tellapart.progress import Progress, silent
from tellapart.rankers.run import RankedDocuments, Run, rank_documents

AT_MOST = 2_000
"""Synthetic queries, of all sources together: what a laptop encodes in half a minute at 60 texts a second."""

SOURCES = (
    QuerySource.DOCSTRING,
    QuerySource.TITLE,
    QuerySource.HEADING,
    QuerySource.IDENTIFIER,
    QuerySource.COMMENT,
    QuerySource.FIRST_SENTENCE,
    QuerySource.INNER_SENTENCE,
)
"""Those that somebody wrote; bags of rare terms are no queries that an encoder should learn from."""

NEAR = 0.95
"""Cosine from which two texts may answer each other's queries: they stand on the same side of every split, and one is
left out of the ranking for a synthetic query of the other. Not measured at other values."""

FEWEST = 50
"""Queries of a source that make it count, and queries that are left to learn from: with a standard
deviation of .3, 50 show a difference of .12 in 80 % of trials, 25 one of .17."""

LONG = 8
"""Characters per token of the window: where the median document is longer, paragraphs or functions are taken
instead of whole documents. English has some 4 to 5 characters a token, so that is about twice the window."""

MEASURE = Measure.parse("nDCG@10")
DEPTH = 100
BLOCK = 256

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class AdaptationQueries:
    """n queries with relevant documents, and the units of one level that are searched.

    Attributes:
        query_set: The n queries with their grades; clusters put near-duplicates together.
        names: Their ids, in the order of all rows.
        queries: Vectors (n, d) of the encoder as it is.
        units: Vectors of all units, document by document.
        contents: What is encoded of each unit.
        pairs: A query's row, the place of a document that answers it, and the row of that document's unit (p, 3).
        near: Places of documents that are left out of a query's ranking, for each query.
        bm25: nDCG@10 of BM25 (n,).
        kind: Prose or code.
        level: Of the units.
    """

    query_set: QuerySet
    names: tuple[str, ...]
    queries: Vectors
    units: UnitMatrix
    contents: tuple[UnitText, ...]
    pairs: Rows
    near: tuple[Rows, ...]
    bm25: NDArray[np.float64]
    kind: Kind
    level: Granularity

    @property
    def texts(self) -> list[str]:
        """Texts of the queries."""
        return [self.query_set.queries[name] for name in self.names]

    @property
    def enough(self) -> bool:
        """Whether there are queries enough to learn from."""
        return len(self.names) >= FEWEST

    def values(self, rows: Rows, asked: Vectors, offered: Vectors) -> NDArray[np.float64]:
        """NDCG@10 (r,) of some queries whose vectors are `asked` (r, e) among units `offered` (u, e).

        A document scores as its best unit.
        """
        rankings: dict[str, RankedDocuments] = {}
        depth = min(DEPTH, len(self.units.names))
        for start in range(0, len(rows), BLOCK):
            block = rows[start : start + BLOCK].tolist()
            scores = of_documents(asked[start : start + BLOCK], offered, self.units.starts)
            for row, own in zip(block, scores, strict=True):
                own[self.near[row]] = -np.inf
                top = np.argpartition(-own, depth - 1)[:depth]
                top = top[np.isfinite(own[top])]
                found = [self.units.names[place] for place in top.tolist()]
                rankings[self.names[row]] = rank_documents(found, own[top].tolist())
        grades = {self.names[row]: self.query_set.qrels.grades[self.names[row]] for row in rows.tolist()}
        return evaluate_run(Run(rankings), Qrels(grades), [MEASURE]).values[MEASURE]

    def held_out(self, seed: int) -> Iterator[tuple[Rows, Rows]]:
        """Give rows of queries to be judged, each once, and the pairs (p, 3) that may be learned from for them.

        No pair is of a held-out query, nor of a document that answers one, nor of a near-duplicate of such a document.
        For synthetic queries the pairs are of other sources too, where there are any: a map that is fitted and judged
        on queries of one source learns the source.
        """
        clusters = [self.query_set.cluster(name) for name in self.names]
        folds = assign_folds(clusters, seed=seed)
        sources = np.array([self.query_set.source(name) for name in self.names])
        every = sorted(set(sources.tolist()))
        for fold in range(FOLDS):
            for source in every:
                held = (folds == fold) & (sources == source)
                if not held.any():
                    continue
                allowed = ~held if len(every) == 1 else (folds != fold) & (sources != source)
                yield np.flatnonzero(held), self._without(held, allowed)

    def _without(self, held: NDArray[np.bool_], allowed: NDArray[np.bool_]) -> Rows:
        out = held[self.pairs[:, 0]]
        answers = np.zeros(len(self.units.starts), dtype=bool)
        answers[self.pairs[out, 1]] = True
        for _, near in _near(self.units, np.unique(self.pairs[out, 2])):
            answers[near] = True
        return self.pairs[allowed[self.pairs[:, 0]] & ~out & ~answers[self.pairs[:, 1]]]

    def of_sources(self, counting: Sequence[str]) -> AdaptationQueries:
        """Keep the queries of some sources."""
        kept = [row for row, name in enumerate(self.names) if self.query_set.source(name) in counting]
        names = tuple(self.names[row] for row in kept)
        place = {row: new for new, row in enumerate(kept)}
        pairs = [(place[q], *rest) for q, *rest in self.pairs.tolist() if q in place]
        return replace(
            self,
            query_set=self.query_set.renamed({name: name for name in names}),
            names=names,
            queries=self.queries[kept],
            pairs=np.array(pairs, dtype=np.int64).reshape(-1, 3),
            near=tuple(self.near[row] for row in kept),
            bm25=self.bm25[kept],
        )


def judged_queries(index: Index, encoder: str, query_set: QuerySet) -> AdaptationQueries:
    """Read what people judged, over the units of an index.

    Raises:
        TellapartError: No judged query has a relevant document in the index.
    """
    kind, level = level_of(index, encoder)
    units = read_units(index, encoder, level)
    names = query_set.answerable()
    if not any(set(units.names) & query_set.qrels.grades[name].keys() for name in names):
        raise TellapartError(
            f"no document that the judgements name is in {index.place}: give those of this corpus"
        )
    asked = {name: query_set.queries[name] for name in names}
    run = index.run(asked, ranker="bm25", granularity=level, depth=DEPTH)
    queries = index.encode_queries(encoder, list(asked.values()))
    place = {name: number for number, name in enumerate(units.names)}
    pairs = [
        (row, place[document])
        for row, name in enumerate(names)
        for document, grade in query_set.qrels.grades[name].items()
        if grade > 0 and document in place
    ]
    links = [(row, int(other)) for row, near in _near_rows(queries) for other in near]
    first: dict[str, int] = {}
    links += [(row, first.setdefault(query_set.cluster(name), row)) for row, name in enumerate(names)]
    groups = connected(np.array(links, dtype=np.int64).reshape(-1, 2), len(names))
    clusters = {name: f"group {group}" for name, group in zip(names, groups.tolist(), strict=True)}
    kept = query_set.renamed({name: name for name in names})
    return AdaptationQueries(
        query_set=replace(kept, clusters=MappingProxyType(clusters)),
        names=names,
        queries=queries,
        units=units,
        contents=tuple(contents_of(index, units, level)),
        pairs=_nearest_units(pairs, queries, units),
        near=(np.zeros(0, dtype=np.int64),) * len(names),
        bm25=_bm25(run, kept, names),
        kind=kind,
        level=level,
    )


def synthetic_queries(
    index: Index, encoder: str, *, seed: int = 0, at_most: int = AT_MOST, progress: Progress = silent
) -> AdaptationQueries:
    """Make queries from the documents of an index, blank what they were made from, and collect vectors.

    Sources with fewer than FEWEST queries are left out.

    Raises:
        TellapartError: The index offers no queries, or something a query was made from is left.
    """
    kind, level = level_of(index, encoder)
    made = generate(index, seed=seed, at_most=at_most, encoders=[encoder], sources=SOURCES, progress=progress)
    with made.masked_index(progress=progress) as masked:
        if found := leaks(made, masked, index):
            raise TellapartError(
                f"{found[0].document} still holds what the query {found[0].text[:60]!r} was made from: index it anew"
            )
        kinds = {number: masked.stored(number).tree.kind for number in masked.store.identifiers()}
        numbers = {name: number for number, name in masked.store.identifiers().items()}
        spans = made.query_set.spans
        names = tuple(query for query in spans if kinds[numbers[spans[query][0].document]] is kind)
        if not names:
            raise TellapartError(
                f"{index.place} offers no queries to adapt with: its documents say too little"
            )
        asked = {name: made.query_set.queries[name] for name in names}
        units = read_units(masked, encoder, level)
        place = {number: position for position, number in enumerate(units.numbers.tolist())}
        pairs = np.empty((len(names), 3), dtype=np.int64)
        for row, name in enumerate(names):
            span = spans[name][0]
            number = numbers[span.document]
            unit = units.starts[place[number]] + masked.stored(number).tree.at(level, span.start)
            pairs[row] = row, place[number], unit
        run = masked.run(asked, ranker="bm25", granularity=level, depth=DEPTH, progress=progress)
        queries = masked.encode_queries(encoder, list(asked.values()))
        contents = tuple(contents_of(masked, units, level))
    near = [found[found != pairs[row, 1]] for row, found in _near(units, pairs[:, 2])]
    links = [(int(pairs[row, 1]), int(other)) for row, found in enumerate(near) for other in found]
    groups = connected(np.array(links, dtype=np.int64).reshape(-1, 2), len(units.starts))[pairs[:, 1]]
    clusters = {name: f"group {group}" for name, group in zip(names, groups.tolist(), strict=True)}
    kept = replace(
        made.query_set.renamed({name: name for name in names}),
        clusters=MappingProxyType(clusters),
        qrels=Qrels({name: {units.names[pairs[row, 1]]: 1} for row, name in enumerate(names)}),
    )
    every = AdaptationQueries(
        query_set=kept,
        names=names,
        queries=queries,
        units=units,
        contents=contents,
        pairs=pairs,
        near=tuple(near),
        bm25=_bm25(_without_near(run, names, near, units), kept, names),
        kind=kind,
        level=level,
    )
    counts = {source: 0 for source in sorted(set(kept.sources.values()))}
    for name in names:
        counts[kept.source(name)] += 1
    return every.of_sources([source for source, count in counts.items() if count >= FEWEST])


def level_of(index: Index, encoder: str) -> tuple[Kind, Granularity]:
    """Give the kind most documents have, and whole documents if these fit the encoder's window, else their parts."""
    numbers = sorted(n for n, kind in index.store.kinds().items() if kind is not Kind.IMAGE)
    sample = [index.stored(number) for number in numbers[:: max(1, len(numbers) // 500)]]
    if not sample:
        raise TellapartError(f"{index.place} is empty: index some documents first")
    code = sum(stored.tree.kind is Kind.CODE for stored in sample) * 2 > len(sample)
    window = index.encoder(encoder).max_tokens or 10**9
    long = float(np.median([len(stored.document.text) for stored in sample])) > LONG * window
    if code:
        return Kind.CODE, Granularity.FUNCTION if long else Granularity.FILE
    return Kind.PROSE, Granularity.PARAGRAPH if long else Granularity.DOCUMENT


def connected(links: Rows, count: int) -> Rows:
    """Number the connected components of `count` things (count,) that are joined by links (l, 2)."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    graph = coo_matrix((np.ones(len(links)), (links[:, 0], links[:, 1])), shape=(count, count))
    return np.asarray(connected_components(graph, directed=False)[1], dtype=np.int64)


def _near(units: UnitMatrix, rows: Rows) -> Iterator[tuple[int, Rows]]:
    """Documents that hold a unit nearly equal to each of some units, its own among them."""
    for start in range(0, len(rows), BLOCK):
        scores = of_documents(units.vectors[rows[start : start + BLOCK]], units.vectors, units.starts)
        for place, row in enumerate(scores):
            yield start + place, np.flatnonzero(row >= NEAR)


def _near_rows(vectors: Vectors) -> Iterator[tuple[int, Rows]]:
    """Rows that nearly equal each row, itself among them."""
    for start in range(0, len(vectors), BLOCK):
        for place, row in enumerate(vectors[start : start + BLOCK] @ vectors.T):
            yield start + place, np.flatnonzero(row >= NEAR)


def _nearest_units(pairs: Sequence[tuple[int, int]], queries: Vectors, units: UnitMatrix) -> Rows:
    """Add to each query and document the document's unit that is nearest to the query."""
    ends = np.append(units.starts[1:], len(units.vectors))
    found = []
    for query, document in pairs:
        first = int(units.starts[document])
        best = int(np.argmax(units.vectors[first : ends[document]] @ queries[query]))
        found.append((query, document, first + best))
    return np.array(found, dtype=np.int64).reshape(-1, 3)


def _without_near(run: Run, names: Sequence[str], near: Sequence[Rows], units: UnitMatrix) -> Run:
    """Leave out documents that may answer as well, and those of another kind (files beside documents)."""
    known = frozenset(units.names)
    kept = {}
    for name, left_out in zip(names, near, strict=True):
        if name not in run.rankings:
            continue
        out = {units.names[place] for place in left_out.tolist()}
        ranking = run.rankings[name]
        inside = np.array([each in known and each not in out for each in ranking.documents], dtype=bool)
        documents = tuple(each for each, keep in zip(ranking.documents, inside, strict=True) if keep)
        kept[name] = RankedDocuments(documents, ranking.scores[inside])
    return Run(kept, run.tag)


def _bm25(run: Run, query_set: QuerySet, names: Sequence[str]) -> NDArray[np.float64]:
    grades = {name: query_set.qrels.grades[name] for name in names}
    return evaluate_run(run, Qrels(grades), [MEASURE]).values[MEASURE]
