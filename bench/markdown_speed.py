"""Blocks of Markdown: our scanner against markdown-it, the reference implementation of CommonMark in Python.

    pip install markdown-it-py
    python bench/markdown_speed.py --output docs/benchmarks/markdown_speed.md

Both read the Markdown files of this repository. tests/corpus/test_markdown_reference.py holds that both find the same
blocks.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from markdown_it import MarkdownIt

from judged import publish, table
from tellapart.corpus.prose.markdown import markdown_blocks

ROUNDS = 15
FOLDERS = (".", "docs", "docs/benchmarks")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    root = Path(__file__).resolve().parent.parent
    rows = []
    for folder in FOLDERS:
        texts = [path.read_text("utf-8") for path in sorted((root / folder).glob("*.md"))]
        ours, theirs = seconds(texts)
        rows.append(
            [
                "the root" if folder == "." else folder,
                f"{len(texts)}",
                f"{sum(map(len, texts)) / 1000:.0f}",
                f"{ours * 1000:.1f}",
                f"{theirs * 1000:.1f}",
                f"{theirs / ours:.1f}",
            ]
        )
    publish(
        f"""# Markdown

Made by `python bench/markdown_speed.py`. Processor time to find the blocks of this repository's Markdown files, in
milliseconds; medians of {ROUNDS} interleaved rounds after one to warm up, one process.

{table(["folder", "files", "thousand characters", "tellapart", "markdown-it", "ratio"], rows)}""",
        arguments.output,
    )


def seconds(texts: list[str]) -> tuple[float, float]:
    """Processor seconds of one pass over all texts, ours and markdown-it's."""
    parsers: tuple[Callable[[str], object], ...] = (
        markdown_blocks,
        MarkdownIt("commonmark").enable("table").parse,
    )
    taken: tuple[list[float], list[float]] = ([], [])
    for _ in range(ROUNDS + 1):
        for parse, kept in zip(parsers, taken, strict=True):
            started = time.process_time()
            for text in texts:
                parse(text)
            kept.append(time.process_time() - started)
    return statistics.median(taken[0][1:]), statistics.median(taken[1][1:])


if __name__ == "__main__":
    main()
