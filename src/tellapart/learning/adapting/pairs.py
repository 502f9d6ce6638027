"""Queries made from the corpus, and the masked units that answer them, as vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tellapart.corpus.types import Granularity, Kind
from tellapart.encoders.protocol import Vectors
from tellapart.encoders.windows import UnitText
from tellapart.engine import Index
from tellapart.errors import TellapartError
from tellapart.experiments.synthetic import Source, SyntheticQueries, generate, leaks
from tellapart.learning.adapting.grouping import connected
from tellapart.learning.adapting.units import Units, contents_of, of_documents, read_units
from tellapart.progress import Progress, silent
from tellapart.rankers.run import RankedDocuments, Run

AT_MOST = 2_000
"""Queries, of all kinds together: what a laptop encodes in minutes (our choice, not measured)."""

SOURCES = (
    Source.DOCSTRING,
    Source.TITLE,
    Source.HEADING,
    Source.IDENTIFIER,
    Source.COMMENT,
    Source.FIRST_SENTENCE,
    Source.INNER_SENTENCE,
)
"""Those that somebody wrote; bags of rare terms are no queries that a map should learn from."""

NEAR = 0.95
"""Cosine from which another unit may answer as well: its document is left out of the ranking, and stands on the
same side of every split (our choice)."""

LONG = 8
"""Characters per token of the window: where the median document is longer, paragraphs or functions are taken
instead of whole documents (our choice: about twice the window)."""

DEPTH = 100

HARD = 30
"""Documents that BM25 ranks highest, from which hard negatives are drawn."""


@dataclass(frozen=True, slots=True)
class Pairs:
    """n queries, and u units of the masked corpus in m documents.

    `queries` (n, d), `units` (u, d); `answer` (n,) is the unit of each query, `starts` (m,) the first unit of each
    document, `document` (n,) the place of the query's document in it. `sources` (n,) says what a query was made
    from, `groups` (n,) numbers documents that are near-duplicates alike, `bm25` (n,) is nDCG@10 of BM25, and
    `lexical` (n, h) are the places of the documents it ranks highest, the own one where it finds fewer.
    `texts` (n,) and `contents` (u,) are what the vectors were made of, where that was asked for.
    """

    queries: Vectors
    units: Vectors
    answer: NDArray[np.int64]
    starts: NDArray[np.int64]
    document: NDArray[np.int64]
    sources: NDArray[np.str_]
    groups: NDArray[np.int64]
    bm25: NDArray[np.float64]
    lexical: NDArray[np.int64]
    kind: Kind
    level: Granularity
    texts: tuple[str, ...] = ()
    contents: tuple[UnitText, ...] = ()


def gather(
    index: Index,
    encoder: str,
    *,
    seed: int = 0,
    at_most: int = AT_MOST,
    with_texts: bool = False,
    progress: Progress = silent,
) -> Pairs:
    """Make queries from the documents of an index, blank what they were made from, and collect vectors.

    Raises:
        TellapartError: The index lacks the encoder, offers no queries, or something a query was made from is left.
    """
    kind, level = level_of(index, encoder)
    made = generate(index, seed=seed, at_most=at_most, encoders=[encoder], sources=SOURCES, progress=progress)
    with made.masked_index(progress=progress) as masked:
        if found := leaks(made, masked, index):
            raise TellapartError(
                f"{found[0].document} still holds what the query {found[0].text[:60]!r} was made from: index it anew"
            )
        asked = _of_kind(made, masked, kind)
        if not asked:
            raise TellapartError(
                f"{index.folder} offers no queries to adapt with: its documents say too little"
            )
        texts = [made.query_set.queries[query] for query in asked]
        vectors = masked.encode_queries(encoder, texts)
        run = masked.run(
            dict(zip(asked, texts, strict=True)),
            ranker="bm25",
            granularity=level,
            depth=DEPTH,
            progress=progress,
        )
        units = read_units(masked, encoder, level)
        pairs = _collected(masked, units, made, asked, vectors, run, kind, level)
        if not with_texts:
            return pairs
        return replace(pairs, texts=tuple(texts), contents=tuple(contents_of(masked, units, level)))


def level_of(index: Index, encoder: str) -> tuple[Kind, Granularity]:
    """Give the kind most documents have, and whole documents if these fit the encoder's window, else their parts."""
    numbers = sorted(n for n, kind in index.store.kinds().items() if kind is not Kind.IMAGE)
    sample = [index.stored(number) for number in numbers[:: max(1, len(numbers) // 500)]]
    if not sample:
        raise TellapartError(f"{index.folder} is empty: index some documents first")
    code = sum(stored.tree.kind is Kind.CODE for stored in sample) * 2 > len(sample)
    window = index.encoder(encoder).max_tokens or 10**9
    long = float(np.median([len(stored.document.text) for stored in sample])) > LONG * window
    if code:
        return Kind.CODE, Granularity.FUNCTION if long else Granularity.FILE
    return Kind.PROSE, Granularity.PARAGRAPH if long else Granularity.DOCUMENT


def _of_kind(made: SyntheticQueries, masked: Index, kind: Kind) -> Sequence[str]:
    documents = {span.document for spans in made.query_set.spans.values() for span in spans}
    kinds = {name: stored.tree.kind for name in documents if (stored := masked.store.document(name))}
    return [query for query, spans in made.query_set.spans.items() if kinds.get(spans[0].document) is kind]


def _collected(
    masked: Index,
    units: Units,
    made: SyntheticQueries,
    asked: Sequence[str],
    vectors: Vectors,
    run: Run,
    kind: Kind,
    level: Granularity,
) -> Pairs:
    place = {number: position for position, number in enumerate(units.numbers.tolist())}
    answer, document = np.empty((2, len(asked)), dtype=np.int64)
    for row, query in enumerate(asked):
        span = made.query_set.spans[query][0]
        stored = masked.store.document(span.document)
        assert stored is not None
        document[row] = place[stored.number]
        answer[row] = units.starts[document[row]] + stored.tree.at(level, span.start)
    near = _near(units, answer)
    run = _among(run, frozenset(units.names))
    bm25 = [_of_run(run, query, units.names, document[row], near[row]) for row, query in enumerate(asked)]
    return Pairs(
        queries=vectors,
        units=units.vectors,
        answer=answer,
        starts=units.starts,
        document=document,
        sources=np.array([made.query_set.source(query) for query in asked]),
        groups=_groups(document, near, len(units.starts)),
        bm25=np.array(bm25),
        lexical=_highest(run, asked, units.names, document),
        kind=kind,
        level=level,
    )


def _among(run: Run, names: frozenset[str]) -> Run:
    """Leave out documents of another kind: whole documents are searched together with whole files."""
    kept = {}
    for query, ranking in run.rankings.items():
        inside = np.array([name in names for name in ranking.documents], dtype=bool)
        documents = tuple(name for name in ranking.documents if name in names)
        kept[query] = RankedDocuments(documents, ranking.scores[inside])
    return Run(kept, run.tag)


def _near(units: Units, answer: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Documents that hold a unit nearly equal to each query's answer, the own one among them."""
    found: list[NDArray[np.int64]] = []
    for start in range(0, len(answer), 256):
        answers = units.vectors[answer[start : start + 256]]
        found += [np.flatnonzero(row >= NEAR) for row in of_documents(answers, units.vectors, units.starts)]
    return found


def _groups(
    document: NDArray[np.int64], near: Sequence[NDArray[np.int64]], documents: int
) -> NDArray[np.int64]:
    """Number the connected components of documents that are near-duplicates, for each query."""
    left = np.repeat(document, [len(row) for row in near])
    right = np.concatenate([*near, np.zeros(0, dtype=np.int64)])
    return connected(np.column_stack([left, right]), documents)[document]


def _of_run(run: Run, query: str, names: Sequence[str], own: int, near: NDArray[np.int64]) -> float:
    """nDCG@10 of a ranking from which near-duplicates of the one answer were taken out."""
    out = {names[place] for place in near.tolist() if place != own}
    ranked = (
        [name for name in run.rankings[query].documents if name not in out] if query in run.rankings else []
    )
    rank = ranked.index(names[own]) if names[own] in ranked[:10] else None
    return 0.0 if rank is None else float(1 / np.log2(rank + 2))


def _highest(
    run: Run, asked: Sequence[str], names: Sequence[str], document: NDArray[np.int64]
) -> NDArray[np.int64]:
    place = {name: position for position, name in enumerate(names)}
    found = np.repeat(document[:, None], HARD, axis=1)
    for row, query in enumerate(asked):
        ranked = run.rankings[query].documents[:HARD] if query in run.rankings else ()
        found[row, : len(ranked)] = [place[name] for name in ranked]
    return found
