"""Collections with the spans that answer their questions, for the benchmarks of context."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from judged import data_folder, records
from tellapart import Index

XQUAD_QUERIES, UNANSWERABLE = 150, 74

Span = tuple[str, int, int]


@dataclass(frozen=True)
class Collection:
    """Documents by file name; questions with the spans that answer them (none: unanswerable)."""

    name: str
    documents: dict[str, str]
    questions: list[tuple[str, list[Span]]]


@contextmanager
def indexed(collection: Collection) -> Iterator[Index]:
    """An index of a collection's documents; its vectors come from the user's cache the next time."""
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work) / "documents"
        folder.mkdir()
        for name, text in collection.documents.items():
            (folder / name).write_text(text)
        with Index.build([folder], Path(work) / "index") as index:
            yield index


def chunking() -> Collection:
    folder = data_folder() / "chunking_evaluation"
    documents = {path.name: path.read_text() for path in sorted((folder / "corpora").glob("*.md"))}
    questions = [
        (record["text"], [(f"{record['corpus']}.md", start, end) for start, end in record["spans"]])
        for record in records(folder / "questions.jsonl")
    ]
    return Collection("chunking_evaluation", documents, questions)


def xquad() -> Collection:
    folder = data_folder() / "xquad-en"
    documents: dict[str, str] = {}
    places = {}
    for record in records(folder / "corpus.jsonl"):
        name = f"{record['_id'][:3]}.txt"
        before = documents.get(name, "")
        before += "\n\n" if before else ""
        places[record["_id"]] = (name, len(before))
        documents[name] = before + record["text"]
    texts = {record["_id"]: record["text"] for record in records(folder / "queries.jsonl")}
    questions = []
    for line in (folder / "spans.tsv").read_text().splitlines()[1:]:
        query, _, paragraph, start, end, _ = line.split("\t")
        name, offset = places[paragraph]
        questions.append((texts[query], [(name, offset + int(start), offset + int(end))]))
    chosen = np.random.default_rng(0).choice(len(questions), XQUAD_QUERIES, replace=False)
    return Collection("xquad-en", documents, [questions[position] for position in sorted(chosen)])


def wikiqa() -> Collection:
    """The development questions that have an answer and some that have none, over the sections they are about."""
    folder = data_folder() / "wikiqa"
    sections: dict[str, list[tuple[str, str]]] = {}
    for record in records(folder / "corpus.jsonl"):
        sections.setdefault(record["doc"], []).append((record["_id"], record["text"]))
    texts = {record["_id"]: record["text"] for record in records(folder / "queries.jsonl")}
    answers: dict[str, list[str]] = {}
    section: dict[str, str] = {}
    for line in (folder / "qrels" / "dev.tsv").read_text().splitlines()[1:]:
        query, sentence, grade = line.split("\t")
        section[query] = sentence.rpartition("-")[0]
        answers.setdefault(query, [])
        if int(grade) > 0:
            answers[query].append(sentence)
    without = sorted(query for query, found in answers.items() if not found)
    chosen = set(np.random.default_rng(0).choice(without, UNANSWERABLE, replace=False).tolist())
    asked = [query for query in sorted(answers) if answers[query] or query in chosen]
    documents, places = {}, {}
    for name in sorted({section[query] for query in asked}):
        text = ""
        for sentence, body in sections[name]:
            text += " " if text else ""
            places[sentence] = (f"{name}.txt", len(text), len(text) + len(body))
            text += body
        documents[f"{name}.txt"] = text
    questions = [(texts[query], [places[sentence] for sentence in answers[query]]) for query in asked]
    return Collection("wikiqa dev", documents, questions)


def recall(answer: Sequence[Span], given: Sequence[Span]) -> float:
    """Share of the answer's characters that are among what is given."""
    covered = total = 0
    for name, start, end in answer:
        seen = np.zeros(end - start, dtype=bool)
        for other, first, last in given:
            if other == name and first < end and last > start:
                seen[max(first - start, 0) : min(last, end) - start] = True
        covered += int(seen.sum())
        total += end - start
    return covered / total
