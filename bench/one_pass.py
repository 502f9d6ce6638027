"""One pass of the encoder for all granularities against every unit encoded by itself: the same queries, both ways.

    TELLAPART_DATA=... python bench/one_pass.py --output docs/benchmarks/one_pass.md

minilm, k-NN, nDCG@10. Vectors are kept in the user's cache, so that a second run takes seconds.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from judged import Judged, data_folder, load, ndcg, publish, table
from parts import Parts, scifact_rationales, scifact_sentences, texts_of, wikiqa_sentences
from tellapart.corpus.document import LEVELS, Document, Granularity, Kind
from tellapart.corpus.units import split
from tellapart.encoders.cache import open_cache
from tellapart.encoders.folder import open_minilm
from tellapart.encoders.pooling import pool
from tellapart.encoders.windows import Layout, UnitText, inside, joined, lay_out
from tellapart.experiments.qrels import JudgedQueries, Qrels, QueryTexts
from tellapart.experiments.statistics import compare
from tellapart.index.embedding import TILES, unit_texts
from tellapart.index.store import StoredDocument

WHOLE = (
    ("scifact", "train", "corpus.jsonl", Kind.PROSE),
    ("cranfield", "test", "corpus.jsonl", Kind.PROSE),
    ("cisi", "test", "corpus.jsonl", Kind.PROSE),
    ("xquad-en", "article", "articles.jsonl", Kind.PROSE),
    ("cosqa", "dev", "corpus.jsonl", Kind.CODE),
    ("mbpp", "dev", "corpus.jsonl", Kind.CODE),
)
"""Collections whose documents are judged: as means of their paragraphs or functions, or encoded as they are."""

ENCODER = open_minilm()


@dataclass(frozen=True)
class TwoWays:
    """One level of one collection, laid out in both ways; what the encoder must read is in tokens of windows."""

    level: str
    judged: Judged
    alone: list[Layout]
    pooled: list[Layout]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--documents", type=int, default=1_000, help="of each collection at most; judged ones come first"
    )
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    rows = []
    for name, qrels, corpus, kind in WHOLE:
        rows.append(
            measured(whole_documents(sampled(load(name, qrels, corpus=corpus), arguments.documents), kind))
        )
        sys.stderr.write(f"{rows[-1]}\n")
    for ways in parts_of_documents(arguments.documents):
        rows.append(measured(ways))
        sys.stderr.write(f"{rows[-1]}\n")
    head = ["set (queries)", "units", "encoded alone", "pooled", "difference", "p", "tokens read"]
    publish(
        f"""# One pass for all granularities

Made by `python bench/one_pass.py --documents {arguments.documents}`. minilm, k-NN, nDCG@10. Alone: every unit is
encoded by itself with its context, a longer one as windows that are averaged. Pooled: what the paragraphs (functions
of code) gave is used again; a document is the mean of their windows, weighted by the square roots of their tokens, a
sentence the mean of its tokens' vectors inside its paragraph (late chunking). Paragraphs and functions themselves are
the same both ways.
At most {arguments.documents:,} documents of each collection, all judged ones first (a smaller collection is easier:
compare inside a row only). Differences are paired, bootstrap-t intervals, sign-flip p, uncorrected. Tokens read: by
the encoder for paragraphs and this level together, pooled as a share of alone.

{table(head, rows)}""",
        arguments.output,
    )


def measured(ways: TwoWays) -> list[str]:
    cache = open_cache()
    queries = ENCODER.encode_query(list(ways.judged.queries.values()))
    a = ndcg(ways.judged, queries, pool(ENCODER, ways.alone, cache=cache)[0])
    b = ndcg(ways.judged, queries, pool(ENCODER, ways.pooled, cache=cache)[0])
    found = compare(b, a)
    once = {window.text for layout in ways.pooled for window in layout.windows}
    both = once | {window.text for layout in ways.alone for window in layout.windows}
    read, in_all = (int(ENCODER.count_tokens(sorted(texts)).sum()) for texts in (once, both))
    return [
        f"{ways.judged.name} ({len(a)})",
        f"{len(ways.judged.documents):,} {ways.level}",
        f"{a.mean():.4f}",
        f"{b.mean():.4f}",
        f"{found.difference:+.4f} [{found.low:+.4f}, {found.high:+.4f}]",
        f"{found.p:.4f}",
        f"{read / in_all:.2f}",
    ]


def sampled(judged: Judged, most: int) -> Judged:
    """Keep the documents that judgements name, and others until there are enough."""
    named = [name for grades in judged.qrels.grades.values() for name in grades if name in judged.documents]
    kept = list(dict.fromkeys([*named, *judged.documents]))[:most]
    queries = {q: text for q, text in judged.queries.items() if set(judged.qrels.grades[q]) & set(kept)}
    qrels = Qrels({q: {d: g for d, g in judged.qrels.grades[q].items() if d in set(kept)} for q in queries})
    return Judged(judged.name, {name: judged.documents[name] for name in kept}, queries, qrels)


def whole_documents(judged: Judged, kind: Kind) -> TwoWays:
    """Lay out documents as they are, and as what their paragraphs or functions became."""
    last, tile = LEVELS[kind][-1], TILES[kind]
    alone, pooled = [], []
    for number, (name, text) in enumerate(judged.documents.items()):
        stored = stored_document(number, name, text, kind)
        alone += lay_out(ENCODER, unit_texts(stored, last))
        pooled.append(joined(lay_out(ENCODER, unit_texts(stored, tile), weighted=True)))
    return TwoWays(f"{last}s", judged, alone, pooled)


def parts_of_documents(most: int) -> Iterator[TwoWays]:
    """Give the collections that judge sentences: wikiqa's answers, scifact's rationales."""
    folder = data_folder() / "wikiqa"
    judged = load("wikiqa", "dev")
    asked = JudgedQueries(QueryTexts(judged.queries), judged.qrels)
    yield sentences("wikiqa dev", wikiqa_sentences(folder), asked, texts_of(folder / "sections.jsonl"), most)
    folder = data_folder() / "scifact"
    texts = texts_of(folder / "corpus.jsonl")
    yield sentences("scifact rationales", scifact_sentences(folder), scifact_rationales(folder), texts, most)


def sentences(name: str, parts: Parts, asked: JudgedQueries, texts: Mapping[str, str], most: int) -> TwoWays:
    """Lay out sentences as they are after their title, and as spans of their paragraph's windows."""
    grades = {q: of for q, of in asked.qrels.grades.items() if any(grade > 0 for grade in of.values())}
    owner = {part.id: document for document, of in parts.items() for part in of}
    wanted = sorted({owner[part] for of in grades.values() for part in of})
    chosen = [*wanted, *(document for document in parts if document not in wanted)][:most]
    kept: dict[str, str] = {}
    alone, pooled = [], []
    for number, identifier in enumerate(chosen):
        text = texts[identifier]
        stored = stored_document(number, identifier, text, Kind.PROSE)
        units = unit_texts(stored, Granularity.PARAGRAPH)
        starts = stored.tree.levels[Granularity.PARAGRAPH].starts
        own = lay_out(ENCODER, units)
        for part in parts[identifier]:
            place = int(np.searchsorted(starts, part.start, side="right")) - 1
            span = part.start - int(starts[place]), part.end - int(starts[place])
            kept[part.id] = text[part.start : part.end]
            alone += lay_out(ENCODER, [UnitText(stored.document.title, kept[part.id])])
            pooled.append(inside(own[place], span, units[place].text))
    grades = {q: {part: g for part, g in of.items() if part in kept} for q, of in grades.items()}
    grades = {q: of for q, of in grades.items() if any(grade > 0 for grade in of.values())}
    judged = Judged(name, kept, {q: asked.queries.texts[q] for q in grades}, Qrels(grades))
    return TwoWays("sentences", judged, alone, pooled)


def stored_document(number: int, name: str, text: str, kind: Kind) -> StoredDocument:
    title = text.partition("\n")[0] if kind is Kind.PROSE and "\n" in text else ""
    language = "python" if kind is Kind.CODE else None
    document = Document(id=name, text=text, kind=kind, title=title, language=language)
    return StoredDocument(number, document, split(document))


if __name__ == "__main__":
    main()
