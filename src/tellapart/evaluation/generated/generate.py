"""A query set with gold, made from the corpus alone."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from tellapart.corpus.units import contexts
from tellapart.evaluation.generated.comments import comments
from tellapart.evaluation.generated.docstrings import docstrings
from tellapart.evaluation.generated.headings import headings
from tellapart.evaluation.generated.identifiers import identifiers
from tellapart.evaluation.generated.masks import Masking, mask
from tellapart.evaluation.generated.material import Material
from tellapart.evaluation.generated.rare import RareTerms
from tellapart.evaluation.generated.sampling import Question, offered, questions, sample
from tellapart.evaluation.generated.sentences import first_sentences, inner_sentences
from tellapart.evaluation.generated.titles import titles
from tellapart.evaluation.generated.types import Blank, Candidate, GeneratedSet, Source
from tellapart.evaluation.judgements import Qrels, SpanJudgement
from tellapart.evaluation.querysets import QueryGold
from tellapart.index.latent import LSA
from tellapart.index.lexical import analyse_query
from tellapart.index.store import Store, StoredDocument
from tellapart.progress import Progress, silent

if TYPE_CHECKING:
    from tellapart.engine.facade import Index

AT_MOST = 1_000
READ_DOCUMENTS = 20_000
"""Documents in which sources are looked for; of more, so many are drawn. Our choice: some twenty times AT_MOST."""

RARE_SHARE = 4
"""One document in so many queries is asked for its rare terms, which are there in any corpus."""

OFFERED = tuple(source for source in Source if source not in (Source.COMMIT, Source.MODEL))

TEXT_SOURCES: tuple[Callable[[Material], Iterator[Candidate]], ...] = (
    docstrings,
    titles,
    headings,
    identifiers,
    comments,
    first_sentences,
    inner_sentences,
)


def generate(
    index: Index,
    *,
    seed: int = 0,
    at_most: int = AT_MOST,
    encoders: Sequence[str] | None = None,
    sources: Collection[Source] = tuple(Source),
    progress: Progress = silent,
) -> GeneratedSet:
    """Make queries whose answers are known from what the corpus says about itself.

    Evaluate them inside `with generated.masked_index() as masked`, where what they were made from is blanked.

    Args:
        index: An open index; its documents are read, nothing is written.
        seed: Of every random choice.
        at_most: Queries.
        encoders: Names of the index's encoders to evaluate with; None = all.
        sources: What queries may be made from.
        progress: Told of documents read.

    Raises:
        TellapartError: The index holds no such encoder.
    """
    with index.reading() as snapshot:
        names = tuple(snapshot.encoders) if encoders is None else tuple(encoders)
        for name in names:
            if name not in snapshot.encoders:
                raise snapshot.unknown_encoder(name)
        chosen = _documents(index.store, seed)
        found = questions(
            each for each in _candidates(index, chosen, at_most, seed, progress) if each.source in sources
        )
        asked = sample(found, at_most, seed)
        masking = mask(index.store, asked, progress)
        notes = _notes(found, sources, chosen, index.store.count(), names)
        return _assembled(index, asked, masking, offered(found), notes, names)


def _documents(store: Store, seed: int) -> list[int]:
    numbers = sorted(store.identifiers())
    if len(numbers) > READ_DOCUMENTS:
        drawn = np.random.default_rng(seed).choice(len(numbers), READ_DOCUMENTS, replace=False)
        numbers = [numbers[place] for place in sorted(drawn.tolist())]
    return numbers


def _candidates(
    index: Index, numbers: Sequence[int], at_most: int, seed: int, progress: Progress
) -> Iterator[Candidate]:
    """Ask every source about every document, and for the rare terms of some."""
    with index.reading() as snapshot:
        rare_terms = RareTerms(snapshot)
        drawn = np.random.default_rng(seed).permutation(len(numbers))[: max(1, at_most // RARE_SHARE)]
        with_rare = {numbers[place] for place in drawn.tolist()} if numbers else set()
        with progress("looking for queries", len(numbers)) as advance:
            for number in numbers:
                material = Material(index.stored(number), seed)
                for source in TEXT_SOURCES:
                    yield from source(material)
                if number in with_rare:
                    yield from rare_terms(material)
                advance(1)


def _assembled(
    index: Index,
    asked: Sequence[Question],
    masking: Masking,
    counts: Mapping[str, int],
    notes: Sequence[str],
    encoders: tuple[str, ...],
) -> GeneratedSet:
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
    gold = QueryGold(
        queries=MappingProxyType({name[place]: q.query for place, q in kept.items()}),
        qrels=Qrels(MappingProxyType({q: {span.document: 1 for span in own} for q, own in spans.items()})),
        spans=MappingProxyType(spans),
        sources=MappingProxyType({name[place]: q.source.value for place, q in kept.items()}),
        clusters=MappingProxyType({q: own[0].document for q, own in spans.items()}),
    )
    overlaps = {name[place]: _overlap(index, q, blanked) for place, q in kept.items()}
    blanks = {
        name[place]: tuple(Blank(ids[number], *span) for number, found in own.items() for span in found)
        for place, own in masking.spans.items()
        if own
    }
    return GeneratedSet(
        gold=gold,
        overlap=MappingProxyType(overlaps),
        offered=MappingProxyType(dict(counts)),
        notes=tuple([*notes, *_dropped(len(masking.dropped))]),
        folder=index.folder,
        encoders=encoders,
        replaced=masking.documents,
        blanks=MappingProxyType(blanks),
    )


def _overlap(index: Index, question: Question, blanked: Mapping[int, StoredDocument]) -> float:
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
    found: Iterable[Question],
    sources: Collection[Source],
    chosen: Sequence[int],
    documents: int,
    encoders: Sequence[str],
) -> list[str]:
    """Say what was missing and what a reader of figures should know."""
    present = {question.source for question in found}
    missing = [source.value for source in OFFERED if source in sources and source not in present]
    notes = [f"the corpus offers no queries of these kinds: {', '.join(missing)}"] if missing else []
    if len(chosen) < documents:
        notes.append(
            f"queries were looked for in {len(chosen):,} of {documents:,} documents, drawn at random"
        )
    if LSA in encoders:
        notes.append("lsa was fitted on the text with what is blanked here: it may look a little too good")
    return notes


def _dropped(count: int) -> list[str]:
    if not count:
        return []
    return [
        f"{count} queries were left out: their words stand in a path or in too many documents to be blanked"
    ]
