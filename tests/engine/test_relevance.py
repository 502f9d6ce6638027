"""When a search without a calibration says that nothing answers: words first, then how near unrelated units are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tellapart import Index
from tellapart.engine.relevance import missing_words, nothing_relevant, unrelated_cosine

UNITS = 400


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    """400 units of four words each out of 40 of ten topics."""
    folder = tmp_path_factory.mktemp("unrelated")
    draw = np.random.default_rng(0)
    rows = []
    for number in range(UNITS):
        topic = draw.integers(10)
        words = [f"word{topic}{each}" for each in draw.choice(4, 2, replace=False)]
        words += [f"word{topic}{draw.integers(4)}", f"word{draw.integers(10)}{draw.integers(4)}"]
        rows.append({"_id": f"d{number}", "text": " ".join(words)})
    (folder / "corpus.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return Index.build([folder / "corpus.jsonl"], folder / "i", encoders=("lsa",))


def test_one_in_a_hundred_pairs_of_units_is_nearer_than_unrelated_ones(index: Index) -> None:
    with index.reading() as snapshot:
        (level,) = index.plan(ranker="knn").configuration.granularities
        vectors = snapshot.vectors("lsa", level).take(np.arange(UNITS))
        bound = unrelated_cosine(snapshot, "lsa", level)
    cosines = (vectors @ vectors.T)[np.triu_indices(UNITS, k=1)]
    assert 0.005 <= (cosines > bound).mean() <= 0.015


def test_without_a_common_word_only_vectors_nearer_than_unrelated_ones_answer(tmp_path: Path) -> None:
    folder = tmp_path / "docs"
    folder.mkdir()
    texts = [
        "Puppies bark at strangers",
        "Tax returns",
        "Volcanoes erupt",
        "Sonata form",
        "Rust memory safety",
    ]
    for number, text in enumerate(texts):
        (folder / f"{number}.txt").write_text(text)
    index = Index.build([folder], tmp_path / "i", encoders=("minilm",))
    assert nothing_relevant(index, index.search("bark")) is None
    assert nothing_relevant(index, index.search("dogs make noise when they see somebody unknown")) is None
    absent = nothing_relevant(index, index.search("quarterly dividend yield"))
    assert absent is not None
    assert "nothing is nearer" in absent


@pytest.mark.parametrize(
    ("query", "wishes", "why"),
    [
        ("glacier", {"where": "path like 'lib/%'"}, "no document meets the filter path like 'lib/%'"),
        ("qqq", {"where": "path like '%.py'"}, "no unit in a document that meets the filter shares a word"),
        ("qqq", {}, "no unit shares a word with the query"),
        (None, {"regex": "q{3}"}, "the pattern matches nowhere"),
    ],
)
def test_nothing_found_comes_with_its_reason(
    tmp_path: Path, query: str | None, wishes: dict[str, Any], why: str
) -> None:
    (tmp_path / "glacier.py").write_text("def glacier():\n    return 1\n")
    with Index.build([tmp_path], tmp_path / "my.idx", encoders=()) as index:
        assert why in (nothing_relevant(index, index.search(query, **wishes)) or "")


def test_a_place_in_a_file_that_is_not_here_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "glacier.py").write_text("def glacier():\n    return 1\n")
    with Index.build([tmp_path], tmp_path / "my.idx", encoders=()) as index:
        told = missing_words(index, index.search("glacier/river.py:3"))
        assert told is not None
        assert told.startswith("no document here is called glacier/river.py")
        assert missing_words(index, index.search("glacier.py:1")) is None
