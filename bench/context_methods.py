"""What others put into a context: fixed windows, adaptive-k, auto-merging, paragraphs, sentence windows."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from context_sets import Collection, Span
from tellapart import Index
from tellapart.caches import cache_folder
from tellapart.corpus.document import Granularity
from tellapart.encoders.folder import open_minilm
from tellapart.engine.packing import HEADER, _tokens, count_tokens_of

WINDOWS = (64, 128, 254, 508, 1_016)
ENCODED = 254
"""The encoder reads 256 tokens, two of them its own; longer windows are multiples of that."""

Method = Callable[[int, int], list[Span]]


@dataclass(frozen=True)
class Chunks:
    """Pieces of documents with their sizes and vectors."""

    spans: list[Span]
    tokens: NDArray[np.int64]
    vectors: NDArray[np.float32]


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
