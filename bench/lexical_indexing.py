"""Time from texts to a lexical index: ours, on disk and fsynced, against bm25s, in memory.

Both start from the same passages and remove the same stop words, with the same stemmer; each tokenises in
its own way. Rounds are interleaved; medians and their ratios are printed, one thread.

    TELLAPART_DATA=... python bench/lexical_indexing.py --output docs/benchmarks/lexical_indexing.md
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import bm25s
import numpy as np
import Stemmer

from passages import passages
from tellapart.corpus.document import LEVELS, ContainmentTree, Document, Granularity, Kind, Level
from tellapart.index.lexical import LexicalWriter
from tellapart.index.lexical.tokens import STOP_WORDS

WHOLE = Level(np.zeros(1, np.int32), ("",))


def ours(texts: list[str], levels: tuple[Granularity, ...]) -> None:
    writer = LexicalWriter(levels)
    for number, text in enumerate(texts):
        tree = ContainmentTree(len(text), Kind.PROSE, dict.fromkeys(LEVELS[Kind.PROSE], WHOLE))
        writer.add(Document(str(number), text, Kind.PROSE), tree)
    with tempfile.TemporaryDirectory() as folder:
        writer.write(Path(folder) / "segment", levels)


def theirs(texts: list[str], backend: str) -> None:
    tokens = bm25s.tokenize(
        texts, stopwords=sorted(STOP_WORDS), stemmer=Stemmer.Stemmer("porter"), show_progress=False
    )
    bm25s.BM25(method="lucene", backend=backend).index(tokens, show_progress=False)


def measure(texts: list[str], rounds: int) -> dict[str, list[float]]:
    engines: dict[str, Callable[[], None]] = {
        "tellapart, one granularity, fsynced": lambda: ours(texts, (Granularity.PARAGRAPH,)),
        "tellapart, four granularities, fsynced": lambda: ours(texts, LEVELS[Kind.PROSE]),
        "bm25s numpy, in memory": lambda: theirs(texts, "numpy"),
        "bm25s numba, in memory": lambda: theirs(texts, "numba"),
    }
    theirs(texts[:1000], "numba")  # compiles
    seconds: dict[str, list[float]] = {name: [] for name in engines}
    for _ in range(rounds):
        for name, engine in engines.items():
            started = time.perf_counter()
            engine()
            seconds[name].append(time.perf_counter() - started)
    return seconds


def report(seconds: dict[str, list[float]], texts: list[str]) -> str:
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    words = statistics.mean(len(text.split()) for text in texts)
    rows = [
        f"| {name} | {median:.2f} | {median / medians['bm25s numpy, in memory']:.2f} "
        f"| {median / medians['bm25s numba, in memory']:.2f} |"
        for name, median in medians.items()
    ]
    rounds = len(next(iter(seconds.values())))
    return "\n".join(
        [
            "# Lexical indexing",
            "",
            f"{len(texts):,} passages of {words:.0f} words; median of {rounds} interleaved rounds, tokenising "
            "included. `TELLAPART_DATA=... python bench/lexical_indexing.py "
            f"--passages {len(texts)} --rounds {rounds}`",
            "",
            "| engine | seconds | / bm25s numpy | / bm25s numba |",
            "|---|---|---|---|",
            *rows,
            "",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--passages", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    texts = passages(options.passages)
    text = report(measure(texts, options.rounds), texts)
    print(text)
    if options.output:
        options.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
