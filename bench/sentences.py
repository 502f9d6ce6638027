"""Sentence starts and recognition of kind against judged collections, beside pysbd, syntok and a naive splitter.

    pip install pysbd syntok
    TELLAPART_DATA=... python bench/sentences.py --output docs/benchmarks/sentences.md

F1 of the sentence starts that come with scifact, on the half of the abstracts (odd CRC-32 of the id) that no rule
was made on. The judged starts themselves are a segmenter's and hold its mistakes ("1.4 +/- | 0.24").
"""

from __future__ import annotations

import argparse
import re
import statistics
import time
import zlib
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

from judged import data_folder, publish, records, table
from tellapart.corpus.document import Document, Granularity, Kind
from tellapart.corpus.prose import sentence_starts, split
from tellapart.corpus.prose.sentences import LONGEST_SENTENCE
from tellapart.corpus.prose.split import LONGEST_PARAGRAPH
from tellapart.corpus.recognise import recognise

Segmenter = Callable[[str], list[int]]
Abstract = tuple[str, frozenset[int]]

CODE_SETS = ("cosqa", "mbpp", "java-cs")
PROSE_SETS = ("scifact", "cranfield", "cisi", "med", "cacm", "adi", "wikiqa", "xquad-en", "limit-small")
ROUNDS = 3
SPEED_SAMPLE = 300
"""Abstracts that every segmenter is timed on; pysbd needs seconds for them."""

_NAIVE = re.compile(r"(?<=[.!?])\s+")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    halves = abstracts()
    publish(
        f"""# Sentences and kinds

Made by `python bench/sentences.py`. Sentence starts of scifact; micro-averages over all starts, and over those
inside an abstract (the first start is free). Speed on {SPEED_SAMPLE} abstracts, medians of {ROUNDS} interleaved rounds,
one process.

{sentence_table(halves)}
Ours on the half that the rules were made on: F1 {f1(halves[0], sentence_starts, inner=False)[0]:.4f}.
{lengths(halves[0] + halves[1])}

## xquad-en and wikiqa

{sanity()}

## Kind by content alone

The thresholds and patterns were made while looking at these sets, so this is a check and no estimate for others.

{kinds()}""",
        arguments.output,
    )


def abstracts() -> tuple[list[Abstract], list[Abstract]]:
    """Texts with their judged starts: the half for making rules, the half for reporting."""
    halves: tuple[list[Abstract], list[Abstract]] = ([], [])
    for record in records(data_folder() / "scifact" / "corpus.jsonl"):
        chosen = halves[zlib.crc32(record["_id"].encode()) % 2]
        chosen.append((record["text"], frozenset(record["sent_starts"])))
    return halves


def naive(text: str) -> list[int]:
    return [0, *(match.end() for match in _NAIVE.finditer(text) if match.end() < len(text))]


def pysbd_starts() -> Segmenter:
    import pysbd

    segmenter = pysbd.Segmenter(language="en", clean=False, char_span=True)
    return lambda text: [span.start for span in segmenter.segment(text)]


def syntok_starts() -> Segmenter:
    from syntok import segmenter

    def starts(text: str) -> list[int]:
        return [sentence[0].offset for paragraph in segmenter.process(text) for sentence in paragraph]

    return starts


def f1(texts: Sequence[Abstract], segmenter: Segmenter, *, inner: bool) -> tuple[float, float, float]:
    """F1, precision and recall of the starts."""
    free = {0} if inner else set()
    hits = found = judged = 0
    for text, gold in texts:
        ours, theirs = set(segmenter(text)) - free, gold - free
        hits, found, judged = hits + len(ours & theirs), found + len(ours), judged + len(theirs)
    return 2 * hits / (found + judged), hits / found, hits / judged


def sentence_table(halves: tuple[list[Abstract], list[Abstract]]) -> str:
    segmenters = {
        "tellapart": sentence_starts,
        "syntok": syntok_starts(),
        "pysbd": pysbd_starts(),
        "after [.!?] and white space": naive,
    }
    sample = [text for text, _ in halves[1][:SPEED_SAMPLE]]
    seconds: dict[str, list[float]] = {name: [] for name in segmenters}
    for _ in range(ROUNDS):
        for name, segmenter in segmenters.items():
            started = time.perf_counter()
            for text in sample:
                segmenter(text)
            seconds[name].append(time.perf_counter() - started)
    size = sum(map(len, sample)) / 1e6
    rows = []
    for name, segmenter in segmenters.items():
        whole, precision, recall = f1(halves[1], segmenter, inner=False)
        inside = f1(halves[1], segmenter, inner=True)[0]
        speed = size / statistics.median(seconds[name])
        rows.append([name, *(f"{v:.4f}" for v in (whole, precision, recall, inside)), f"{speed:.2f}"])
    return table(["segmenter", "F1", "precision", "recall", "F1 inside", "MB/s"], rows)


def lengths(texts: Sequence[Abstract]) -> str:
    sentences = [high - low for text, gold in texts for low, high in pairwise([*sorted(gold), len(text)])]
    within = sum(length <= LONGEST_SENTENCE for length in sentences) / len(sentences)
    short = sum(len(text) <= LONGEST_PARAGRAPH for text, _ in texts) / len(texts)
    return (
        f"Judged sentences within {LONGEST_SENTENCE} characters: {100 * within:.2f} %; abstracts within "
        f"{LONGEST_PARAGRAPH} characters: {100 * short:.1f} %."
    )


def sanity() -> str:
    paragraphs = [record["text"] for record in records(data_folder() / "xquad-en" / "corpus.jsonl")]
    cut = [len(sentence_starts(text)) for text in paragraphs]
    single = [record["text"] for record in records(data_folder() / "wikiqa" / "corpus.jsonl")]
    whole = sum(len(sentence_starts(text)) == 1 for text in single) / len(single)
    articles = records(data_folder() / "xquad-en" / "articles.jsonl")
    trees = [split(Document(a["_id"], a["text"], Kind.PROSE)) for a in articles]
    found = sum(len(tree.levels[Granularity.PARAGRAPH].starts) for tree in trees)
    return (
        f"xquad-en: {statistics.mean(cut):.2f} sentences a paragraph (median {statistics.median(cut):g}); "
        f"{found} paragraphs found in its {len(articles)} articles ({len(paragraphs)} judged).\n"
        f"wikiqa: {100 * whole:.1f} % of its {len(single)} sentences stay whole."
    )


def kinds() -> str:
    rows, mistakes = [], []
    for name in (*CODE_SETS, *PROSE_SETS):
        for file in ("corpus.jsonl", "queries.jsonl"):
            if (name, file) == ("java-cs", "queries.jsonl"):
                continue  # its queries are Java
            kind = Kind.CODE if name in CODE_SETS and file == "corpus.jsonl" else Kind.PROSE
            texts = [
                "\n".join(filter(None, (r.get("title"), r["text"])))
                for r in records(data_folder() / name / file)
            ]
            started = time.perf_counter()
            found = [recognise(text) for text in texts]
            micros = 1e6 * (time.perf_counter() - started) / len(texts)
            wrong = [text for text, result in zip(texts, found, strict=True) if result.kind is not kind]
            sure = sum(result.certain for result in found) / len(found)
            languages = [result.language for result in found if result.language]
            language = statistics.mode(languages) if languages else ""
            share = f"{language} {100 * languages.count(language) / len(found):.1f} %" if languages else ""
            accuracy = f"{100 - 100 * len(wrong) / len(texts):.2f} %"
            rows.append(
                [
                    f"{name}/{file}",
                    kind.value,
                    f"{len(texts)}",
                    accuracy,
                    f"{100 * sure:.0f} %",
                    share,
                    f"{micros:.0f}",
                ]
            )
            mistakes += [f"- {name}: `{' '.join(text.split())[:120]}`" for text in wrong[:5]]
    head = ["texts", "kind", "number", "right", "certain", "most frequent language", "us each"]
    return table(head, rows) + (
        "\nMistakes (at most 5 a set):\n\n" + "\n".join(mistakes) + "\n" if mistakes else ""
    )


if __name__ == "__main__":
    main()
