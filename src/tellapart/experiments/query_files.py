"""Reading judged queries in any of the forms they come in, and fitting them to an index."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from tellapart.arguments import need, path_of
from tellapart.corpus.places import offset_of_line
from tellapart.engine import Index
from tellapart.engine.results import parse_unit_id, unit_ids
from tellapart.errors import TellapartError
from tellapart.experiments.qrels import (
    JudgedQueries,
    Qrels,
    SpanJudgement,
    read_beir,
    read_qrels,
    read_queries,
    read_spans,
)
from tellapart.experiments.query_set import QuerySet
from tellapart.experiments.semble import Annotations, Target, read_semble

UNKNOWN_SHARE = 0.2
"""Share of the judged documents that an index may lack: beyond it the judgements belong to another corpus, and
every figure would be too low: recall cannot pass .8 then. At half of it a corpus cleaned of copies may be refused."""

LISTED = 5
"""How many of something wrong are named."""


def read_query_set(
    index: Index,
    queries: Path | str,
    qrels: Path | str | None = None,
    spans: Path | str | None = None,
    split: str | None = None,
    *,
    ignore_same_id: bool = False,
) -> QuerySet:
    """Read judged queries and fit them to an index; the set's notes say what was left out.

    Args:
        index: What will be searched; judgements by unit id or by line are looked up in it.
        queries: A BEIR folder, a file of queries (jsonl or id<tab>text), or one of semble's annotation files.
        qrels: Judgements by document or unit, BEIR or TREC.
        spans: Judged passages, tab-separated (query-id, corpus-id, start, end).
        split: Which judgements of a BEIR folder.
        ignore_same_id: Leave the document out whose id is the query's, as BEIR does with `ignore_identical_ids`.

    Raises:
        TellapartError: Nothing is judged, nothing is relevant, or too many judged documents are not in the index.
    """
    need(index, Index, "index", "an open tellapart.Index")
    judgements, passages = (
        None if given is None else path_of(given, what)
        for given, what in ((qrels, "qrels"), (spans, "spans"))
    )
    read = _by_form(index, path_of(queries, "queries"), judgements, passages, split)
    return replace(_fitted(index, read, notes=[]), ignore_same_id=ignore_same_id)


def is_judged(queries: Path, qrels: Path | None, spans: Path | None, split: str | None) -> bool:
    """Whether judgements come with queries, or these are only a log of what users typed."""
    return queries.is_dir() or queries.suffix == ".json" or any((qrels, spans, split))


def _by_form(
    index: Index, queries: Path, qrels: Path | None, spans: Path | None, split: str | None
) -> QuerySet:
    passages = _grouped(read_spans(spans)) if spans else {}
    if split is not None and not queries.is_dir():
        raise TellapartError(
            f"--split names judgements of a BEIR folder, but {queries} is none; give the folder"
        )
    if queries.is_dir():
        if qrels is None:
            judged = read_beir(queries, split)
        else:
            judged = JudgedQueries(read_queries(queries / "queries.jsonl"), read_qrels(qrels))
    elif queries.suffix == ".json" and qrels is None and spans is None:
        return _of_annotations(index, read_semble(queries))
    elif qrels is not None:
        judged = JudgedQueries(read_queries(queries), read_qrels(qrels))
    elif passages:
        judged = JudgedQueries(read_queries(queries), _documents_of(passages))
    else:
        raise TellapartError(f"{queries} has no judgements: give them with --qrels or --spans")
    return QuerySet(judged.queries.texts, judged.qrels, MappingProxyType(passages))


def _grouped(spans: Sequence[SpanJudgement]) -> dict[str, tuple[SpanJudgement, ...]]:
    grouped: dict[str, list[SpanJudgement]] = {}
    for span in spans:
        grouped.setdefault(span.query, []).append(span)
    return {query: tuple(of_query) for query, of_query in grouped.items()}


def _documents_of(passages: Mapping[str, Sequence[SpanJudgement]]) -> Qrels:
    """Grade each document by its best passage."""
    grades: dict[str, dict[str, int]] = {}
    for query, spans in passages.items():
        of_query = grades.setdefault(query, {})
        for span in spans:
            of_query[span.document] = max(span.grade, of_query.get(span.document, span.grade))
    return Qrels(MappingProxyType(grades))


def _of_annotations(index: Index, annotations: Annotations) -> QuerySet:
    """Files by path suffix, as semble matches them; line ranges become spans."""
    with index.reading():
        known = sorted(index.store.identifiers().values())
        grades: dict[str, dict[str, int]] = {}
        passages: dict[str, tuple[SpanJudgement, ...]] = {}
        for query, targets in annotations.targets.items():
            named = [(target, _by_suffix(target.path, known)) for target in targets]
            grades[query] = {document: 1 for _, document in named}
            spans = [_lines(index, query, target, document) for target, document in named if target.lines]
            if found := tuple(span for span in spans if span is not None):
                passages[query] = found
    return QuerySet(
        annotations.queries.texts,
        Qrels(MappingProxyType(grades)),
        MappingProxyType(passages),
        categories=annotations.categories,
    )


def _by_suffix(path: str, known: Sequence[str]) -> str:
    """The document whose id is the path or ends with it, either way round; the path itself if none does."""
    matching = [each for each in known if f"/{each}".endswith(f"/{path}") or f"/{path}".endswith(f"/{each}")]
    return path if path in matching or not matching else matching[0]


def _lines(index: Index, query: str, target: Target, document: str) -> SpanJudgement | None:
    stored = index.store.document(document)
    if stored is None or target.lines is None:
        return None
    text = stored.document.text
    start, end = (offset_of_line(stored.document, line) for line in (target.lines[0], target.lines[1] + 1))
    return None if start is None else SpanJudgement(query, document, start, len(text) if end is None else end)


def _fitted(index: Index, query_set: QuerySet, notes: list[str]) -> QuerySet:
    """Resolve unit ids, check what is judged against what is there, keep the queries that count."""
    with index.reading():
        documents = set(index.store.identifiers().values())
        query_set = _units_resolved(index, query_set, documents)
    _check_documents(index, query_set.qrels, documents, notes)
    relevant = {
        query for query, grades in query_set.qrels.grades.items() if any(g > 0 for g in grades.values())
    }
    strangers = query_set.qrels.unknown_queries(query_set.queries)
    if strangers:
        notes.append(f"{_count(strangers, 'judged query')} without a text left out: {_some(strangers)}")
    unjudged = [query for query in query_set.queries if query not in query_set.qrels.grades]
    if unjudged:
        notes.append(f"{_count(unjudged, 'query')} without judgements left out: {_some(unjudged)}")
    hopeless = [
        query for query in query_set.queries if query in query_set.qrels.grades and query not in relevant
    ]
    if hopeless:
        notes.append(f"{_count(hopeless, 'query')} without any relevant document left out: {_some(hopeless)}")
    kept = {query: text for query, text in query_set.queries.items() if query in relevant}
    if not kept:
        raise TellapartError(_why_nothing(query_set, strangers, unjudged, hopeless))
    judged = {query: query_set.qrels.grades[query] for query in kept}
    query_set = replace(
        query_set,
        queries=MappingProxyType(kept),
        qrels=Qrels(MappingProxyType(judged)),
        spans=MappingProxyType({query: spans for query, spans in query_set.spans.items() if query in kept}),
        clusters=query_set.clusters or _clusters(judged),
        unanswered=MappingProxyType({query: query_set.queries[query] for query in hopeless}),
    )
    return replace(query_set, notes=tuple(notes))


def _units_resolved(index: Index, query_set: QuerySet, documents: set[str]) -> QuerySet:
    """Turn judgements of units into passages and judgements of their documents."""
    grades: dict[str, dict[str, int]] = {}
    passages = {query: list(spans) for query, spans in query_set.spans.items()}
    resolve = _resolver(index, documents)
    resolved = False
    for query, of_query in query_set.qrels.grades.items():
        kept = grades.setdefault(query, {})
        for name, grade in of_query.items():
            unit = None if name in documents else resolve(name)
            document = name
            if unit is not None:
                document, start, end = unit
                passages.setdefault(query, []).append(SpanJudgement(query, document, start, end, grade))
                resolved = True
            kept[document] = max(grade, kept.get(document, grade))
    if not resolved:
        return query_set
    spans = MappingProxyType({query: tuple(of_query) for query, of_query in passages.items()})
    return replace(query_set, qrels=Qrels(MappingProxyType(grades)), spans=spans)


def _resolver(index: Index, documents: set[str]) -> Callable[[str], tuple[str, int, int] | None]:
    """Look units up by id: document, start and end; None where there is no such unit."""

    def resolve(name: str) -> tuple[str, int, int] | None:
        parsed = parse_unit_id(name)
        if parsed is None or parsed[0] not in documents:
            return None
        stored = index.store.document(parsed[0])
        if stored is None or parsed[1] not in stored.tree.levels:
            return None
        names = unit_ids(stored, parsed[1])
        return (parsed[0], *stored.tree.span(parsed[1], names.index(name))) if name in names else None

    return resolve


def _check_documents(index: Index, qrels: Qrels, documents: set[str], notes: list[str]) -> None:
    unknown = qrels.unknown_documents(documents)
    judged = len({document for grades in qrels.grades.values() for document in grades})
    if not unknown:
        return
    share = len(unknown) / judged
    words = f"{len(unknown):,} of {judged:,} judged documents are not in the index {index.place}: {_some(unknown)}"
    if share > UNKNOWN_SHARE:
        raise TellapartError(
            f"{words}; give the judgements that belong to this corpus, or index what is missing"
        )
    notes.append(f"{words}; they count as never found")


def _why_nothing(
    query_set: QuerySet, strangers: Sequence[str], unjudged: Sequence[str], hopeless: Sequence[str]
) -> str:
    if hopeless:
        return (
            f"none of the {len(query_set.qrels.grades):,} judged queries has a relevant document (a grade above 0);"
            " nothing can be measured with these judgements"
        )
    first = unjudged[0] if unjudged else ""
    return (
        f"no query is judged: the queries have ids such as {first!r}, the judgements such as "
        f"{strangers[0] if strangers else ''!r}; give the judgements that belong to these queries"
    )


def _clusters(judged: Mapping[str, Mapping[str, int]]) -> Mapping[str, str]:
    """Queries whose only relevant document is the same depend on each other: one cluster."""
    clusters = {}
    for query, grades in judged.items():
        relevant = [document for document, grade in grades.items() if grade > 0]
        clusters[query] = f"document {relevant[0]}" if len(relevant) == 1 else f"query {query}"
    return MappingProxyType(clusters)


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:LISTED])
    return f"{shown}, ..." if len(names) > LISTED else shown


def _count(names: Sequence[str], what: str) -> str:
    plural = what if len(names) == 1 else what.removesuffix("y") + "ies"
    return f"{len(names):,} {plural}"
