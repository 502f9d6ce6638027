"""What a language model is given: our context against fixed windows and against what others do, on one encoder.

    TELLAPART_DATA=... python bench/context.py --output docs/benchmarks/context.md

Vectors are kept in the user's cache, so that a second run takes a minute.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from judged import data_folder, publish, table
from tellapart import Index
from tellapart.corpus.document import Granularity
from tellapart.encoders.cache import cache_folder
from tellapart.encoders.folder import open_minilm
from tellapart.engine.packing import HEADER, _tokens, count_tokens_of
from tellapart.experiments.statistics import compare

BUDGETS = (500, 1_000, 2_000)
WINDOWS = (64, 128, 254, 508, 1_016)
ENCODED = 254
"""The encoder reads 256 tokens, two of them its own; longer windows are multiples of that."""
XQUAD_QUERIES, UNANSWERABLE = 150, 74
KEPT = 0.9
FEWER = (600, 1_070)
"""Ours, and the best four windows of 254 tokens with their places."""

Span = tuple[str, int, int]


@dataclass(frozen=True)
class Collection:
    """Documents by file name; questions with the spans that answer them (none: unanswerable)."""

    name: str
    documents: dict[str, str]
    questions: list[tuple[str, list[Span]]]


@dataclass(frozen=True)
class Chunks:
    """Pieces of documents with their sizes and vectors."""

    spans: list[Span]
    tokens: NDArray[np.int64]
    vectors: NDArray[np.float32]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path)
    parser.add_argument("--work", type=Path, default=Path("build/context"), help="Keeps what was measured.")
    parser.add_argument("--only", metavar="COLLECTION", action="append", help="Only this one (repeatable).")
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    only = arguments.only or []
    collections = [each for each in (chunking(), xquad(), wikiqa()) if not only or each.name in only]
    measured = [kept(collection, arguments.work) for collection in collections]
    made = "".join(f" --only {name}" for name in only)
    publish(report(collections, measured, made), arguments.output)


def kept(collection: Collection, work: Path) -> dict[int, dict[str, NDArray[np.float64]]]:
    """Measure a collection, or read what was measured before."""
    file = work / f"{collection.name}.npz"
    if not file.exists():
        values = measure(collection)
        np.savez(
            file, **{f"{budget}/{name}": each for budget, own in values.items() for name, each in own.items()}
        )
    found: dict[int, dict[str, NDArray[np.float64]]] = {}
    with np.load(file) as stored:
        for key in stored.files:
            budget, name = key.split("/", 1)
            found.setdefault(int(budget), {})[name] = stored[key]
    return found


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


def records(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def measure(collection: Collection) -> dict[int, dict[str, NDArray[np.float64]]]:
    """Recall of the answer's characters for every method and budget, per answerable question."""
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work) / "documents"
        folder.mkdir()
        for name, text in collection.documents.items():
            (folder / name).write_text(text)
        index = Index.build([folder], Path(work) / "index")
        queries = index.encode_queries("minilm", [text for text, _ in collection.questions])
        methods = baselines(index, collection, queries)
        found: dict[int, dict[str, list[float]]] = {budget: {} for budget in (*BUDGETS, *FEWER)}
        for position, (text, answer) in enumerate(collection.questions):
            if not answer:
                continue
            for budget, values in found.items():
                made = index.context(text, tokens=budget, always=True)
                assert made.tokens <= budget
                given = [(each.document, *each.span) for each in made.passages]
                values.setdefault("ours", []).append(recall(answer, given))
                for name, method in methods.items():
                    values.setdefault(name, []).append(recall(answer, method(position, budget)))
        result = {
            budget: {name: np.array(each) for name, each in values.items()}
            for budget, values in found.items()
        }
        if any(not answer for _, answer in collection.questions):
            result[0] = refusal(index, collection, queries)
        return result


def refusal(
    index: Index, collection: Collection, queries: NDArray[np.float32]
) -> dict[str, NDArray[np.float64]]:
    """What could tell that nothing answers: the best cosine, and the best score of a passage."""
    with index.reading() as snapshot:
        sentences = snapshot.vectors("minilm", Granularity.SENTENCE).matrix()
    cosine = (queries @ np.asarray(sentences).T).max(axis=1)
    scores = []
    for text, _ in collection.questions:
        made = index.context(text, tokens=200, always=True)
        scores.append(made.passages[0].score if made.passages else -10.0)
    return {
        "the best cosine of a sentence": cosine.astype(float),
        "the best score of a passage": np.array(scores),
    }


Method = Callable[[int, int], list[Span]]


def baselines(index: Index, collection: Collection, queries: NDArray[np.float32]) -> dict[str, Method]:
    methods: dict[str, Method] = {}
    for size in WINDOWS:
        chunks = windows(collection, size)
        methods[f"windows of {size}"] = by_similarity(chunks, queries)
    fine = windows(collection, 64)
    methods["adaptive-k"] = adaptive(windows(collection, 128), queries)
    methods["auto-merging 64 to 256"] = merging(fine, queries, 4)
    levels = {level: level_chunks(index, level) for level in (Granularity.SENTENCE, Granularity.PARAGRAPH)}
    methods["paragraphs"] = by_similarity(levels[Granularity.PARAGRAPH], queries)
    methods["sentence-window 3"] = sentence_window(levels[Granularity.SENTENCE], queries, 3)
    return methods


def windows(collection: Collection, size: int) -> Chunks:
    """Cut documents every `size` tokens; longer than the encoder's own window: the mean of its windows."""
    piece = min(size, ENCODED)
    spans: list[Span] = []
    for name, text in collection.documents.items():
        offsets = _tokens().tokenizer.encode(text, add_special_tokens=False).offsets
        for first in range(0, len(offsets), piece):
            part = offsets[first : first + piece]
            spans.append((name, part[0][0], part[-1][1]))
    texts = [collection.documents[name][start:end] for name, start, end in spans]
    tokens, vectors = np.array(count_tokens_of(texts)), kept_vectors(texts)
    joined = max(1, size // ENCODED)
    groups: list[list[int]] = []
    for row, (name, _, _) in enumerate(spans):
        if not groups or len(groups[-1]) == joined or spans[groups[-1][0]][0] != name:
            groups.append([])
        groups[-1].append(row)
    means = np.stack([(vectors[rows] * tokens[rows, None]).sum(axis=0) for rows in groups])
    return Chunks(
        [(spans[rows[0]][0], spans[rows[0]][1], spans[rows[-1]][2]) for rows in groups],
        np.array([tokens[rows].sum() for rows in groups]),
        (means / np.linalg.norm(means, axis=1, keepdims=True)).astype(np.float32),
    )


def kept_vectors(texts: Sequence[str]) -> NDArray[np.float32]:
    """Encode once, and keep the vectors in the user's cache."""
    key = hashlib.blake2b("\0".join(texts).encode(), digest_size=16).hexdigest()
    folder = cache_folder()
    file = None if folder is None else folder / "context-bench" / f"{key}.npy"
    if file is not None and file.exists():
        return np.load(file)
    vectors = open_minilm().encode_document(texts)
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        np.save(file, vectors)
    return vectors


def level_chunks(index: Index, level: Granularity) -> Chunks:
    with index.reading() as snapshot:
        units = snapshot.units(level)
        numbers, ordinals = units.locate(np.arange(units.n_rows))
        stored = index.store.documents(np.unique(numbers).tolist())
        spans = [
            (stored[int(number)].document.id, *stored[int(number)].tree.span(level, int(ordinal)))
            for number, ordinal in zip(numbers, ordinals, strict=True)
        ]
        texts = [
            stored[int(n)].document.text[start:end] for n, (_, start, end) in zip(numbers, spans, strict=True)
        ]
        return Chunks(
            spans, np.array(count_tokens_of(texts)), np.asarray(snapshot.vectors("minilm", level).matrix())
        )


def by_similarity(chunks: Chunks, queries: NDArray[np.float32]) -> Method:
    def method(position: int, budget: int) -> list[Span]:
        return filled(chunks, np.argsort(-(chunks.vectors @ queries[position]), kind="stable"), budget)

    return method


def adaptive(chunks: Chunks, queries: NDArray[np.float32]) -> Method:
    """Cut at the largest gap of the sorted similarities (2506.08479), among the best 90 %, and at the budget."""

    def method(position: int, budget: int) -> list[Span]:
        scores = chunks.vectors @ queries[position]
        order = np.argsort(-scores, kind="stable")
        gaps = -np.diff(scores[order][: max(2, int(0.9 * len(order)))])
        return filled(chunks, order[: int(gaps.argmax()) + 1], budget)

    return method


def merging(chunks: Chunks, queries: NDArray[np.float32], children: int) -> Method:
    """Small to big: a parent of `children` chunks is given once more than half of them were found."""

    def method(position: int, budget: int) -> list[Span]:
        order = np.argsort(-(chunks.vectors @ queries[position]), kind="stable")
        firsts: dict[str, int] = {}
        for row, (name, _, _) in enumerate(chunks.spans):
            firsts.setdefault(name, row)
        taken: list[int] = []
        used = 0
        for row in order.tolist():
            if row in taken:
                continue
            name = chunks.spans[row][0]
            first = firsts[name] + (row - firsts[name]) // children * children
            family = [
                each
                for each in range(first, min(first + children, len(chunks.spans)))
                if chunks.spans[each][0] == name
            ]
            wanted = [row]
            if sum(each in taken for each in family) + 1 > len(family) / 2:
                wanted = [each for each in family if each not in taken]
            cost = int(chunks.tokens[wanted].sum()) + HEADER * (len(wanted) == 1)
            if used + cost > budget:
                break
            taken += wanted
            used += cost
        return [chunks.spans[row] for row in taken]

    return method


def sentence_window(chunks: Chunks, queries: NDArray[np.float32], around: int) -> Method:
    """The best sentences, each with its neighbours on both sides."""

    def method(position: int, budget: int) -> list[Span]:
        order = np.argsort(-(chunks.vectors @ queries[position]), kind="stable")
        taken: dict[int, None] = {}
        used = 0
        for row in order.tolist():
            name = chunks.spans[row][0]
            near = [
                each
                for each in range(max(row - around, 0), min(row + around + 1, len(chunks.spans)))
                if chunks.spans[each][0] == name and each not in taken
            ]
            if not near:
                continue
            cost = int(chunks.tokens[near].sum()) + HEADER
            if used + cost > budget:
                break
            taken |= dict.fromkeys(near)
            used += cost
        return [chunks.spans[row] for row in taken]

    return method


def filled(chunks: Chunks, order: NDArray[np.int64], budget: int) -> list[Span]:
    """Take chunks in order; the last one is cut where the budget ends. A place above each costs what ours cost."""
    given: list[Span] = []
    for row in order.tolist():
        left = budget - HEADER
        if left <= 0:
            break
        name, start, end = chunks.spans[row]
        size = int(chunks.tokens[row])
        if size > left:
            given.append((name, start, start + int((end - start) * left / size)))
            break
        given.append((name, start, end))
        budget -= size + HEADER
    return given


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


def report(collections: Sequence[Collection], measured: Sequence[dict], made: str) -> str:
    parts = []
    for budget in BUDGETS:
        names = list(measured[0][budget])
        rows = []
        for name in names:
            row = [name]
            for values in measured:
                own, ours = values[budget][name], values[budget]["ours"]
                if name == "ours":
                    row.append(f"**{ours.mean():.3f}**")
                    continue
                found = compare(ours, own)
                row.append(
                    f"{own.mean():.3f} ({found.difference:+.3f} [{found.low:+.3f}, {found.high:+.3f}])"
                )
            rows.append(row)
        head = [
            f"{budget:,} tokens",
            *(f"{c.name} ({len(v[budget]['ours'])})" for c, v in zip(collections, measured, strict=True)),
        ]
        parts.append(table(head, rows))
    pooled = []
    for budget in BUDGETS:
        ours = np.concatenate([values[budget]["ours"] for values in measured])
        best = []
        for values in measured:
            best.append(
                max((values[budget][f"windows of {size}"] for size in WINDOWS), key=lambda each: each.mean())
            )
        found = compare(ours, np.concatenate(best))
        pooled.append(
            [
                f"{budget:,}",
                f"{ours.mean():.3f}",
                f"{np.concatenate(best).mean():.3f}",
                f"{found.difference:+.3f} [{found.low:+.3f}, {found.high:+.3f}]",
                f"{found.p:.4f}",
            ]
        )
    fewer = []
    for collection, values in zip(collections, measured, strict=True):
        fixed = values[1_070]["windows of 254"]
        found = compare(values[600]["ours"], fixed)
        fewer.append(
            [
                collection.name,
                f"{fixed.mean():.3f}",
                f"{values[600]['ours'].mean():.3f}",
                f"{found.difference:+.3f} [{found.low:+.3f}, {found.high:+.3f}]",
            ]
        )
    refused = []
    for collection, values in zip(collections, measured, strict=True):
        answerable = np.array([bool(answer) for _, answer in collection.questions])
        for name, scores in values.get(0, {}).items():
            threshold = np.quantile(scores[answerable], 1 - KEPT)
            refused.append([collection.name, name, f"{np.mean(scores[~answerable] < threshold):.0%}"])
    return f"""# Context for language models

Made by `python bench/context.py{made}`. Share of the answer's characters that stand in what a language model is given,
at a budget of tokens (bundled tokenizer), minilm for all. Every passage of every method is charged {HEADER} tokens for
the place above it; ours is counted as it is sent. In brackets: ours minus the other, paired, bootstrap-t intervals,
uncorrected. Ours uses words and vectors, sentences and paragraphs; the others rank their pieces by cosine.

Parts and weights of ours were chosen on chunking_evaluation, so that collection flatters it.

Adaptive-k cuts windows of 128 at the largest gap of the similarities; sentence-window gives three sentences on either
side; auto-merging gives the 256 tokens around when more than half of their four parts were found.
xquad-en: {XQUAD_QUERIES} of its questions, drawn once. wikiqa: the development questions with an answer and
{UNANSWERABLE} without one, over the sections that they are about.

{chr(10).join(parts)}
## Against the best fixed window

For each collection the window is chosen that is best on that very collection and budget; ours is the same everywhere.

{table(["tokens", "ours", "best window", "difference", "p"], pooled)}
## Fewer tokens for the same

The best four windows of 254 tokens (1,070 tokens with their places) against ours in 600.

{table(["collection", "windows", "ours in 600", "difference"], fewer)}
{_unanswerable(refused)}"""


def _unanswerable(refused: Sequence[Sequence[str]]) -> str:
    if not refused:
        return ""
    return f"""## Questions without an answer

Share of the questions without an answer that are refused by a threshold at which 90 % of the answerable ones are kept
(threshold and share from the same questions).

{table(["collection", "score", "refused"], refused)}"""


if __name__ == "__main__":
    main()
