"""Query sets and judgements, as TREC, BEIR and span files hold them."""

from __future__ import annotations

import json
from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from tellapart.errors import TellapartError
from tellapart.experiments.textfiles import LineError, numbered_lines, replacing

QUERY_HEADERS = frozenset({("query-id", "text"), ("qid", "text"), ("_id", "text")})
QRELS_HEADER = ("query-id", "corpus-id", "score")
SPAN_COLUMNS = ("query-id", "start", "end", "corpus-id")
LARGEST_NUMBER = 2**31 - 1
"""Grades and offsets are kept as int32; the smallest one stands for `unjudged`."""


@dataclass(frozen=True, slots=True)
class QueryTexts:
    """Query texts by id in the order of the file; `repeated` counts identical lines that were passed over."""

    texts: Mapping[str, str]
    repeated: int = 0


@dataclass(frozen=True, slots=True)
class Qrels:
    """Grades by query id and document id, in the order of the file; `repeated` counts identical lines."""

    grades: Mapping[str, Mapping[str, int]]
    repeated: int = 0

    def unknown_documents(self, known: Container[str]) -> tuple[str, ...]:
        """Judged documents that are not in `known`, each once, sorted."""
        judged = {document for grades in self.grades.values() for document in grades}
        return tuple(sorted(document for document in judged if document not in known))

    def unknown_queries(self, known: Container[str]) -> tuple[str, ...]:
        """Judged queries that are not in `known`, in the order of the judgements."""
        return tuple(query for query in self.grades if query not in known)


@dataclass(frozen=True, slots=True)
class JudgedQueries:
    """A query set with its judgements; `split` says which part of a BEIR folder, else ""."""

    queries: QueryTexts
    qrels: Qrels
    split: str = ""


@dataclass(frozen=True, slots=True)
class SpanJudgement:
    """A graded span of a document: code points [start, end) of its text."""

    query: str
    document: str
    start: int
    end: int
    grade: int = 1


def read_queries(path: Path) -> QueryTexts:
    r"""Read `queries.jsonl` (`_id`, `text`) or lines of `id<tab>text`; plain or gz, `-` is stdin.

    Raises:
        TellapartError: A line is neither, or an id comes twice with two texts; names file and line.
    """
    texts: dict[str, str] = {}
    repeated = 0
    for number, query, text in _query_lines(path):
        if query not in texts:
            texts[query] = text
        elif texts[query] == text:
            repeated += 1
        else:
            raise LineError(
                path, number, f"query id {query!r} comes twice with two texts; give each its own id"
            )
    if not texts:
        raise TellapartError(
            f"{path} holds no query; expected lines of JSON with _id and text, or id<tab>text"
        )
    return QueryTexts(MappingProxyType(texts), repeated)


def _query_lines(path: Path) -> Iterator[tuple[int, str, str]]:
    parse: Callable[[Path, int, str], tuple[str, str]] | None = None
    for number, line in numbered_lines(path):
        if parse is None:
            parse = _json_query if line.lstrip().startswith("{") else _tsv_query
            if tuple(line.split("\t")) in QUERY_HEADERS:
                continue
        yield number, *parse(path, number, line)


def _json_query(path: Path, number: int, line: str) -> tuple[str, str]:
    try:
        record = json.loads(line)
    except (json.JSONDecodeError, RecursionError):
        raise LineError(path, number, f"not JSON: {_excerpt(line)}; write one object per line") from None
    if not isinstance(record, dict):
        raise LineError(path, number, f"not an object: {_excerpt(line)}; write {{'_id': ..., 'text': ...}}")
    identifier, text = record.get("_id"), record.get("text")
    if isinstance(identifier, int) and not isinstance(identifier, bool):
        identifier = str(identifier)
    for name, value in (("_id", identifier), ("text", text)):
        if not isinstance(value, str):
            raise LineError(path, number, f"{name!r} is {'missing' if value is None else 'no text'}; add it")
    if not identifier:
        raise LineError(path, number, "'_id' is empty; give the query an id")
    return str(identifier), str(text)


def _tsv_query(path: Path, number: int, line: str) -> tuple[str, str]:
    query, tab, text = line.partition("\t")
    if not tab or not query.strip():
        raise LineError(path, number, f"no id<tab>text: {_excerpt(line)}; separate both by one tab")
    return query.strip(), text


def read_qrels(path: Path) -> Qrels:
    """Read judgements: BEIR's three tab-separated columns (header or none) or TREC's four; plain or gz.

    Raises:
        TellapartError: A line has another form, or a document two grades for one query; names file and line.
    """
    grades: dict[str, dict[str, int]] = {}
    repeated = 0
    for number, query, document, grade in _qrels_lines(path):
        of_query = grades.setdefault(query, {})
        if document not in of_query:
            of_query[document] = grade
        elif of_query[document] == grade:
            repeated += 1
        else:
            raise LineError(
                path,
                number,
                f"document {document!r} has the grades {of_query[document]} and {grade} for query {query!r}; "
                "keep one",
            )
    if not grades:
        raise TellapartError(
            f"{path} holds no judgement; expected query-id<tab>corpus-id<tab>score or TREC qrels"
        )
    return Qrels(MappingProxyType(grades), repeated)


def write_qrels(qrels: Qrels, path: Path) -> None:
    """Write TREC qrels, `query 0 document grade` between tabs so that ids may hold spaces; all or nothing."""
    with replacing(path) as stream:
        for query, grades in qrels.grades.items():
            stream.write("".join(f"{query}\t0\t{document}\t{grade}\n" for document, grade in grades.items()))


def _qrels_lines(path: Path) -> Iterator[tuple[int, str, str, int]]:
    split: Callable[[str], list[str]] | None = None
    for number, line in numbered_lines(path):
        if split is None:
            split = _beir_fields if line.count("\t") == 2 else _trec_fields
            if tuple(field.strip() for field in line.split("\t")) == QRELS_HEADER:
                continue
        fields = split(line)
        if len(fields) != 3 or not all(fields):
            form = "query-id<tab>corpus-id<tab>score" if split is _beir_fields else "query 0 document grade"
            raise LineError(path, number, f"expected {form}, found {_excerpt(line)}")
        query, document, grade = fields
        yield number, query, document, _integer(path, number, "grade", grade)


def _beir_fields(line: str) -> list[str]:
    return [field.strip() for field in line.split("\t")]


def _trec_fields(line: str) -> list[str]:
    """Query, document, grade; a document id may hold spaces, the other columns cannot."""
    if line.count("\t") == 3:
        query, _, document, grade = line.split("\t")
        return [query.strip(), document.strip(), grade.strip()]
    head, tail = line.split(None, 2), line.rsplit(None, 1)
    if len(head) < 3 or len(head[2].split()) < 2:
        return []
    return [head[0], head[2].rstrip()[: -len(tail[1])].rstrip(), tail[1]]


def _integer(path: Path, number: int, name: str, field: str) -> int:
    try:
        value = float(field)
        whole = int(value)
    except (ValueError, OverflowError):
        raise LineError(
            path, number, f"the {name} {field!r} is not a whole number; write 0, 1, 2 ..."
        ) from None
    if whole != value or abs(whole) > LARGEST_NUMBER:
        raise LineError(
            path, number, f"the {name} {field!r} is not a whole number in range; write 0, 1, 2 ..."
        )
    return whole


def read_beir(folder: Path, split: str | None = None) -> JudgedQueries:
    """Read `queries.jsonl` and `qrels/<split>.tsv` of a BEIR folder, keeping the judged queries only.

    Args:
        folder: The folder that holds both.
        split: `train`, `dev`, `test` or another name there; may be left out where there is only one.

    Raises:
        TellapartError: A file is missing, no split is named among several, or a judged query has no text.
    """
    queries_path = _first_present(folder, "queries.jsonl")
    qrels_path, name = _choose_split(folder, split)
    queries, qrels = read_queries(queries_path), read_qrels(qrels_path)
    strangers = qrels.unknown_queries(queries.texts)
    if strangers:
        raise TellapartError(
            f"{qrels_path} judges {len(strangers)} queries that {queries_path.name} lacks, "
            f"such as {strangers[0]!r}; give the query file that belongs to it"
        )
    judged = {query: text for query, text in queries.texts.items() if query in qrels.grades}
    return JudgedQueries(QueryTexts(MappingProxyType(judged), queries.repeated), qrels, name)


def _first_present(folder: Path, name: str) -> Path:
    for candidate in (folder / name, folder / f"{name}.gz"):
        if candidate.is_file():
            return candidate
    raise TellapartError(
        f"{folder} is not a BEIR folder: it has no {name}; give a folder with queries and qrels/"
    )


def _choose_split(folder: Path, split: str | None) -> tuple[Path, str]:
    splits = {
        path.name.removesuffix(".gz").removesuffix(".tsv"): path
        for path in sorted((folder / "qrels").glob("*.tsv*"), reverse=True)
        if path.name.endswith((".tsv", ".tsv.gz"))
    }
    if not splits:
        raise TellapartError(f"{folder / 'qrels'} holds no .tsv file; put the judgements there")
    names = ", ".join(sorted(splits))
    if split is None:
        if len(splits) > 1:
            raise TellapartError(f"{folder} has several sets of judgements ({names}); name one as the split")
        split = next(iter(splits))
    if split not in splits:
        raise TellapartError(f"{folder} has no split {split!r}; it has {names}")
    return splits[split], split


def read_spans(path: Path) -> tuple[SpanJudgement, ...]:
    """Read span judgements: tab-separated with a header that names at least query-id, corpus-id, start, end.

    A column `score` is the grade (1 where there is none); further columns are passed over. Offsets are
    code points of the document's text, the end exclusive.

    Raises:
        TellapartError: A column is missing, or a line has no such span; names file and line.
    """
    lines = numbered_lines(path)
    number, header = next(lines, (0, ""))
    columns = [name.strip() for name in header.split("\t")]
    missing = [name for name in SPAN_COLUMNS if name not in columns]
    if missing:
        raise LineError(path, max(number, 1), f"the header lacks the column {missing[0]!r}; found {columns}")
    spans = [_span(path, number, columns, line) for number, line in lines]
    return tuple(dict.fromkeys(spans))


def _span(path: Path, number: int, columns: list[str], line: str) -> SpanJudgement:
    cells = line.split("\t")
    if len(cells) != len(columns):
        raise LineError(path, number, f"{len(cells)} columns, but the header has {len(columns)}")
    row = dict(zip(columns, cells, strict=True))
    start = _integer(path, number, "start", row["start"])
    end = _integer(path, number, "end", row["end"])
    if not 0 <= start < end:
        raise LineError(path, number, f"[{start}, {end}) is not a span; need 0 <= start < end")
    grade = _integer(path, number, "grade", row["score"]) if "score" in row else 1
    return SpanJudgement(row["query-id"].strip(), row["corpus-id"].strip(), start, end, grade)


def _excerpt(line: str) -> str:
    return repr(line if len(line) <= 60 else line[:57] + "...")
