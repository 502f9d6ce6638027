"""Judged parts of documents: sentences and paragraphs as spans of the text that is indexed."""

from __future__ import annotations

import sys
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from judged import records
from tellapart.experiments.qrels import JudgedQueries, Qrels, QueryTexts, read_queries


@dataclass(frozen=True)
class Part:
    """A judged span [start, end) of a document of the index."""

    id: str
    document: str
    start: int
    end: int


Parts = Mapping[str, Sequence[Part]]
"""The parts of each document, in order."""


def text_of(record: Mapping[str, object]) -> str:
    """A record's text as it is indexed: title, newline, text."""
    return "\n".join(str(part) for part in (record.get("title"), record["text"]) if part)


def _bounded(document: str, ids: Sequence[str], starts: Sequence[int], text: str) -> list[Part]:
    """Parts that begin at `starts` and end before the next one, without the white space at their ends."""
    parts = []
    for name, start, end in zip(ids, starts, [*starts[1:], len(text)], strict=True):
        parts.append(Part(name, document, start, start + len(text[start:end].rstrip())))
    return parts


def scifact_sentences(folder: Path) -> Parts:
    parts: dict[str, Sequence[Part]] = {}
    for record in records(folder / "corpus.jsonl"):
        text, identifier = text_of(record), str(record["_id"])
        offset = len(text) - len(str(record["text"]))
        starts = [offset + int(start) for start in record["sent_starts"]]  # type: ignore[attr-defined]
        parts[identifier] = _bounded(
            identifier, [f"{identifier}:{i}" for i in range(len(starts))], starts, text
        )
    return parts


def scifact_rationales(folder: Path) -> JudgedQueries:
    grades: dict[str, dict[str, int]] = defaultdict(dict)
    for line in (folder / "rationales-train.tsv").read_text(encoding="utf-8").splitlines()[1:]:
        query, document, sentence, _ = line.split("\t")
        grades[query][f"{document}:{sentence}"] = 1
    texts = read_queries(folder / "queries.jsonl").texts
    return JudgedQueries(QueryTexts({query: texts[query] for query in grades}), Qrels(grades))


def _joined(folder: Path, corpus: str, members: Mapping[str, list[tuple[str, str]]]) -> Parts:
    """Parts of documents whose text is made of their members' texts (id, text), in order."""
    parts: dict[str, Sequence[Part]] = {}
    for record in records(folder / corpus):
        text, identifier = text_of(record), str(record["_id"])
        starts, at = [], len(text) - len(str(record["text"]))
        for name, member in members[identifier]:
            at = text.find(member.strip(), at)
            if at < 0:
                sys.exit(f"{folder / corpus}: {name!r} is not in {identifier!r}")
            starts.append(at)
            at += len(member.strip())
        parts[identifier] = _bounded(identifier, [name for name, _ in members[identifier]], starts, text)
    return parts


def wikiqa_sentences(folder: Path) -> Parts:
    members: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for record in records(folder / "corpus.jsonl"):
        members[str(record["doc"])].append((str(record["_id"]), str(record["text"])))
    return _joined(folder, "sections.jsonl", members)


def xquad_paragraphs(folder: Path) -> Parts:
    members: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for record in records(folder / "corpus.jsonl"):
        identifier = str(record["_id"])
        members[identifier.partition("p")[0]].append((identifier, str(record["text"])))
    return _joined(folder, "articles.jsonl", members)


def texts_of(corpus: Path) -> dict[str, str]:
    return {str(record["_id"]): text_of(record) for record in records(corpus)}


def part_of(parts: Sequence[Part], start: int, end: int) -> str | None:
    """The part that [start, end) overlaps most, if it covers half of it."""
    first = max(bisect_right(parts, start, key=lambda part: part.start) - 1, 0)
    best, most = None, 0
    for part in parts[first:]:
        if part.start >= end:
            break
        overlap = min(end, part.end) - max(start, part.start)
        if overlap > most:
            best, most = part, overlap
    return best.id if best is not None and 2 * most >= best.end - best.start else None
