"""Judging by hand on arrays: what is asked, what it proves, what is kept."""

from __future__ import annotations

import json
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tellapart.errors import TellapartError
from tellapart.experiments.judging.asking import Judging, JudgingQuestion, SequentialTest
from tellapart.experiments.judging.pools import Pools, first_ranks
from tellapart.experiments.judging.session import Session
from tellapart.experiments.judging.standing import Status, certain_limits, standing
from tellapart.experiments.measures import Measure, evaluate_run
from tellapart.experiments.qrels import Qrels, read_qrels, write_qrels
from tellapart.rankers.run import Run

LISTS = st.lists(st.permutations(list("abcdefgh")).map(lambda p: tuple(p[:5])), min_size=2, max_size=2)


def make(count: int, seed: int, leaders: int = 2, strength: float = 0.0) -> tuple[Pools, np.ndarray]:
    """Random lists over eight documents, one of which is relevant; `strength` lifts it in the first leader's."""
    random = np.random.default_rng(seed)
    lists, grades = [], []
    for query in range(count):
        relevant = int(random.integers(8))
        scores = random.normal(size=(leaders, 8))
        scores[0, relevant] += strength
        lists.append(tuple(tuple(f"{query}-{d}" for d in np.argsort(-row)[:5]) for row in scores))
        grades.append({f"{query}-{relevant}": 1})
    pools = Pools.of([f"q{n}" for n in range(count)], [f"s{n}" for n in range(leaders)], lists)
    return pools, pools.gains(grades)


def judged(pools: Pools, gains: np.ndarray, seed: int = 0, **options) -> Judging:
    """Answer until it is settled or nothing is left."""
    judging = Judging(pools, seed=seed, flips=1000, **options)
    while standing(judging).status is Status.OPEN:
        question = judging.question()
        judging.answer(question, float(gains[question.query, question.slot]))
    return judging


def test_the_measure_is_ndcg_at_5_over_the_pool():
    random = np.random.default_rng(0)
    runs = [
        Run.from_scores(
            {f"q{n}": {f"d{d}": float(random.normal()) for d in range(12)} for n in range(30)}, tag=tag
        )
        for tag in ("a", "b")
    ]
    pools = Pools.of(
        [f"q{n}" for n in range(30)], ["a", "b"], first_ranks(runs, [f"q{n}" for n in range(30)])
    )
    grades = {
        query: {document: int(random.integers(0, 4)) for document in pool}
        for query, pool in zip(pools.queries, pools.documents, strict=True)
    }
    measure = Measure.parse("nDCG@5")
    a, b = (evaluate_run(run, Qrels(grades), [measure]).values[measure] for run in runs)
    np.testing.assert_allclose(pools.differences(pools.gains(list(grades.values())))[:, 0], a - b, atol=1e-12)


@settings(max_examples=25, deadline=None)
@given(LISTS)
def test_no_judgement_leaves_the_bounds(lists):
    pools = Pools.of(["q"], ["a", "b"], [tuple(lists)])
    low, high = pools.bounds()
    width = len(pools.documents[0])
    relevant = np.array(list(product((0.0, 1.0), repeat=width)))
    seen = [pools.differences(gains[None])[0, 0] for gains in relevant]
    assert high[0, 0] == pytest.approx(max(seen))
    assert low[0, 0] == pytest.approx(min(seen))
    graded = np.random.default_rng(1).integers(0, 4, size=(200, width)).astype(float)
    assert max(pools.differences(gains[None])[0, 0] for gains in graded) <= high[0, 0] + 1e-12


def test_swapping_the_leaders_changes_no_question_and_only_the_sign():
    pools, gains = make(40, 1, strength=1.0)
    swapped = Pools.of(
        pools.queries, pools.leaders, [lists[::-1] if n % 3 else lists for n, lists in enumerate(pools.lists)]
    )
    one, other = Judging(pools, flips=100), Judging(swapped, flips=100)
    for _ in range(120):
        question = one.question()
        assert question == other.question()
        for judging in (one, other):
            judging.answer(question, float(gains[question.query, question.slot]))
    rows = np.arange(40)
    signs = np.where(rows % 3, -1.0, 1.0)
    np.testing.assert_allclose(one.differences(rows)[:, 0], other.differences(rows)[:, 0] * signs, atol=1e-12)


def test_chance_settles_one_session_in_twenty_at_most():
    settled = 0
    for seed in range(100):
        pools, gains = make(18, seed)
        judging = Judging(pools, seed=seed, flips=400)
        while (question := judging.question()) is not None and not judging.test.decided[0]:
            judging.answer(question, float(gains[question.query, question.slot]))
        settled += bool(judging.test.decided[0])
    assert settled <= 10  # 5 expected at most; binomial, p = .01


def test_a_plain_difference_is_settled_early_and_the_right_way():
    pools, gains = make(200, 3, strength=2.0)
    judging = judged(pools, gains)
    now = standing(judging)
    assert (now.status, now.choice) == (Status.BETTER, "s0")
    assert now.answers < 0.15 * pools.sizes.sum()
    truth = pools.differences(gains).mean()
    assert now.pairs[0].estimate == pytest.approx(truth, abs=4 * now.pairs[0].error)


def test_the_weighted_estimate_is_unbiased():
    pools, gains = make(30, 4, strength=1.0)
    truth = pools.differences(gains).mean()
    found = []
    for seed in range(150):
        judging = Judging(pools, seed=seed, flips=10)
        for _ in range(6):
            query = judging.question().query
            for slot in np.flatnonzero(~judging.known[query]):
                judging.answer(JudgingQuestion(query, int(slot)), float(gains[query, slot]))
        found.append(standing(judging).pairs[0].estimate)
    assert np.mean(found) == pytest.approx(truth, abs=3 * np.std(found) / np.sqrt(len(found)))


def test_lists_that_agree_need_no_answer():
    lists = [(tuple("abcde"), tuple("abcde"))] * 10
    judging = Judging(Pools.of([f"q{n}" for n in range(10)], ["cheap", "dear"], lists))
    now = standing(judging)
    assert (now.status, now.choice, now.answers) == (Status.AS_GOOD, "cheap", 0)
    assert judging.question() is None


def test_limits_close_on_the_truth():
    pools, gains = make(12, 5)
    judging = Judging(pools, flips=10)
    truth = pools.differences(gains).mean(axis=0)
    while (question := judging.question()) is not None:
        low, high = certain_limits(judging)
        assert low[0] - 1e-12 <= truth[0] <= high[0] + 1e-12
        judging.answer(question, float(gains[question.query, question.slot]))
    np.testing.assert_allclose(certain_limits(judging), [truth, truth], atol=1e-12)
    assert standing(judging).left == 0


def test_three_leaders_name_one():
    pools, gains = make(150, 6, leaders=3, strength=2.5)
    now = standing(judged(pools, gains))
    assert (now.status, now.choice) == (Status.BETTER, "s0")
    assert len(now.pairs) == 3


def test_a_look_takes_out_what_was_released():
    test = SequentialTest(1, alpha=0.05, flips=2000)
    for query in range(12):
        test.put(query, np.array([1.0]))
        test.look((query + 1) / 12)
    assert test.decided[0] == 1
    quiet = SequentialTest(1, alpha=0.05, flips=2000)
    for query in range(12):
        quiet.put(query, np.array([1.0 if query % 2 else -1.0]))
        quiet.look((query + 1) / 12)
    assert quiet.decided[0] == 0


@pytest.fixture
def session(tmp_path):
    pools, gains = make(20, 7, strength=1.0)
    opened = Session.create(
        tmp_path / "s.jsonl", {query: f"text of {query}" for query in pools.queries}, pools
    )
    yield opened, gains
    opened.close()


def answer_some(session: Session, gains: np.ndarray, count: int) -> None:
    for _ in range(count):
        question = session.question()
        session.answer(question, int(gains[question.query, question.slot]))


def same(one: Session, other: Session) -> bool:
    return (
        one.judging.entered == other.judging.entered
        and one.judging.probabilities == other.judging.probabilities
        and bool((one.judging.known == other.judging.known).all())
        and one.question() == other.question()
        and one.qrels() == other.qrels()
    )


def reopened(session: Session) -> Session:
    session.close()
    return Session.open(session.path)


def test_a_session_goes_on_where_it_was(session):
    opened, gains = session
    answer_some(opened, gains, 30)
    opened.question()
    again = reopened(opened)
    assert same(opened, again)


def test_a_session_belongs_to_one_process(session):
    opened, _ = session
    with pytest.raises(TellapartError, match="another 'tellapart judge' is at work"):
        Session.open(opened.path)


def test_undo_asks_the_same_again_and_survives(session):
    opened, gains = session
    answer_some(opened, gains, 12)
    question = opened.question()
    opened.answer(question, 1)
    opened.question()
    assert opened.undo()
    assert opened.question() == question
    assert opened.judging.answers == 12
    opened.answer(question, 0)
    answer_some(opened, gains, 5)
    for _ in range(10):
        assert opened.undo()
    answer_some(opened, gains, 4)
    again = reopened(opened)
    assert again.qrels() == opened.qrels()
    assert again.judging.answers == 12
    for _ in range(12):
        assert again.undo()
    assert not again.undo()


def test_a_line_cut_off_by_a_crash_is_dropped(session):
    opened, gains = session
    answer_some(opened, gains, 10)
    opened.close()
    whole = opened.path.read_bytes()
    opened.path.write_bytes(whole + b'{"answer": "q1", "docu')
    again = Session.open(opened.path)
    assert again.judging.answers == 10
    assert opened.path.read_bytes() == whole
    answer_some(again, gains, 1)
    assert reopened(again).judging.answers == 11


def test_only_complete_pools_become_qrels(session, tmp_path):
    opened, gains = session
    answer_some(opened, gains, 25)
    complete = {opened.pools.queries[row] for row in opened.judging.entered if opened.judging.complete[row]}
    assert set(opened.qrels().grades) == complete
    while (question := opened.question(begun_only=True)) is not None:
        opened.answer(question, int(gains[question.query, question.slot]))
    begun = [opened.pools.queries[row] for row in opened.judging.entered]
    assert begun
    assert set(opened.qrels().grades) == set(begun)
    for query, grades in opened.qrels().grades.items():
        assert set(grades) == set(opened.pools.documents[opened.pools.queries.index(query)])
    write_qrels(opened.qrels(), tmp_path / "qrels.tsv")
    assert read_qrels(tmp_path / "qrels.tsv").grades == opened.qrels().grades


def test_a_skipped_query_counts_for_nobody(session):
    opened, _ = session
    question = opened.question()
    opened.skip_query(question)
    assert opened.judging.complete[question.query]
    assert opened.judging.differences(np.array([question.query]))[0, 0] == 0
    assert opened.qrels().grades == {}


@pytest.mark.parametrize(
    "event",
    [
        {"answer": "q1", "document": "elsewhere", "grade": 1},
        {"answer": "q1", "grade": 1},
        {"begin": "q99", "probability": 0.5},
        {"begin": "q1", "probability": 7},
        {"undo": True},
        ["no event"],
    ],
)
def test_a_damaged_session_is_named(session, event):
    opened, _ = session
    opened.close()
    with opened.path.open("a") as file:
        file.write(json.dumps(event) + "\n")
    with pytest.raises(TellapartError, match="not a judging session, or is damaged"):
        Session.open(opened.path)
