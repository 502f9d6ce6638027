"""From queries to a verdict that the index follows, and that goes stale."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pytest

from tellapart.engine import Index
from tellapart.errors import TellapartError
from tellapart.experiments.entropy import entropy_weights
from tellapart.experiments.evaluation import evaluate
from tellapart.experiments.gate import HASHES, compare_with, read_saved, unchanged_share
from tellapart.experiments.measures import Measure
from tellapart.experiments.qrels import Qrels, SpanJudgement
from tellapart.experiments.query_set import Provenance, QuerySet

from .conftest import WORDS, write_mixed


@pytest.fixture
def lexical_gold(mixed):
    """Sixty queries that BM25 answers perfectly by construction: its own first document is the gold."""
    random = np.random.default_rng(7)
    queries = {f"q{number}": " ".join(random.choice(WORDS, 3)) for number in range(60)}
    run = mixed.run(queries, ranker="bm25", granularity="document", depth=1)
    grades = {query: {ranking.documents[0]: 1} for query, ranking in run.rankings.items()}
    return QuerySet(queries, Qrels(grades))


@pytest.fixture(autouse=True)
def judged_alone(monkeypatch):
    """Let forty judged queries be many: what synthetic ones add beside them has a test of its own."""
    monkeypatch.setattr("tellapart.experiments.evaluation.FEW_JUDGED", 2)


def test_beside_few_judged_queries_synthetic_ones_count(mixed, gold, monkeypatch):
    asked = {"rankers": ("bm25", "knn", "hybrid"), "encoders": "words", "granularities": "paragraph"}
    alone = evaluate(mixed, gold, **asked)
    assert "synthetic" not in alone.reason
    monkeypatch.setattr("tellapart.experiments.evaluation.FEW_JUDGED", 100)
    both = evaluate(mixed, gold, **asked)
    assert re.search(r"40 judged queries and [\d,]+ synthetic ones", both.reason)
    assert both.provenance is Provenance.JUDGED
    assert [each.mean for each in both.findings] == [each.mean for each in alone.findings]
    gains = [[each.gain.expected for each in of.findings if each.gain] for of in (alone, both)]
    assert gains[0] != gains[1]


def test_the_entropy_rule_stands_beside_the_curve(mixed, gold):
    verdict = evaluate(mixed, gold, rankers=("bm25", "knn", "hybrid"), encoders="words")
    assert verdict.weights
    rule = verdict.entropy
    assert 0 <= rule.lowest <= rule.weight <= rule.highest <= 1
    assert rule.low <= rule.difference <= rule.high
    assert verdict.to_json()["entropy"]["weight"] == rule.weight
    assert evaluate(mixed, gold, rankers=("bm25",)).entropy is None


def test_a_side_whose_scores_are_nearly_equal_says_little():
    random = np.random.default_rng(0)
    even, peaked = random.uniform(0.8, 1, (4, 500)), random.uniform(0, 0.1, (4, 500))
    peaked[:, :2] += 10
    assert (entropy_weights(even, peaked) > 0.7).all()
    assert (entropy_weights(peaked, even) < 0.3).all()
    assert entropy_weights(np.ones((2, 5)), np.ones((2, 5))).tolist() == [0.5, 0.5]


def test_what_is_better_on_these_queries_is_chosen_and_followed(mixed, lexical_gold):
    assert mixed.plan().configuration.ranker == "hybrid"
    verdict = evaluate(mixed, lexical_gold)
    assert not verdict.kept_default
    assert verdict.chosen.configuration.ranker == "bm25"
    assert verdict.chosen.mean > verdict.finding(verdict.default).mean
    assert verdict.chosen.vs_default.low > 0
    assert "better than the default" in verdict.reason
    verdict.keep(mixed)
    plan = mixed.plan()
    assert plan.configuration == verdict.chosen.configuration
    assert verdict.reason in plan.why
    answer = mixed.search("rose garden")
    assert answer.configuration == verdict.chosen.configuration
    assert mixed.run(lexical_gold.queries).tag == verdict.chosen.configuration.name


def test_what_a_user_asks_for_wins_over_the_verdict(mixed, lexical_gold):
    evaluate(mixed, lexical_gold).keep(mixed)
    assert mixed.plan(ranker="knn").configuration.ranker == "knn"
    assert mixed.plan(encoder="lsa").configuration.name == "lsa/paragraph+function/hybrid"
    assert mixed.plan(granularity="sentence").configuration.name == "words/sentence/hybrid"


def test_a_verdict_goes_stale_with_the_corpus_and_says_so(mixed, lexical_gold, tmp_path):
    verdict = evaluate(mixed, lexical_gold)
    verdict.keep(mixed)
    write_mixed(tmp_path / "mixed", seed=5, prose=6, code=0)
    mixed.update()
    assert mixed.plan().configuration == verdict.chosen.configuration, "6 of 38 documents changed"
    write_mixed(tmp_path / "mixed", seed=6, prose=20, code=0)
    mixed.update()
    plan = mixed.plan()
    assert plan.configuration.ranker == "hybrid"
    assert "stale" in plan.why
    assert "20 documents changed" in plan.why


def test_a_rebuilt_index_of_the_same_documents_keeps_its_verdict(mixed, lexical_gold):
    from tellapart.engine import build_index

    verdict = evaluate(mixed, lexical_gold)
    verdict.keep(mixed)
    build_index(mixed.folder, mixed.settings, fresh=True)
    assert Index.open(mixed.folder).plan().configuration == verdict.chosen.configuration


def test_a_verdict_goes_stale_with_its_encoder(mixed, gold, encoders):
    verdict = evaluate(mixed, gold, rankers=("knn",))
    chosen = next(each for each in verdict.findings if each.name == "words/paragraph+function/knn")
    replace(verdict, choice=chosen.name).keep(mixed)
    assert mixed.plan().configuration.ranker == "knn"
    encoders.fingerprint = "words-of-another-day-000000000000"
    mixed.update()
    assert "other weights" in Index.open(mixed.folder).plan().why


def test_a_verdict_of_another_moment_is_not_kept(mixed, gold, tmp_path):
    verdict = evaluate(mixed, gold, rankers=("bm25",))
    write_mixed(tmp_path / "mixed", seed=9, prose=1, code=0)
    mixed.update()
    with pytest.raises(TellapartError, match="changed meanwhile"):
        verdict.keep(mixed)


def test_a_verdict_on_units_that_are_gone_is_stale(mixed, lexical_gold):
    verdict = evaluate(mixed, lexical_gold)
    levels = verdict.chosen.configuration.granularities
    verdict.keep(mixed)
    others = [level for level in ("sentence", "section", "class") if level not in levels]
    source = mixed.folder.parent / "mixed"
    Index.build([source], mixed.folder, encoders=["words", "lsa"], granularities=others)
    plan = Index.open(mixed.folder).plan()
    assert "units any more" in plan.why
    assert plan.configuration.granularities[0] in others


def test_json_is_the_documented_shape(mixed, gold):
    shape = json.loads(json.dumps(evaluate(mixed, gold, rankers=("bm25", "knn")).to_json()))
    documented = {
        "schema", "measure", "queries", "source", "sources", "corpus", "configurations", "choice", "kept_default",
        "optimism", "transfer_error", "detectable_difference", "reason",
    }  # fmt: skip
    assert documented <= shape.keys()
    assert shape["schema"] == 1
    assert shape["source"] == "judged"
    assert shape["queries"] == len(gold.queries)
    for each in shape["configurations"]:
        assert {
            "name", "encoder", "granularity", "ranker", "parameters", "mean", "low", "high", "vs_bm25",
            "tied_with_best", "per_query", "cost",
        } <= each.keys()  # fmt: skip
        assert each["low"] <= each["mean"] <= each["high"]
        assert each["mean"] == pytest.approx(np.mean(list(each["per_query"].values())))
        assert set(each["cost"]) == {"index_seconds", "query_ms", "bytes"}
    reference = next(each for each in shape["configurations"] if each["name"] == shape["reference"])
    assert reference["vs_bm25"] is None
    for each in shape["configurations"]:
        assert (each["gain"] is None) == (each["name"] == shape["default"])
    assert shape["weights"] == sorted(shape["weights"], key=lambda point: point["weight"])


def test_one_query_decides_nothing_and_breaks_nothing(mixed, gold):
    only = next(iter(gold.queries))
    one = QuerySet({only: gold.queries[only]}, Qrels({only: gold.qrels.grades[only]}))
    verdict = evaluate(mixed, one, rankers=("bm25", "knn"))
    assert verdict.kept_default
    assert "1 judged query" in verdict.reason
    assert json.loads(json.dumps(verdict.to_json(), allow_nan=False))["configurations"][0]["low"] is None


def test_passages_decide_where_every_query_has_one(mixed, gold):
    spans = {
        query: (SpanJudgement(query, next(iter(gold.qrels.grades[query])), 0, 30),) for query in gold.queries
    }
    judged = QuerySet(gold.queries, gold.qrels, spans)
    verdict = evaluate(mixed, judged, rankers=("bm25",))
    assert verdict.measure == "Recall@1000tokens"
    assert all(
        each.span_recall == pytest.approx(each.mean) for each in verdict.findings if "tuned" not in each.name
    )
    by_document = evaluate(mixed, judged, rankers=("bm25",), measure=Measure.parse("nDCG@10"))
    assert by_document.measure == "nDCG@10"
    assert by_document.findings[0].span_recall is not None


def test_weights_count(mixed, gold):
    heavy = next(iter(gold.queries))
    weighted = replace(gold, weights={heavy: 1000.0})
    finding = evaluate(mixed, weighted, rankers=("knn",)).findings[0]
    plain = sum(finding.per_query.values())
    expected = (plain + 999 * finding.per_query[heavy]) / (len(gold.queries) + 999)
    assert finding.mean == pytest.approx(expected)


def test_a_corpus_that_offers_no_query_keeps_the_default(tmp_path, encoders):
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "a.txt").write_text("Roses.\n")
    index = Index.build([tmp_path / "tiny"], tmp_path / "tiny.idx", encoders=["words"])
    verdict = evaluate(index)
    assert verdict.kept_default
    assert verdict.choice == "words/paragraph/hybrid"
    assert "--queries" in verdict.reason or "too few" in verdict.reason
    json.dumps(verdict.to_json(), allow_nan=False)
    verdict.keep(index)


def test_an_index_of_whole_documents_alone_gets_its_verdict(tmp_path):
    source = tmp_path / "texts"
    source.mkdir()
    for number, word in enumerate(WORDS):
        (source / f"{number}.txt").write_text(f"About {word}.\n\nMore about {word} and its neighbours.\n")
    index = Index.build(
        [source], tmp_path / "whole.idx", encoders=["minilm"], granularities="document", kind="prose"
    )
    queries = {word: f"something about {word}" for word in WORDS}
    qrels = Qrels({word: {f"{number}.txt": 1} for number, word in enumerate(WORDS)})
    verdict = evaluate(index, QuerySet(queries, qrels))
    assert {each.name for each in verdict.findings} >= {"document/bm25", "minilm/document/hybrid"}


def test_generated_queries_give_a_verdict(mixed):
    verdict = evaluate(mixed, encoders=("lsa",), rankers=("bm25", "knn", "hybrid"))
    assert verdict.default.startswith("words/"), "compared although not asked for"
    assert verdict.provenance == "synthetic"
    assert "synthetic queries" in verdict.reason
    assert all(each.gain is not None for each in verdict.findings if each.name != verdict.default)
    assert set(verdict.sources) == {each.name for each in verdict.by_source}
    assert sum(each.queries for each in verdict.by_source) == len(verdict.queries)
    assert all(each.lengths for each in verdict.findings)
    assert all(each.span_recall is not None for each in verdict.findings)


def test_the_same_input_gives_the_same_verdict(mixed, gold):
    def timeless():
        shape = evaluate(mixed, gold).to_json()
        for each in shape["configurations"]:
            del each["cost"]
        return shape

    assert timeless() == timeless()


@pytest.fixture
def saved(mixed, lexical_gold, tmp_path):
    path = tmp_path / "saved.json"
    path.write_text(json.dumps(evaluate(mixed, lexical_gold).to_json()))
    return path


def test_no_change_is_no_regression(mixed, lexical_gold, saved):
    regression = compare_with(read_saved(saved), evaluate(mixed, lexical_gold))
    assert not regression.significant
    assert regression.comparison.difference == 0
    assert regression.shared == 60


def test_a_significant_loss_is_a_regression_and_a_gain_is_none(mixed, lexical_gold, saved):
    worse = evaluate(mixed, lexical_gold, encoders=("words",), rankers=("knn",))
    worse = replace(worse, choice="words/paragraph+function/knn")
    assert compare_with(read_saved(saved), worse).significant
    shape = json.loads(saved.read_text())
    for each in shape["configurations"]:
        each["per_query"] = dict.fromkeys(each["per_query"], 0.0)
    saved.write_text(json.dumps(shape))
    assert not compare_with(read_saved(saved), worse).significant


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda shape: shape.update(measure="RR@10"), "--measure"),
        (lambda shape: shape.update(source="generated"), "synthetic queries are others"),
        (lambda shape: shape.update(corpus="other", corpus_sketch=[1, 2, 3]), "0% of the documents"),
        (
            lambda shape: [
                each.update(per_query=dict(list(each["per_query"].items())[:40]))
                for each in shape["configurations"]
            ],
            "only 40 queries",
        ),
        (lambda shape: shape.pop("choice"), "not a saved evaluation"),
        (lambda shape: shape.update(schema=2), "schema 2"),
    ],
)
def test_what_cannot_be_compared_is_refused(mixed, lexical_gold, saved, change, words):
    shape = json.loads(saved.read_text())
    change(shape)
    saved.write_text(json.dumps(shape))
    with pytest.raises(TellapartError, match=words):
        compare_with(read_saved(saved), evaluate(mixed, lexical_gold))


def test_a_document_that_changed_counts_once():
    random = np.random.default_rng(0)
    before = random.permutation(100_000)[:1000]
    after = np.concatenate([before[:600], 100_000 + before[600:]])
    sketches = [tuple(sorted((hash_ * 48271 % 2**31).tolist())[:HASHES]) for hash_ in (before, after)]
    assert unchanged_share(*sketches) == pytest.approx(0.6, abs=0.1)
    assert unchanged_share(sketches[0], sketches[0]) == 1
