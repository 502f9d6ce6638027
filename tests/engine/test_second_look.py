"""The second look: order, scores, what it refuses, and that documents and evaluations follow it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from tellapart import Index
from tellapart.encoders import pairs
from tellapart.engine.configuration import Configuration
from tellapart.engine.second_look import fused
from tellapart.errors import TellapartError
from tellapart.experiments import arms
from tellapart.experiments.evaluation import evaluate
from tellapart.rankers.registry import Parameters

LAST = Parameters(rerank="loves-short", depth=4)


class LovesShort:
    """Likes short texts best, whatever was asked."""

    name = "loves-short"
    milliseconds = 1.0
    read = 0

    def scores(self, query: str, texts: Sequence[str]) -> np.ndarray:
        self.read += len(texts)
        return np.array([-float(len(text)) for text in texts], dtype=np.float32)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> LovesShort:
    made = LovesShort()
    for module in (pairs, arms):
        monkeypatch.setattr(module, "open_cross_encoder", lambda name: made)
    monkeypatch.setattr(arms, "fetched_of_kind", lambda kind: ("loves-short",))
    return made


@pytest.fixture
def index(tmp_path: Path) -> Index:
    source = tmp_path / "notes"
    source.mkdir()
    for number in range(9):
        (source / f"{number}.txt").write_text("roses " * (9 - number) + "and nothing else " * (9 - number))
    return Index.build([source], tmp_path / "idx", encoders=())


def test_the_first_hits_are_ordered_anew_and_the_rest_stay_behind(index: Index, short: LovesShort) -> None:
    plain = index.search("roses", ranker="bm25", k=9)
    looked = index.search("roses", ranker="bm25", k=9, parameters=LAST)
    assert looked.configuration.name == "paragraph/bm25+loves-short"
    assert {hit.id for hit in looked[:4]} == {hit.id for hit in plain[:4]}
    assert [hit.id for hit in looked[4:]] == [hit.id for hit in plain[4:]]
    assert looked[0].text == min((hit.text for hit in plain[:4]), key=len)
    scores = [hit.score for hit in looked]
    assert scores == sorted(scores, reverse=True)
    assert "loves-short" in looked[0].components
    assert "loves-short" not in looked[8].components
    assert short.read == 4, "each text is read once"


def test_documents_follow_it(index: Index, short: LovesShort) -> None:
    hits = index.search("roses", ranker="bm25", k=9, parameters=LAST)
    run = index.run({"q": "roses"}, ranker="bm25", parameters=LAST)
    assert list(run.rankings["q"].documents) == [hit.document for hit in hits]


def test_it_needs_a_query(index: Index, short: LovesShort) -> None:
    with pytest.raises(TellapartError, match="leave out --rerank"):
        index.search(regex="ros.s", parameters=LAST)
    with pytest.raises(TellapartError, match="out of range"):
        Parameters(rerank="x", depth=0)


def test_a_model_that_is_not_here_is_named(index: Index) -> None:
    with pytest.raises(TellapartError, match="tellapart models add nothing"):
        index.search("roses", parameters=Parameters(rerank="nothing"))


def test_configurations_are_read_as_they_are_written() -> None:
    for name in (
        "minilm/paragraph/hybrid+ms-marco-minilm",
        "paragraph+function/bm25+org/model",
        "hub:a/b/section/knn",
        "minilm/paragraph/hybrid (weight 0.5)",
        "paragraph/bm25 (k1 0.9, b 0.4)",
        "minilm/paragraph/hybrid+org/model (weight 0.5, depth 12)",
        "lsa/document/svm (c 0.1, solver exact)",
    ):
        assert Configuration.parse(name).described == name
    for wrong, said in (
        ("weigth 1", "unknown parameter 'weigth'"),
        ("weight much", "cannot read 'weight much'"),
    ):
        with pytest.raises(TellapartError, match=said):
            Configuration.parse(f"minilm/paragraph/hybrid ({wrong})")


def test_an_evaluation_compares_it_and_does_not_use_it_where_it_loses(
    index: Index, short: LovesShort, tmp_path: Path
) -> None:
    (tmp_path / "queries.tsv").write_text("".join(f"q{number}\troses\n" for number in range(30)))
    (tmp_path / "qrels.tsv").write_text(
        "query-id\tcorpus-id\tscore\n" + "".join(f"q{number}\t0.txt\t1\n" for number in range(30))
    )
    verdict = evaluate(index, tmp_path / "queries.tsv", tmp_path / "qrels.tsv", rankers=("bm25",))
    found = {finding.name: finding for finding in verdict.findings}
    assert "paragraph/bm25+loves-short" in found
    assert found["paragraph/bm25+loves-short"].mean <= found["paragraph/bm25"].mean
    assert verdict.choice == "paragraph/bm25"
    assert found["paragraph/bm25+loves-short"].configuration.parameters.depth is not None


def test_scores_keep_mean_and_spread_of_the_first_ranker() -> None:
    first, logits = np.array([3.0, 2.0, 1.0]), np.array([-8.0, 4.0, 0.0])
    new = fused(first, logits, 1.0)
    assert new.argmax() == 1
    assert new.mean() == pytest.approx(first.mean())
    assert new.std() == pytest.approx(first.std())
    np.testing.assert_allclose(fused(np.array([2.0, 2.0]), np.array([0.0, 0.0])), [2, 2])
