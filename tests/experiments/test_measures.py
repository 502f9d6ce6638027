"""Measures against ir_measures, pytrec_eval, and definitions in plain loops."""

import math
import time

import ir_measures
import numpy as np
import pytest
import pytrec_eval
from hypothesis import given, settings
from hypothesis import strategies as st

from tellapart.errors import TellapartError
from tellapart.experiments.measures import SPELLINGS, Measure, evaluate_run
from tellapart.experiments.qrels import Qrels, read_beir
from tellapart.rankers.run import RankedDocuments, Run

ALL = [Measure.parse(s) for s in (*SPELLINGS, "nDCG@3", "AP@3", "R@2", "P@20", "RR@3", "Success@5", "Judged")]
TREC_NAMES = {
    "nDCG@10": "ndcg_cut_10",
    "nDCG": "ndcg",
    "AP": "map",
    "AP@3": "map_cut_3",
    "RR": "recip_rank",
    "R@2": "recall_2",
    "P@5": "P_5",
    "Success@1": "success_1",
}

documents = st.sampled_from([f"d{number}" for number in range(12)] + ["é", "Geneva Durben"])
grades = st.dictionaries(documents, st.integers(-2, 4), min_size=1, max_size=12)
queries = st.sampled_from(["q1", "q2", "q3", "10", "9"])
qrels_sets = st.dictionaries(queries, grades, min_size=1).filter(
    lambda qrels: any(grade > 0 for of in qrels.values() for grade in of.values())
)
tied_scores = st.sampled_from([0.0, 1.0, 1 + 1e-8, 2.5, -1.0])
distinct_scores = st.integers(-1000, 1000).map(float)


def runs(scores, unique):
    answers = st.dictionaries(documents, scores, min_size=1, max_size=14)
    if unique:
        answers = answers.filter(lambda of: len(set(of.values())) == len(of))
    return st.dictionaries(queries, answers, max_size=5)


def without_negatives(qrels):
    """The same gains for the references: pytrec_eval writes outside its tables at grades below 0."""
    return {query: {document: max(grade, 0) for document, grade in of.items()} for query, of in qrels.items()}


def evaluate(scores, qrels, measures=ALL):
    try:
        return evaluate_run(Run.from_scores(scores), Qrels(qrels), measures)
    except TellapartError:
        assert scores
        assert not set(scores) & set(qrels)
        return None


@settings(max_examples=120, deadline=None)
@given(runs(distinct_scores, unique=True), qrels_sets)
def test_equals_ir_measures_on_distinct_scores(scores, qrels):
    ours = evaluate(scores, qrels)
    if ours is None:
        return
    wanted = [ir_measures.parse_measure(str(measure)) for measure in ALL]
    theirs = {
        (str(value.measure), value.query_id): value.value
        for value in ir_measures.iter_calc(wanted, without_negatives(qrels), scores)
    }
    for measure in ALL:
        for query, value in zip(ours.queries, ours.values[measure], strict=True):
            assert value == pytest.approx(theirs[str(measure), query], abs=1e-9), (measure, query)


@settings(max_examples=120, deadline=None)
@given(runs(tied_scores, unique=False), qrels_sets)
def test_equals_trec_eval_under_ties(scores, qrels):
    ours = evaluate(scores, qrels)
    if ours is None:
        return
    theirs = pytrec_eval.RelevanceEvaluator(without_negatives(qrels), set(TREC_NAMES.values())).evaluate(
        scores
    )
    for spelling, name in TREC_NAMES.items():
        for query, value in zip(ours.queries, ours.values[Measure.parse(spelling)], strict=True):
            expected = theirs[query][name] if query in theirs else 0.0
            assert value == pytest.approx(expected, abs=1e-9), (spelling, query)


def plain_ndcg(documents, grades, k):
    def dcg(gains):
        return sum(max(gain, 0) / math.log2(rank + 1) for rank, gain in enumerate(gains[:k], start=1))

    ideal = dcg(sorted(grades.values(), reverse=True))
    return dcg([grades.get(document, 0) for document in documents]) / ideal


def test_gains_are_linear_and_the_ideal_counts_all_judged_documents():
    qrels = {"q": {"a": 1, "b": 2, "c": 3}}
    value = evaluate({"q": {"a": 2, "b": 1}}, qrels).mean(Measure.parse("nDCG@10"))
    assert value == pytest.approx(plain_ndcg(["a", "b"], qrels["q"], 10), abs=1e-12)
    wrong_order = evaluate({"q": {"a": 2, "b": 1}}, {"q": {"a": 1, "b": 2}})
    assert wrong_order.mean(Measure.parse("nDCG@10")) == pytest.approx(0.8597, abs=5e-5)


@settings(max_examples=60, deadline=None)
@given(runs(distinct_scores, unique=True), qrels_sets)
def test_never_leaves_the_unit_interval(scores, qrels):
    ours = evaluate(scores, qrels)
    if ours is not None:
        for measure in ALL:
            assert ((ours.values[measure] >= 0) & (ours.values[measure] <= 1 + 1e-12)).all()


def test_permuting_documents_of_equal_grade_changes_nothing():
    qrels = {"q": {"a": 2, "b": 2, "c": 0, "d": 0, "e": 1}}
    one = evaluate({"q": {"a": 9, "c": 8, "b": 7, "e": 6, "d": 5}}, qrels)
    other = evaluate({"q": {"b": 9, "d": 8, "a": 7, "e": 6, "c": 5}}, qrels)
    for measure in ALL:
        assert one.values[measure] == pytest.approx(other.values[measure], abs=1e-12)


def test_counts_who_is_averaged_and_who_is_not():
    qrels = {"answered": {"a": 1}, "absent": {"a": 1}, "hopeless": {"a": 0, "b": -1}}
    ours = evaluate({"answered": {"a": 1.0}, "hopeless": {"a": 1.0}, "stranger": {"a": 1.0}}, qrels)
    assert ours.queries == ("answered", "absent")
    assert ours.absent == ("absent",)
    assert ours.left_out == ("hopeless",)
    assert ours.unjudged == ("stranger",)
    assert ours.mean(Measure.parse("RR")) == 0.5


def test_keeps_the_order_of_a_ranking_whose_scores_tie():
    tied = Run({"q": RankedDocuments(("a", "b"), np.array([1.0, 1.0]))})
    assert evaluate_run(tied, Qrels({"q": {"a": 1}}), [Measure.parse("RR")]).mean(Measure.parse("RR")) == 1.0


def test_an_empty_run_scores_zero_everywhere():
    ours = evaluate({}, {"q": {"a": 1}})
    assert all(ours.mean(measure) == 0 for measure in ALL)
    assert ours.absent == ("q",)


def test_an_empty_ranking_scores_zero():
    empty = Run({"q": RankedDocuments((), np.empty(0))})
    ours = evaluate_run(empty, Qrels({"q": {"a": 1}}), ALL)
    assert all(ours.mean(measure) == 0 for measure in ALL)


def test_more_queries_than_a_block_hold_their_order():
    qrels = {f"q{number}": {"a": 1, "b": 1 + number % 3} for number in range(2500)}
    scores = {query: {"a": 1.0} if number % 2 else {"b": 1.0} for number, query in enumerate(qrels)}
    ours = evaluate(scores, qrels, [Measure.parse("nDCG@10")])
    for query, value in zip(ours.queries, ours.values[Measure.parse("nDCG@10")], strict=True):
        assert value == pytest.approx(plain_ndcg(list(scores[query]), qrels[query], 10), abs=1e-12)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_measure_is_the_value_of_its_spelling(spelling):
    measure = Measure.parse(spelling)
    assert str(measure) == spelling == str(ir_measures.parse_measure(spelling))
    assert measure == Measure.parse(f" {spelling} ")
    assert {measure: 1}[Measure.parse(spelling)] == 1


@pytest.mark.parametrize(
    "spelling", ["ndcg@10", "nDCG@0", "nDCG@-1", "R", "P", "Success", "", "AP@x", "nDCG@10@5"]
)
def test_refuses_what_is_no_measure_in_one_line(spelling):
    with pytest.raises(TellapartError) as refused:
        Measure.parse(spelling)
    assert "\n" not in str(refused.value)


def test_refuses_judgements_without_any_relevant_document():
    with pytest.raises(TellapartError, match="relevant"):
        evaluate_run(Run({}), Qrels({"q": {"a": 0}}), ALL)


def test_refuses_a_run_of_other_queries():
    with pytest.raises(TellapartError, match=r"'x'.*'q'"):
        evaluate_run(Run.from_scores({"x": {"a": 1}}), Qrels({"q": {"a": 1}}), ALL)


def test_is_fast_enough_to_be_asked_often():
    rng = np.random.default_rng(0)
    names = [f"d{number}" for number in range(3000)]
    deep = {
        f"q{query}": RankedDocuments(
            tuple(names[i] for i in rng.permutation(3000)[:1000]), -np.arange(1000, dtype=float)
        )
        for query in range(1000)
    }
    qrels = Qrels({query: {names[i]: 1 for i in rng.permutation(3000)[:20]} for query in deep})
    run, ten = Run(deep), [Measure.parse(s) for s in ("nDCG@10", "RR@10", "P@5", "Success@1", "Judged@10")]
    assert best_of_five(lambda: evaluate_run(run, qrels, ten)) < 1
    assert best_of_five(lambda: evaluate_run(run, qrels, ALL)) < 10


def best_of_five(work):
    times = []
    for _ in range(5):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


@pytest.mark.parametrize(
    ("name", "split"), [("cranfield", "test"), ("cranfield", "test_src"), ("scifact", "train")]
)
def test_equals_ir_measures_on_judged_collections(data, name, split):
    judged = read_beir(data / name, split)
    rng = np.random.default_rng(7)
    pool = sorted({document for of in judged.qrels.grades.values() for document in of})
    scores = {
        query: dict(zip(pool, rng.permutation(len(pool)).astype(float).tolist(), strict=True))
        for query in judged.queries.texts
    }
    ours = evaluate(scores, judged.qrels.grades)
    wanted = [ir_measures.parse_measure(str(measure)) for measure in ALL]
    qrels = without_negatives(judged.qrels.grades)
    theirs = {(str(v.measure), v.query_id): v.value for v in ir_measures.iter_calc(wanted, qrels, scores)}
    for measure in ALL:
        expected = [theirs[str(measure), query] for query in ours.queries]
        np.testing.assert_allclose(ours.values[measure], expected, rtol=0, atol=1e-9)
