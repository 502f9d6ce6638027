"""From queries with known answers to probabilities, promises, and "nothing here answers that"."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from tellapart import Index
from tellapart.cli.app import run
from tellapart.engine.hit_features import (
    ANSWER_FEATURES,
    FEATURES,
    answer_features,
    hit_features,
    score_features,
)
from tellapart.engine.probabilities import CALIBRATION, HitCalibration
from tellapart.engine.relevance import nothing_relevant
from tellapart.engine.request import SearchRequest
from tellapart.engine.searching import rank_units
from tellapart.errors import TellapartError
from tellapart.experiments import read_query_set
from tellapart.scores.answers import search_with_coverage, search_with_precision
from tellapart.scores.calibrating import answer_threshold, calibrate
from tellapart.scores.evidence import CalibrationEvidence, claims, reached

TOPICS = 60


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Documents about one topic word each, all in the same common words; a query names its topic or, in vain, not."""
    root = tmp_path_factory.mktemp("corpus")
    draw = np.random.default_rng(0)
    common = [f"common{i}" for i in range(12)]
    (root / "docs").mkdir()
    with (root / "queries.tsv").open("w") as queries, (root / "qrels.tsv").open("w") as qrels:
        for topic in range(TOPICS):
            words = " ".join(draw.choice(common, 20))
            (root / "docs" / f"{topic}.txt").write_text(f"topic{topic} {words} topic{topic}.\n")
            named = f"topic{topic} " if topic % 3 else ""
            queries.write(f"q{topic}\t{named}{' '.join(draw.choice(common, 3))}\n")
            qrels.write(f"q{topic} 0 {topic}.txt 1\n")
    return root


@pytest.fixture(scope="module")
def made(corpus):
    index = Index.build([corpus / "docs"], corpus / "my.idx", encoders=())
    report = calibrate(index, read_query_set(index, corpus / "queries.tsv", corpus / "qrels.tsv"))
    yield index, report
    index.close()


def test_hits_get_the_probability_that_the_calibration_gives(made):
    index, report = made
    assert report.first.skill > 0.5
    named, vague = index.search("topic7 common1"), index.search("common1 common2")
    assert named[0].document == "7.txt"
    assert named[0].probability > 0.8
    assert max(hit.probability for hit in vague) < 0.3
    assert named.calibration == HitCalibration.decode(index.store.record(CALIBRATION))
    # asking for fewer changes nothing about those that are shown
    assert index.search("topic7 common1", k=1)[0].probability == named[0].probability


def test_only_the_search_that_was_calibrated_is(made):
    index, _ = made
    assert index.search("topic7", granularity="document")[0].probability is None
    assert index.search("topic7", where="path like '%7.txt'")[0].probability is None
    assert index.search(like="7.txt", ranker="bm25")[0].probability is None
    with pytest.raises(TellapartError, match="the calibration is for"):
        search_with_precision(index, SearchRequest("topic7", granularity="document"), 0.5)


def test_nothing_answers_what_is_not_in_the_corpus(made):
    index, report = made
    assert report.calibration.answer_threshold is not None
    assert report.refused > 0.3
    vague = index.search("common1 common2 unheard", k=3)
    assert "probability" in nothing_relevant(index, vague)
    assert nothing_relevant(index, index.search("topic8 common3 common5 common1")) is None


def test_a_query_about_something_else_gets_no_answer(corpus, tmp_path):
    (tmp_path / "docs").mkdir()
    for path in (corpus / "docs").iterdir():
        (tmp_path / "docs" / path.name).write_text(
            path.read_text() + " A long guide for beginners, best of rules."
        )
    index = Index.build([tmp_path / "docs"], tmp_path / "i", encoders=())
    report = calibrate(index, read_query_set(index, corpus / "queries.tsv", corpus / "qrels.tsv"))
    assert len(report.evidence.foreign) >= 5
    assert report.foreign_refused > 0.8
    found = index.search("the best sourdough starter for beginners in lisbon", k=3)
    assert found.answered < report.calibration.answer_threshold
    # where nothing answers, no hit is likelier to than there is an answer at all
    assert max(hit.probability for hit in found) == pytest.approx(found.best_probability)
    assert found.best_probability <= found.answered
    assert index.search("topic7 common1").best_probability > 0.8


def test_a_higher_share_of_answered_queries_refuses_less(made, corpus, capsys):
    index, report = made
    query_set = read_query_set(index, corpus / "queries.tsv", corpus / "qrels.tsv")
    spread = tuple(np.linspace(0, 1, 101))
    evidence = replace(report.evidence, answered=spread)
    assert answer_threshold(evidence, 0.95)[0] == spread[4]  # floor(.05 * 102) = the fifth smallest
    assert answer_threshold(evidence, 0.9)[0] == answer_threshold(evidence)[0] == spread[9]
    assert answer_threshold(evidence, 0.2)[0] == 0.5  # an answer that is likely is never refused
    with pytest.raises(TellapartError, match="answered is 1: give a share between 0 and 1"):
        calibrate(index, query_set, answered=1.0)
    told = ["--queries", str(corpus / "queries.tsv"), "--qrels", str(corpus / "qrels.tsv"), "--no-keep"]
    assert run(["calibrate", "--index", str(index.folder), *told, "--answered", ".8"]) == 0
    assert "at most 20% of queries with an answer" in capsys.readouterr().out


def test_promises_are_kept_on_the_queries_they_were_made_on_or_refused(made):
    index, _ = made
    found = search_with_precision(index, SearchRequest("topic7 common1"), 0.75)
    assert [hit.document for hit in found] == ["7.txt"]
    assert not search_with_precision(index, SearchRequest("common1 common2"), 0.75).hits
    with pytest.raises(TellapartError, match=r"needs \d+ more"):
        search_with_precision(index, SearchRequest("topic7"), 0.99)
    one = search_with_coverage(index, SearchRequest("topic7 common1"), 0.75)
    many = search_with_coverage(index, SearchRequest("common1 common2"), 0.75)
    assert len(one) < len(many)
    with pytest.raises(TellapartError, match="needs"):
        search_with_coverage(index, SearchRequest("topic7"), 0.99)


def test_a_later_hit_claims_less_than_its_probability():
    assert claims(np.array([0.8, 0.8, 0.2, 0.4])).tolist() == pytest.approx([1, 2**-0.5, 0.25 / 3**0.5, 0.25])
    assert reached(np.array([0.8, 0.8]), np.array([False, True])) == pytest.approx(2**-0.5)
    assert reached(np.array([0.8]), np.array([False])) is None


def test_evidence_survives_and_no_query_saw_its_own_answer(made):
    index, report = made
    kept = CalibrationEvidence.kept_in(index)
    assert kept == report.evidence
    assert len(kept.independent().clusters) == TOPICS
    assert kept.quality(1) == report.first


def test_is_stale_when_the_corpus_changed(corpus, tmp_path):
    docs = tmp_path / "docs"
    docs.mkdir()
    for path in (corpus / "docs").iterdir():
        (docs / path.name).write_text(path.read_text())
    index = Index.build([docs], tmp_path / "i", encoders=())
    calibrate(index, read_query_set(index, corpus / "queries.tsv", corpus / "qrels.tsv"))
    assert index.search("topic7")[0].probability is not None
    for topic in range(20):
        (docs / f"{topic}.txt").unlink()
    index.update()
    assert index.search("topic27")[0].probability is None
    with pytest.raises(TellapartError, match="stale"):
        search_with_precision(index, SearchRequest("topic27"), 0.5)


def test_too_few_queries_are_refused_and_looking_keeps_nothing(corpus, tmp_path):
    index = Index.build([corpus / "docs"], tmp_path / "i", encoders=())
    few = tmp_path / "few.tsv"
    few.write_text("".join(f"q{i} 0 {i}.txt 1\n" for i in range(5)))
    with pytest.raises(TellapartError, match="needs 15 more"):
        calibrate(index, read_query_set(index, corpus / "queries.tsv", few))
    judged = read_query_set(index, corpus / "queries.tsv", corpus / "qrels.tsv")
    calibrate(index, judged, keep=False, method="isotonic")
    assert index.search("topic7")[0].probability is None


def test_features_of_scores_by_hand():
    found = score_features(np.array([8.0, 6.0, 2.0]))
    assert found.tolist() == [[8, 1, 0.25, 0], [6, 0.75, 0, 0], [2, 0.25, 0, 0]]
    assert score_features(np.array([-1.0, -2.0]))[:, 1].tolist() == [1, 0]


def test_features_of_a_list_by_hand(made):
    index, _ = made
    request = SearchRequest("topic7 common1 common2", k=10)
    with index.reading() as snapshot:
        _, asked = index.level_queries(snapshot, request)
        found = rank_units(asked, 100)
        of = dict(zip(FEATURES, hit_features(found, asked).T, strict=True))
        ten = hit_features(found[:50], asked, described=10)
    # what lies beyond the fiftieth changes nothing
    assert np.allclose(ten, np.column_stack([of[name] for name in FEATURES])[:10])
    assert 22 <= np.expm1(of["length"][0]) < 27  # its words, the topic's parts and the name of the file
    assert of["company"].tolist() == [0.0] * len(found)
    assert of["all words"][0] == pytest.approx(1.0)
    assert of["coverage"].max() <= 1
    assert of["spread"][0] == pytest.approx(np.std([each.score for each in found[:50]]))
    whole = dict(zip(ANSWER_FEATURES, answer_features(ten, np.arange(10.0)), strict=True))
    assert whole["best relevance"] == 9
    assert whole["best coverage"] == ten[:, FEATURES.index("coverage")].max()


def test_judged_queries_without_an_answer_teach_when_nothing_answers(corpus, tmp_path):
    index = Index.build([corpus / "docs"], tmp_path / "i", encoders=())
    queries, qrels = tmp_path / "queries.tsv", tmp_path / "qrels.tsv"
    asked = "".join(f"n{i}\tunheard{i} common{i % 12} common{(i + 1) % 12}\n" for i in range(20))
    queries.write_text((corpus / "queries.tsv").read_text() + asked)
    judged = "".join(f"n{i} 0 {i}.txt 0\n" for i in range(20))
    qrels.write_text((corpus / "qrels.tsv").read_text() + judged)
    query_set = read_query_set(index, queries, qrels)
    assert len(query_set.unanswered) == 20
    report = calibrate(index, query_set)
    assert report.calibration.queries == TOPICS
    assert len(report.evidence.unanswered) == 20
    assert report.unanswered_refused > 0.5
    assert report.first == calibrate(index, replace(query_set, unanswered={})).first


def test_command_line(made, corpus, capsys):
    index, report = made
    folder = str(index.folder)
    judged = ["--queries", str(corpus / "queries.tsv"), "--qrels", str(corpus / "qrels.tsv")]
    assert run(["calibrate", "--index", folder, *judged, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(report.to_json()))
    assert run(["calibrate", "--index", folder, *judged, "--no-keep"]) == 0
    assert f"perfect probabilities of so few: {report.first.ece_by_chance:.3f}" in capsys.readouterr().out
    assert run(["search", "common1 common2 unheard", "--index", folder]) == 0
    assert capsys.readouterr().out.startswith("nothing in this corpus answers that (best: 0.")
    assert run(["search", "common1 common2 unheard", "--index", folder, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["hits"] == []
    assert answer["absent"]
    assert answer["nearest"][0]["probability"] < answer["calibration"]["answer_threshold"]
    assert run(["search", "topic7 common1", "--index", folder, "--precision", ".75", "--explain"]) == 0
    shown = capsys.readouterr()
    assert "7.txt" in shown.out
    assert "P 0.99" in shown.out or "P 1.00" in shown.out
    assert "calibrated" in shown.err
    assert run(["status", "--index", folder]) == 0
    assert "calibration  paragraph/bm25" in capsys.readouterr().out
    assert run(["search", "x", "--index", folder, "--precision", ".7", "--coverage", ".9"]) == 2
    assert run(["calibrate", "--index", folder, "--qrels", "x.tsv"]) == 2
