"""The containment tree of prose: its rules on any text, and the units a reader would expect."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tellapart.corpus.document import LEVELS, Document, Granularity, Kind
from tellapart.corpus.prose import split
from tellapart.corpus.prose.sentences import LONGEST_SENTENCE
from tellapart.corpus.prose.split import LONGEST_PARAGRAPH

LANGUAGES = [None, "markdown", "rst"]
FRAGMENTS = [
    "# One\n", "## Two ##\n", "Title\n=====\n", "=====\nOver\n=====\n", "---\n", "```\n", "~~~~\n", "> quote\n",
    "- item\n", "  - nested. Twice\n", "1. first\n", "| a | b |\n|---|---|\n", "| 1 | 2 |\n", ".. note::\n\n   x\n",
    "code::\n\n    y = 1\n", "<!-- c\n", "-->\n", "<pre>\n", "</pre>\n",
    "Dr. Who et al. came. He left!\n", "\n", "\n\n",
    "\r\n", "\r", "\t", "    ",
    "。文です。", "😀 ", "\u2028", "\f", "é", "\ufeff", "x" * 700, " word" * 300, "+-+\n",
    "=== ===\n", ":field: z\n", "2024-01-01 log\n", "...", "! ", "\u00a0",
]  # fmt: skip


def units(text: str, granularity: Granularity, language: str | None = None, title: str = "") -> list[str]:
    tree = split(Document("d", text, Kind.PROSE, language, title=title))
    return [text[low:high] for low, high in tree.spans(granularity)]


def labels(text: str, language: str | None) -> list[str]:
    return list(split(Document("d", text, Kind.PROSE, language)).levels[Granularity.SECTION].labels)


def check(text: str, language: str | None, title: str = "") -> None:
    tree = split(Document("d", text, Kind.PROSE, language, title=title))
    tree.validate()
    for granularity in LEVELS[Kind.PROSE]:
        spans = [text[low:high] for low, high in tree.spans(granularity)]
        assert "".join(spans) == text
        assert not any(unit[0].isspace() for unit in spans[1:])
    for sentence in units(text, Granularity.SENTENCE, language, title):
        assert len(sentence.rstrip()) <= LONGEST_SENTENCE
    for paragraph in units(text, Granularity.PARAGRAPH, language, title):
        # white space inside does not count: a cut never falls into it
        assert len(paragraph.rstrip()) <= LONGEST_PARAGRAPH + LONGEST_SENTENCE or "   " in paragraph


@given(st.text(max_size=400), st.sampled_from(LANGUAGES))
@settings(max_examples=150, deadline=None)
def test_any_text_gives_a_tree_that_tiles_it(text: str, language: str | None) -> None:
    check(text, language)


@given(st.lists(st.sampled_from(FRAGMENTS), max_size=40), st.sampled_from(LANGUAGES), st.integers(0, 30))
@settings(max_examples=300, deadline=None)
def test_any_layout_gives_a_tree_that_tiles_it(parts: list[str], language: str | None, titled: int) -> None:
    text = "".join(parts)
    check(text, language, title=text[:titled])


MARKDOWN = """---
title: x
# no heading
---
Before.

# Install **it**

## Linux

Run the following:

```sh
# not a heading
apt install foo
```

Wrapped by hand at
Some width. See Fig. 3.

- one. Two

  ```
  # neither
  ```
- three

| a | b |
|---|---|
| 1 | 2 |

Setext
------
> # no heading
"""


def test_markdown_sections_carry_their_heading_path() -> None:
    assert labels(MARKDOWN, "markdown") == ["", "Install it > Linux", "Install it > Setext"]


def test_markdown_blocks_are_not_torn() -> None:
    paragraphs = [unit.strip() for unit in units(MARKDOWN, Granularity.PARAGRAPH, "markdown")]
    assert paragraphs[2].startswith("# Install **it**")  # headings open the paragraph below them
    assert paragraphs[2].endswith("apt install foo\n```")  # and code stays with the line that introduces it
    assert paragraphs[3] == "Wrapped by hand at\nSome width. See Fig. 3."
    assert paragraphs[4].startswith("- one.")
    assert paragraphs[4].endswith("- three")
    assert paragraphs[5].startswith("| a | b |")
    assert paragraphs[6].startswith("Setext")


def test_markdown_sentences_follow_items_and_rows() -> None:
    sentences = [unit.strip() for unit in units(MARKDOWN, Granularity.SENTENCE, "markdown")]
    for expected in ("Wrapped by hand at\nSome width.", "See Fig. 3.", "- one.", "- three", "| 1 | 2 |"):
        assert expected in sentences


def test_an_unclosed_fence_holds_no_headings() -> None:
    assert labels("# A\n\nx\n\n```\n# no\n\n# no\n", "markdown") == ["A"]


def test_a_dashed_rule_after_an_empty_line_is_no_underline() -> None:
    assert labels("text\n\n---\n\nmore\n", "markdown") == [""]


def test_an_empty_section_between_equal_headings_stays() -> None:
    assert labels("# A\n\n# B\n\nx\n", "markdown") == ["A", "B"]


RST = """=====
Guide
=====

Intro text::

    # code
    x = 1

Install
-------

.. code-block:: sh

   make

=====  =====
a      b
=====  =====
1      2
=====  =====

Linux
~~~~~

* item
* other

Use
---

End.
"""


def test_rst_levels_follow_the_order_of_appearance() -> None:
    assert labels(RST, "rst") == ["Guide", "Guide > Install", "Guide > Install > Linux", "Guide > Use"]


def test_rst_tables_and_directives_are_paragraphs() -> None:
    paragraphs = [unit.strip() for unit in units(RST, Granularity.PARAGRAPH, "rst")]
    assert paragraphs[0].endswith("x = 1")
    assert paragraphs[1] == "Install\n-------\n\n.. code-block:: sh\n\n   make"
    assert paragraphs[2].startswith("=====  =====")
    assert paragraphs[3] == "Linux\n~~~~~\n\n* item\n* other"


def test_plain_text_without_obvious_headings_is_one_section() -> None:
    text = "SHOUTING LINE\n\nThis is text. It goes on.\n\n# not a heading here\n"
    assert labels(text, None) == [""]


def test_plain_text_with_underlined_titles_has_sections() -> None:
    assert labels("Readme\n======\n\nText.\n\nUse\n---\n\nMore.\n", None) == ["Readme", "Readme > Use"]


def test_a_records_title_is_a_sentence_and_opens_the_first_paragraph() -> None:
    text = "A title without a stop\nThe text begins. It goes on."
    sentences = units(text, Granularity.SENTENCE, title="A title without a stop")
    assert sentences == ["A title without a stop\n", "The text begins. ", "It goes on."]
    assert len(units(text, Granularity.PARAGRAPH, title="A title without a stop")) == 1


def test_log_lines_and_table_rows_are_sentences_of_their_own() -> None:
    log = "2024-01-01 ERROR disk full\n2024-01-02 INFO all is well again now\n2024-01-03 WARN hot\n"
    assert len(units(log, Granularity.SENTENCE)) == 3
    assert len(units("id,name,town\n1,ann,rome\n2,bob,oslo\n", Granularity.SENTENCE)) == 3


def test_a_wall_of_text_becomes_paragraphs_at_sentence_ends() -> None:
    text = "This is one of very many sentences in a row. " * 400
    paragraphs = units(text, Granularity.PARAGRAPH)
    assert all(len(p) <= LONGEST_PARAGRAPH and p.endswith("row. ") for p in paragraphs)
    assert min(map(len, paragraphs)) > LONGEST_PARAGRAPH / 3


def test_a_long_list_is_cut_at_items() -> None:
    text = "".join(f"- item {n} says something. It says more.\n" for n in range(200))
    paragraphs = units(text, Granularity.PARAGRAPH, "markdown")
    assert len(paragraphs) > 3
    assert all(p.startswith("- item") for p in paragraphs)


def test_empty_and_blank_texts_have_one_unit() -> None:
    for text in ("", " ", "\n\n"):
        check(text, "markdown")
        assert units(text, Granularity.SENTENCE) == [text]


@pytest.mark.slow
@pytest.mark.parametrize(
    "unit", ["x", "a. ", ".", '."', "。", " ", "\n", "- a\n", "#", "|", "`", "(", "1. ", "A.B. "]
)
def test_one_huge_line_takes_linear_time(unit: str) -> None:
    seconds = []
    for size in (500_000, 2_000_000):
        text = unit * (size // len(unit))
        for language in LANGUAGES:
            started = time.perf_counter()
            split(Document("d", text, Kind.PROSE, language))
            seconds.append(time.perf_counter() - started)
    assert sum(seconds[3:]) < 12 * sum(seconds[:3]) + 0.5
