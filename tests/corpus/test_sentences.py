"""Where sentences start: known cases, and agreement with the judged starts of scifact."""

from __future__ import annotations

import json
import zlib
from itertools import pairwise
from pathlib import Path

import pytest

from tellapart.corpus.prose import sentence_starts
from tellapart.corpus.prose.sentences import LONGEST_SENTENCE


def sentences(text: str) -> list[str]:
    starts = [*sentence_starts(text), len(text)]
    return [text[low:high].strip() for low, high in pairwise(starts)]


ONE = [
    "Dr. Smith met Mrs. Jones at St. Mary.",
    "It costs 3.50 dollars, i.e. very little, e.g. Less than before.",
    "As J. R. R. Tolkien wrote, it is so.",
    "See Fig. 3 and Eq. 4 in vol. 2 for this.",
    "Smith et al. (2010) showed it.",
    "We found E. coli in the sample.",
    "Hard-wrapped lines do not\nend sentences even before\nCapitals.",
    "The U.S. Army was there.",
    "Open https://example.org/a.b?c=d. now or v1.2.3 later",
    'He asked "why?" and left.',
    "Yahoo! is a company.",
    "Wait ... there is more.",
    "Contents . . . . . . . . . 12",
    "1. First things first",
    "Sie kam am 3. Oktober an.",
    "「はい。」と言った。",
    "The value (p = .05) is small.",
]


@pytest.mark.parametrize("text", ONE)
def test_stays_one_sentence(text: str) -> None:
    assert sentences(text) == [text]


MANY = [
    ["It is so.", "He left!", "Why?", "Because."],
    ["He was born in 1998.", "Then he grew."],
    ['She said "Stop."', "He did."],
    ["It was shown before.12", "We repeat it."],
    ["It was shown before.[3,4]", "We repeat it."],
    ["(This is aside.)", "It goes on."],
    ["He lives in the U.S.", "The town is small."],
    ["They took vitamin C.", "Trials followed."],
    ["This is a gene.", "p53 is another.", "mTOR too."],
    ["apples, pears, etc.", "The rest is silence."],
    ["in lower case only, as in cranfield .", "the next one begins so ."],
    ["this is written without capitals.", "it still has sentences."],
    ["Ends with dots...", "Next one."],
    ["यह एक वाक्य है।", "यह दूसरा है।"],
    ["ما اسمك؟", "اسمي علي."],
    ["I saw MS.", "He saw HR.", "It was fine."],
]


@pytest.mark.parametrize("parts", MANY)
def test_is_cut_between_sentences(parts: list[str]) -> None:
    assert sentences(" ".join(parts)) == parts


def test_scripts_without_spaces_are_cut_at_their_marks() -> None:
    assert sentences("这是第一句。这是第二句！第三句？") == ["这是第一句。", "这是第二句！", "第三句？"]


def test_a_very_long_sentence_is_cut_at_clauses_then_spaces_then_anywhere() -> None:
    clauses = sentences("one two three four, " * 200)
    assert all(len(s) <= LONGEST_SENTENCE and s.endswith(",") for s in clauses)
    words = sentences("word " * 1000)
    assert all(len(s) <= LONGEST_SENTENCE and s.endswith("word") for s in words)
    assert [len(s) for s in sentences("x" * 2500)] == [1000, 1000, 500]


def test_a_part_of_a_text_is_cut_by_its_own_offsets() -> None:
    text = "No. Not this. One here. Two here. Nor this."
    assert [text[s:][:3] for s in sentence_starts(text, 14, 34)] == ["One", "Two"]


def test_agrees_with_the_judged_starts_of_scifact(data: Path) -> None:
    hits = found = judged = 0
    with (data / "scifact" / "corpus.jsonl").open(encoding="utf-8") as lines:
        for line in lines:
            record = json.loads(line)
            if zlib.crc32(record["_id"].encode()) % 2 == 0:
                continue  # the half that the rules were made on
            gold, ours = set(record["sent_starts"]), set(sentence_starts(record["text"]))
            hits, found, judged = hits + len(gold & ours), found + len(ours), judged + len(gold)
    assert 2 * hits / (found + judged) >= 0.97
