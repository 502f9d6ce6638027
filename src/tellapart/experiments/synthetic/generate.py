"""A query set with gold, made from the corpus alone."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tellapart.corpus.document import Kind
from tellapart.corpus.units import contexts
from tellapart.engine import Index
from tellapart.errors import TellapartError
from tellapart.experiments.arms import Arms
from tellapart.experiments.experiment import Experiment
from tellapart.experiments.measures import Measure
from tellapart.experiments.qrels import Qrels, SpanJudgement
from tellapart.experiments.query_set import Provenance, QuerySet
from tellapart.experiments.running import HERE, GridRunner, run_texts
from tellapart.experiments.synthetic import log
from tellapart.experiments.synthetic.from_units import QueryWriter
from tellapart.experiments.synthetic.gathering import Gatherer, offered, questions, sample
from tellapart.experiments.synthetic.masks import Masking, mask, occurrences
from tellapart.experiments.synthetic.queries import Blank, QuerySource, SyntheticQueries, SyntheticQuestion
from tellapart.index.lexical import analyse_query
from tellapart.index.store import StoredDocument
from tellapart.progress import Progress, silent

if TYPE_CHECKING:
    from tellapart.engine.facade import Index

AT_MOST = 1_000
"""Queries of one set: enough to see differences of some hundredths, in a minute or two: with a standard
deviation of .3, .027 in 80 % of trials; a quarter of them shows .05."""

NOWHERE = (0, 0)
"""Span of what is blanked in a title that the text does not repeat."""


def generate(
    index: Index,
    *,
    seed: int = 0,
    at_most: int = AT_MOST,
    encoders: Sequence[str] | None = None,
    sources: Collection[QuerySource] = tuple(QuerySource),
    query_log: Mapping[str, str] | None = None,
    language_model: str | None = None,
    progress: Progress = silent,
) -> SyntheticQueries:
    """Make queries whose answers are known from what the corpus says about itself.

    Evaluate them inside `with made.masked_index() as masked`, where what they were made from is blanked.

    Args:
        index: An open index; its documents are read, nothing is written.
        seed: Of every random choice.
        at_most: Queries.
        encoders: Names of the index's encoders to evaluate with; None = all.
        sources: What queries may be made from.
        query_log: Queries that users typed, without judgements: the set's weights make the set like them.
        language_model: MODEL[@BASE-URL] that writes further queries; sees one unit for each, which leaves the machine.
        progress: Told of documents read.

    Raises:
        TellapartError: No query is asked for, the index holds no such encoder, or the language model cannot be asked.
    """
    if at_most < 1:
        raise TellapartError(f"at most {at_most} queries: ask for at least 1")
    writer = QueryWriter(language_model) if language_model else None
    with index.reading() as snapshot:
        names = tuple(snapshot.encoders) if encoders is None else tuple(encoders)
        for name in names:
            if name not in snapshot.encoders:
                raise snapshot.unknown_encoder(name)
        gatherer = Gatherer(index, sources, at_most, seed, writer, progress)
        found = questions(gatherer.candidates(snapshot))
        asked = sample(found, at_most, seed)
        where = occurrences(index.store, asked, progress)
        with progress("blanking the answers", None):
            asked = gatherer.completed(asked, where)
            masking = mask(index.store, asked, where)
            wanted = [source for source in sources if source is not QuerySource.MODEL or writer]
            notes = _notes(found, wanted, len(gatherer.documents), gatherer.offered)
            made = _assembled(index, asked, masking, offered(found), notes, names)
    if not query_log or not made.query_set.queries:
        return made
    with progress("weighing by the log", None):
        return _weighted(index, made, query_log)


def _weighted(index: Index, made: SyntheticQueries, query_log: Mapping[str, str]) -> SyntheticQueries:
    """Weigh the queries so that they are like those of a log."""
    with replace(made, encoders=()).masked_index() as masked:
        strata = log.strata(masked, list(made.query_set.queries.values()))
    people = log.Margins.of(log.strata(index, list(query_log.values())))
    like = f"the {len(query_log):,} queries of the log"
    return replace(made, query_set=_alike(made.query_set, strata, people, like))


def _alike(query_set: QuerySet, strata: NDArray[np.int64], people: log.Margins, like: str) -> QuerySet:
    """Weigh queries of these strata (n, 2) so that they are distributed as people's."""
    found = log.weights(dict(zip(query_set.queries, strata, strict=True)), people)
    note = (
        f"weighted like {like} in length and shared words:"
        f" as telling as {found.effective:.0f} unweighted queries"
    )
    weights = MappingProxyType(dict(found.values))
    return replace(query_set, weights=weights, notes=(*query_set.notes, note))


def _assembled(
    index: Index,
    asked: Sequence[SyntheticQuestion],
    masking: Masking,
    counts: Mapping[str, int],
    notes: Sequence[str],
    encoders: tuple[str, ...],
) -> SyntheticQueries:
    """Name the queries and put together what belongs to each."""
    kept = {place: question for place, question in enumerate(asked) if place not in masking.dropped}
    width = len(str(max(len(kept), 1)))
    name = {place: f"{q.source}-{n:0{width}d}" for n, (place, q) in enumerate(kept.items(), start=1)}
    ids = index.store.identifiers()
    blanked = {stored.number: stored for stored in masking.documents}
    spans = {
        name[place]: tuple(SpanJudgement(name[place], ids[t.document], *t.span) for t in q.targets)
        for place, q in kept.items()
    }
    overlaps = {name[place]: _overlap(index, q, blanked) for place, q in kept.items()}
    query_set = QuerySet(
        queries=MappingProxyType({name[place]: q.query for place, q in kept.items()}),
        qrels=Qrels(MappingProxyType({q: {span.document: 1 for span in own} for q, own in spans.items()})),
        spans=MappingProxyType(spans),
        sources=MappingProxyType({name[place]: q.source.value for place, q in kept.items()}),
        clusters=MappingProxyType({q: own[0].document for q, own in spans.items()}),
        provenance=Provenance.SYNTHETIC,
        overlap=MappingProxyType(overlaps),
        notes=tuple([*notes, *_dropped(len(masking.dropped))]),
    )
    blanks = {
        name[place]: tuple(
            Blank(ids[number], *span) for number, found in own.items() for span in found or (NOWHERE,)
        )
        for place, own in masking.spans.items()
        if own
    }
    return SyntheticQueries(
        query_set=query_set,
        offered=MappingProxyType(dict(counts)),
        folder=index.folder,
        encoders=encoders,
        replaced=masking.documents,
        blanks=MappingProxyType(blanks),
        objects=index.objects,
    )


def _overlap(index: Index, question: SyntheticQuestion, blanked: Mapping[int, StoredDocument]) -> float:
    """Mean share, over the answers, of the query's terms that a blanked unit and its context hold."""
    shares = []
    for target in question.targets:
        stored = blanked.get(target.document) or index.stored(target.document)
        kind = stored.tree.kind
        terms = set(analyse_query(question.query, kind))
        held = set(analyse_query(_indexed(stored, target.span), kind))
        shares.append(len(terms & held) / len(terms) if terms else 0.0)
    return sum(shares) / len(shares)


def _indexed(stored: StoredDocument, span: tuple[int, int]) -> str:
    """Give a unit's text with its context."""
    for granularity in stored.tree.levels:
        ordinal = stored.tree.at(granularity, span[0])
        if stored.tree.span(granularity, ordinal) == span:
            context = contexts(stored.document, stored.tree, granularity)[ordinal]
            return f"{context}\n{stored.document.text[slice(*span)]}"
    return stored.document.text[slice(*span)]


def _notes(
    found: Iterable[SyntheticQuestion],
    sources: Collection[QuerySource],
    read: int,
    documents: int,
) -> list[str]:
    """Say what was missing and what a reader of figures should know."""
    present = {question.source for question in found}
    missing = [source.value for source in QuerySource if source in sources and source not in present]
    notes = [f"the corpus offers no queries of these kinds: {', '.join(missing)}"] if missing else []
    if read < documents:
        notes.append(f"queries were looked for in {read:,} of {documents:,} documents, drawn at random")
    return notes


def _dropped(count: int) -> list[str]:
    if not count:
        return []
    return [
        f"{count} queries were left out: their words stand in a path or in too many documents to be blanked"
    ]


def _kind(index: Index) -> Kind:
    """Say what most documents are."""
    kinds = list(index.store.kinds().values())
    return Kind.CODE if 2 * kinds.count(Kind.CODE) > len(kinds) else Kind.PROSE


ENOUGH = 300
"""Queries from which on one drawing is enough: a small corpus offers one or two for each of its documents, too few
to see even large differences (46 for 46 documents of limit-small). 300 show .05 in 80 % of trials, if their standard
deviation is .3."""

DRAWINGS = 5
"""Drawings at most."""


TELLING = tuple(source for source in QuerySource if source is not QuerySource.RARE_TERMS)
"""Kinds of queries that rank configurations somewhat as people's do. With minilm rare terms rank them the other way
round (docs/benchmarks/verdict.md, kinds of synthetic queries)."""


def run_synthetic(
    index: Index,
    arms: Arms,
    measure: Measure | None = None,
    *,
    seed: int = 0,
    query_log: Mapping[str, str] | None = None,
    language_model: str | None = None,
    progress: Progress = silent,
    runner: GridRunner = HERE,
) -> Experiment:
    """Make queries from the corpus and ask them of all arms, each drawing in its own masked copy of the index.

    Queries are weighted to be like those of `query_log`, or without one like people's on the development collections.
    `language_model` is that of `generate`. Where the corpus offers no query the experiment has none,
    and its query set's notes say why.
    """
    parts: list[Experiment] = []
    known: set[tuple[str, str]] = set()
    while len(parts) < DRAWINGS and len(known) < ENOUGH:
        made = generate(
            index,
            seed=seed + len(parts),
            encoders=arms.encoders,
            sources=TELLING,
            query_log=query_log,
            language_model=language_model if not parts else None,
            progress=progress,
        )
        fresh = fresh_queries(made.query_set, known, len(parts))
        if not fresh.queries:
            if not parts:
                return Experiment.without_queries(fresh, arms, measure)
            break
        with made.masked_index(progress=progress) as masked:
            if not query_log:
                strata = log.strata(masked, list(fresh.queries.values()))
                fresh = _alike(fresh, strata, log.usual(_kind(index)), "people's queries elsewhere")
            parts.append(run_texts(masked, fresh, arms, measure, progress, runner=runner))
        known |= {(text, fresh.cluster(query)) for query, text in fresh.queries.items()}
    joined = Experiment.joined(parts)
    if not tells_nothing(joined, index.store.count()):
        return joined
    note = (
        "these queries find their answers hardly more often than by chance: what is left of a text says nothing about"
        " what was taken from it; judge some queries before you rely on them"
    )
    notes = (*joined.query_set.notes, note)
    return replace(joined, query_set=replace(joined.query_set, notes=notes))


CHANCE_TIMES = 3.0
"""A mean nDCG@10 of the default up to so many times that of a random order tells nothing. Of the development
collections limit-small, where synthetic queries mislead most, lies below it, and the others far above."""


def tells_nothing(experiment: Experiment, documents: int) -> bool:
    """Whether the default finds the answers of synthetic queries hardly more often than a random order would."""
    if experiment.measure != "nDCG@10":
        return False
    random = sum(1 / math.log2(1 + rank) for rank in range(1, 11)) / max(documents, 10)
    weights = experiment.query_set.weights_of(experiment.queries)
    return float((experiment.arms[experiment.default].values[:, 0] * weights).mean()) <= CHANCE_TIMES * random


def fresh_queries(made: QuerySet, known: set[tuple[str, str]], drawing: int) -> QuerySet:
    """Only the queries that did not come before for the same document, with ids that no other drawing has."""
    names = {
        query: query if drawing == 0 else f"{query}+{drawing}"
        for query, text in made.queries.items()
        if (text, made.cluster(query)) not in known
    }
    return made.renamed(names)
