"""Whoever gives something of a wrong type is told so in one line, and what to give."""

from __future__ import annotations

import numpy as np
import pytest

from tellapart import (
    Configuration,
    Experiment,
    Gallery,
    Index,
    Parameters,
    TellapartError,
    decide,
    evaluate,
    load_encoder,
)
from tellapart.experiments import Measure, read_query_set, text_arms
from tellapart.metrics import compare, read_run

TWO = {"document/bm25": np.arange(4.0), "lsa/document/knn": np.ones(4)}


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wrong")
    (folder / "a.md").write_text("Water the roses.\n")
    with Index.build(folder / "a.md", folder / "index", encoders=()) as built:
        yield built


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda index: Index.build("a.md", 5), "path is 5 (int): give a path"),
        (lambda index: Index.open(None), "path is None"),
        (
            lambda index: Index.build("a.md", "i", granularities="word"),
            "unknown granularity 'word': choose from",
        ),
        (lambda index: Index.build("a.md", "i", kind="poem"), "unknown kind 'poem'"),
        (lambda index: Index.build("a.md", "i", max_bytes="big"), "max_bytes is 'big'"),
        (lambda index: index.search(["roses"]), "query is ['roses']"),
        (lambda index: index.search("roses", k=2.0), "k is 2.0 (float)"),
        (lambda index: index.search("roses", k=0), "k is 0: give at least 1"),
        (lambda index: index.search("roses", where=4), "where is 4"),
        (lambda index: index.search("roses", parameters={"k1": 2}), "give tellapart.Parameters"),
        (lambda index: Parameters(k1="2"), "k1 is '2' (str): give a number"),
        (lambda index: index.related(5), "document is 5"),
        (lambda index: index.related("a.md", "1"), "line is '1'"),
        (lambda index: index.run(["roses"]), "a mapping from the id of a query to its text"),
        (lambda index: index.run({"q": 5}), "queries holds 5"),
        (lambda index: index.run({"q": "roses"}, depth="10"), "depth is '10'"),
        (lambda index: index.get(5), "identifier is 5"),
        (lambda index: index.document_at(5), "file is 5"),
        (lambda index: evaluate("index"), "index is 'index' (str): give an open tellapart.Index"),
        (lambda index: evaluate(index, 5), "queries is 5"),
        (lambda index: evaluate(index, measure=3), "unknown measure 3"),
        (lambda index: evaluate(index, seed="a"), "seed is 'a'"),
        (lambda index: evaluate(index, query_log=["a"]), "query_log is ['a']"),
        (lambda index: evaluate(index, rankers="best"), "unknown ranker 'best'"),
        (lambda index: read_query_set(index, 5), "queries is 5"),
        (lambda index: text_arms(None), "index is None"),
        (lambda index: Experiment.from_values([1.0], default="a"), "values is [1.0]"),
        (lambda index: Experiment.from_values({"a": ["x"]}, default="a"), "no number"),
        (lambda index: decide(None), "experiment is None"),
        (
            lambda index: decide(Experiment.from_values(TWO, default="document/bm25"), "judged"),
            "synthetic is 'judged'",
        ),
        (
            lambda index: decide(Experiment.from_values(TWO, default="document/bm25")).keep("i"),
            "index is 'i'",
        ),
        (lambda index: compare([1, 2], [1]), "2 values cannot be paired with 1"),
        (lambda index: Measure.parse(3), "unknown measure 3"),
        (lambda index: Configuration.parse(3), "the configuration is 3"),
        (lambda index: read_run(3), "path is 3"),
        (lambda index: index.context("roses", tokens="many"), "tokens is 'many'"),
        (lambda index: load_encoder(5), "the encoder is 5"),
        (lambda index: load_encoder("minilm").encode([5]), "sentences holds 5"),
        (lambda index: Gallery.open(5), "path is 5"),
    ],
)
def test_a_wrong_type_is_one_line(index, call, words):
    with pytest.raises(TellapartError) as caught:
        call(index)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_text_is_one_name_and_one_query(index):
    assert len(load_encoder("minilm").encode("roses").shape) == 1
    assert text_arms(index, rankers="bm25").arms


def test_a_verdict_on_values_measured_elsewhere_is_kept_and_followed(tmp_path):
    (tmp_path / "a.md").write_text("Water the roses.\n\nCats sleep all day.\n\nParliament passed a law.\n")
    draw = np.random.default_rng(0)
    words = draw.random(60) / 2
    values = {"paragraph/bm25": words, "lsa/paragraph/knn": words + 0.3 + 0.1 * draw.random(60)}
    verdict = decide(Experiment.from_values(values, default="paragraph/bm25"))
    with Index.build(tmp_path / "a.md", tmp_path / "index", encoders=()) as index:
        with pytest.raises(TellapartError, match="no vectors of encoder 'lsa'"):
            verdict.keep(index)
        index.add_encoder("lsa")
        verdict.keep(index)
        assert index.search("roses").configuration.name == "lsa/paragraph/knn"
