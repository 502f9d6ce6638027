"""Time of one BM25 query: ours against tantivy and bm25s, on the same terms, one thread, interleaved.

All engines answer a query, in a shuffled order, before the next query is asked. Ours is timed from terms to
rows; tantivy only while it searches (its query is built before, its row numbers are fetched after), bm25s
while it retrieves. `overlap` is the share of the exact
top 10 (float64, counted independently of our postings) that an engine returns, or that scores the same.

bm25s with numpy is slow here because it selects the top by numpy's argpartition over all scores, most of which
are 0; its scoring is not.

    TELLAPART_DATA=... python bench/bm25_speed.py --output docs/benchmarks/bm25_speed.md
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bm25s
import numpy as np
import scipy.sparse
import tantivy
from numpy.typing import NDArray

from passages import passages, queries
from tellapart.corpus.document import LEVELS, ContainmentTree, Document, Granularity, Kind, Level
from tellapart.index.lexical import Analyser, Bm25, LexicalSegment, LexicalWriter, analyse_query

K = 10
K1, B = 1.5, 0.75
LEVEL = Granularity.PARAGRAPH
CHECKED = 200
"""Queries whose top 10 is compared with the exact one."""


@dataclass(frozen=True, slots=True)
class Engine:
    """How to ask an engine: `prepare` and `rows` are not timed, `ask` is."""

    ask: Callable[[Any, int], Any]
    prepare: Callable[[Sequence[str]], Any] = lambda terms: terms
    rows: Callable[[Any], list[int]] = lambda found: np.asarray(found).reshape(-1).tolist()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--passages", type=int, default=300_000)
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    texts = passages(options.passages)
    asked = [analyse_query(query, Kind.PROSE) for query in queries(texts, options.queries)]
    asked = [terms for terms in asked if terms]
    ids, vocabulary = analyse(texts)
    with tempfile.TemporaryDirectory() as folder:
        our_time, our_engines = ours(texts, Path(folder) / "segment")
        engines = our_engines | {"tantivy": with_tantivy(ids, vocabulary)} | with_bm25s(ids, vocabulary)
        milliseconds, answers = measure(engines, asked)
    overlaps = compare(answers, asked, ids, vocabulary)
    text = report(milliseconds, overlaps, asked, len(texts), our_time)
    print(text)
    if options.output:
        options.output.write_text(text, encoding="utf-8")


def analyse(texts: list[str]) -> tuple[list[NDArray[np.int32]], list[str]]:
    """Analyse all passages as the writer does, many at a time."""
    analyser, ids = Analyser(), []
    for start in range(0, len(texts), 1000):
        group = texts[start : start + 1000]
        tokens = analyser.token_ids("\n".join(group), Kind.PROSE)
        ends = np.cumsum([len(text) + 1 for text in group])
        ids += np.split(tokens.ids, np.searchsorted(tokens.starts, ends[:-1]))
    return ids, analyser.vocabulary


def ours(texts: list[str], folder: Path) -> tuple[float, dict[str, Engine]]:
    """Give the milliseconds that opening takes, and our two ways of being asked."""
    writer, whole = LexicalWriter((LEVEL,)), Level(np.zeros(1, np.int32), ("",))
    for text in texts:
        tree = ContainmentTree(len(text), Kind.PROSE, dict.fromkeys(LEVELS[Kind.PROSE], whole))
        writer.add(Document("d", text, Kind.PROSE), tree)
    writer.write(folder, (LEVEL,))
    started = time.perf_counter()
    same = Bm25([LexicalSegment.open(folder)], LEVEL)
    opened = (time.perf_counter() - started) * 1000
    changing = Bm25([LexicalSegment.open(folder)], LEVEL)
    return opened, {
        "tellapart": Engine(lambda terms, _: same.top(terms, K, k1=K1, b=B)[0]),
        "tellapart, other k1 and b in every query": Engine(
            lambda terms, i: changing.top(terms, K, k1=K1 + (i % 2) * 1e-9, b=B)[0]
        ),
    }


def with_tantivy(ids: list[NDArray[np.int32]], vocabulary: list[str]) -> Engine:
    """Index the same terms in memory, one thread, one segment."""
    schema = tantivy.SchemaBuilder()
    schema.add_integer_field("row", stored=True, fast=True)
    schema.add_text_field("terms", tokenizer_name="whitespace", index_option="freq")
    index = tantivy.Index(schema.build())
    writer = index.writer(1_000_000_000, 1)
    for row, numbers in enumerate(ids):
        terms = " ".join([vocabulary[number] for number in numbers.tolist()])
        writer.add_document(tantivy.Document(row=row, terms=terms))
    writer.commit()
    writer.wait_merging_threads()
    index.reload()
    searcher = index.searcher()

    def prepare(terms: Sequence[str]) -> tantivy.Query:
        clauses = [(tantivy.Occur.Should, tantivy.Query.term_query(index.schema, "terms", t)) for t in terms]
        return tantivy.Query.boolean_query(clauses)

    return Engine(
        lambda query, _: searcher.search(query, K, count=False),
        prepare,
        lambda found: [searcher.doc(address)["row"][0] for _, address in found.hits],
    )


def with_bm25s(ids: list[NDArray[np.int32]], vocabulary: list[str]) -> dict[str, Engine]:
    numbers = {term: number for number, term in enumerate(vocabulary)}
    shared = list(range(len(vocabulary)))
    tokens = bm25s.tokenization.Tokenized(
        ids=[[shared[number] for number in row.tolist()] for row in ids], vocab=numbers
    )
    return {f"bm25s {backend}": _with_bm25s(tokens, backend) for backend in ("numpy", "numba")}


def _with_bm25s(tokens: bm25s.tokenization.Tokenized, backend: str) -> Engine:
    engine = bm25s.BM25(method="lucene", k1=K1, b=B, backend=backend)
    engine.index(tokens, show_progress=False)

    return Engine(
        lambda terms, _: engine.retrieve(
            [list(terms)], k=K, n_threads=0, show_progress=False, return_as="documents"
        )
    )


def measure(
    engines: dict[str, Engine], asked: list[list[str]]
) -> tuple[dict[str, list[float]], dict[str, list[list[int]]]]:
    milliseconds: dict[str, list[float]] = {name: [] for name in engines}
    answers: dict[str, list[list[int]]] = {name: [] for name in engines}
    dice, order = random.Random(0), list(engines)
    for warm_up, group in ((True, asked[:100]), (False, asked)):
        for number, terms in enumerate(group):
            dice.shuffle(order)
            for name in order:
                engine = engines[name]
                query = engine.prepare(terms)
                started = time.perf_counter()
                found = engine.ask(query, number)
                taken = (time.perf_counter() - started) * 1000
                if not warm_up:
                    milliseconds[name].append(taken)
                    answers[name].append(engine.rows(found))
    return milliseconds, answers


def compare(
    answers: dict[str, list[list[int]]],
    asked: list[list[str]],
    ids: list[NDArray[np.int32]],
    vocabulary: list[str],
) -> dict[str, float]:
    """Overlap with the exact top 10; a row that ties with the tenth counts as right."""
    numbers = {term: number for number, term in enumerate(vocabulary)}
    lengths = np.array([len(row) for row in ids], dtype=np.float64)
    rows = np.repeat(np.arange(len(ids)), lengths.astype(np.int64))
    counts = scipy.sparse.coo_array(
        (np.ones(len(rows)), (rows, np.concatenate(ids))), shape=(len(ids), len(vocabulary))
    ).tocsc()
    norms = K1 * (1 - B + B * lengths / lengths.mean())
    right = dict.fromkeys(answers, 0.0)
    total = 0
    for query, terms in enumerate(asked[:CHECKED]):
        exact = np.zeros(len(ids))
        for term, repetitions in Counter(terms).items():
            lo, hi = counts.indptr[numbers[term]], counts.indptr[numbers[term] + 1]
            have, tf = counts.indices[lo:hi], counts.data[lo:hi]
            idf = np.log(1 + (len(ids) - len(have) + 0.5) / (len(have) + 0.5))
            exact[have] += repetitions * idf * tf / (tf + norms[have])
        tenth = np.partition(exact, -K)[-K] * (1 - 1e-6)
        total += K
        for name, found in answers.items():
            right[name] += np.count_nonzero(exact[found[query]] >= tenth)
    return {name: value / total for name, value in right.items()}


def report(
    milliseconds: dict[str, list[float]],
    overlaps: dict[str, float],
    asked: list[list[str]],
    count: int,
    opened: float,
) -> str:
    middle = {name: np.percentile(values, (50, 95)) for name, values in milliseconds.items()}
    reference = middle["tantivy"][0]
    rows = [
        f"| {name} | {p50:.2f} | {p95:.2f} | {p50 / reference:.2f} | {overlaps[name]:.3f} |"
        for name, (p50, p95) in middle.items()
    ]
    mean = np.mean([len(terms) for terms in asked])
    return "\n".join(
        [
            "# One BM25 query",
            "",
            f"{count:,} units, {len(asked):,} queries of {mean:.1f} terms, top {K}, one thread, engines "
            f"interleaved query by query. Opening our index took {opened:.2f} ms. "
            f"`TELLAPART_DATA=... python bench/bm25_speed.py --passages {count} --queries {len(asked)}`",
            "",
            "| engine | p50 ms | p95 ms | p50 / tantivy | overlap with exact |",
            "|---|---|---|---|---|",
            *rows,
            "",
        ]
    )


if __name__ == "__main__":
    main()
