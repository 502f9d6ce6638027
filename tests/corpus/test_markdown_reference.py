"""Blocks of Markdown against markdown-it, the reference implementation of CommonMark in Python.

Ours takes a fraction of the time (docs/benchmarks/markdown_speed.md), which is why it exists. It differs on purpose in
what belongs together: a list stays with the line that introduces it, and its items stay with what stands in them. So
what is compared are headings, fences, tables, and where paragraphs outside lists and quotations begin.
"""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tellapart.corpus.prose.blocks import Shape
from tellapart.corpus.prose.markdown import markdown_blocks
from tellapart.corpus.prose.split import plain_title

markdown_it = pytest.importorskip("markdown_it")

WORDS = ("alpha", "beta gamma", "delta is *here*", "epsilon `code` ends", "zeta [link](http://x.y)")
text = st.lists(st.sampled_from(WORDS), min_size=1, max_size=3).map("\n".join)
heading = st.tuples(st.integers(1, 6), st.sampled_from(WORDS)).map(lambda pair: f"{'#' * pair[0]} {pair[1]}")
underlined = st.tuples(st.sampled_from(WORDS), st.sampled_from(["====", "----"])).map("\n".join)
fence = st.tuples(
    st.sampled_from(["```", "~~~", "````"]), st.sampled_from(["x = 1", "# no heading", "a\n\nb"])
).map(lambda pair: f"{pair[0]}\n{pair[1]}\n{pair[0]}")
table = st.integers(1, 3).map(lambda rows: "| a | b |\n|---|---|\n" + "\n".join(["| c | d |"] * rows))
documents = st.lists(st.one_of(text, heading, underlined, fence, table), min_size=1, max_size=8).map(
    lambda parts: "\n\n".join(parts) + "\n"
)


def reference(source: str) -> list[tuple[int, str]]:
    """Line, from 0, and shape of the blocks that are compared; a heading's shape names its level."""
    found = []
    for token in markdown_it.MarkdownIt("commonmark").enable("table").parse(source):
        if token.level:
            continue
        if token.type == "heading_open":
            found.append((token.map[0], f"heading {token.tag[1]}"))
        elif token.type == "fence":
            found.append((token.map[0], "verbatim"))
        elif token.type == "table_open":
            found.append((token.map[0], "table"))
        elif token.type == "paragraph_open":
            found.append((token.map[0], "text"))
    return found


def ours(source: str) -> list[tuple[int, str]]:
    return [
        (
            source.count("\n", 0, block.start),
            f"heading {block.level}" if block.shape is Shape.HEADING else block.shape.value,
        )
        for block in markdown_blocks(source)
    ]


@settings(max_examples=200, deadline=None)
@given(documents)
def test_blocks_are_those_of_markdown_it(source):
    assert ours(source) == reference(source)


@given(st.lists(heading, min_size=1, max_size=6).map("\n".join))
def test_titles_are_those_of_markdown_it(source):
    parsed = markdown_it.MarkdownIt("commonmark").parse(source)
    titles = [
        "".join(child.content for child in token.children) for token in parsed if token.type == "inline"
    ]
    assert [plain_title(block.title) for block in markdown_blocks(source)] == titles
