from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tellapart.errors import TellapartError
from tellapart.index.vectors import VectorIndex
from tellapart.rankers.examples import like_rows
from tellapart.rankers.query import Examples, Query
from tellapart.rankers.registry import FEEDBACK, feedback
from tellapart.rankers.svm import ClosedFormSVM


def unit_rows(n: int, dim: int, seed: int) -> np.ndarray:
    rows = np.random.default_rng(seed).standard_normal((n, dim)) + 0.5
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16)


def refitted(
    rows: np.ndarray,
    found: np.ndarray,
    avoided: np.ndarray,
    weights: tuple[np.ndarray, np.ndarray],
    ridge: float,
) -> np.ndarray:
    """Solve weighted least squares with regularised bias over all rows as one system."""
    every = np.vstack([rows, found, avoided]).astype(np.float64)
    every = np.hstack([every, np.ones((len(every), 1))])
    targets = np.r_[-np.ones(len(rows)), np.ones(len(found)), -np.ones(len(avoided))]
    weight = np.r_[np.full(len(rows), 1.0 / max(len(rows), 1)), weights[0], weights[1]]
    system = ridge * np.eye(every.shape[1]) + (every * weight[:, None]).T @ every
    return np.linalg.solve(system, every.T @ (weight * targets))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    n=st.sampled_from([25, 80, 500]),
    dim=st.sampled_from([3, 30, 90]),
    liked=st.integers(1, 12),
    unliked=st.integers(0, 8),
    text=st.booleans(),
    svm=st.sampled_from([ClosedFormSVM(), ClosedFormSVM(0.3), ClosedFormSVM(c=0.1)]),
    seed=st.integers(0, 10_000),
)
def test_examples_of_the_corpus_equal_refitting_without_them(
    n: int, dim: int, liked: int, unliked: int, text: bool, svm: ClosedFormSVM, seed: int
):
    rows = unit_rows(n, dim, seed)
    index = VectorIndex([rows[: n // 3], rows[n // 3 :]])
    chosen = np.random.default_rng(seed).permutation(n)
    wanted, avoided = chosen[:liked], chosen[liked : liked + unliked]
    vector = unit_rows(1, dim, seed + 1)[0].astype(np.float32) if text else None
    form = svm(like_rows(index, wanted.tolist(), avoided.tolist(), vector=vector), index)
    others = np.delete(rows, np.r_[wanted, avoided], axis=0)
    found, pull = rows[wanted], np.full(liked, 1.0 / liked)
    if vector is not None:
        found, pull = np.vstack([found, vector]), np.r_[pull * svm.liked, 1.0 - svm.liked]
    push = np.full(unliked, max(svm.unliked / max(unliked, 1), 1.0 / len(others)))
    ridge = svm.ridge(index.spectrum(), len(others), len(found) + unliked)
    want = refitted(others, found, rows[avoided], (pull, push), ridge)
    np.testing.assert_allclose(np.append(form.w, form.b), want, atol=1e-10, rtol=1e-8)


def test_examples_from_elsewhere_leave_the_whole_corpus_negative():
    rows, outside = unit_rows(300, 20, 0), unit_rows(4, 20, 1)
    index = VectorIndex([rows])
    svm = ClosedFormSVM()
    form = svm(
        Query(examples=Examples(outside[:3].astype(np.float32), outside[3:].astype(np.float32))), index
    )
    ridge = svm.ridge(index.spectrum(), 300, 4)
    want = refitted(rows, outside[:3], outside[3:], (np.full(3, 1 / 3), np.array([svm.unliked])), ridge)
    np.testing.assert_allclose(np.append(form.w, form.b), want, atol=1e-10)


def test_a_document_of_many_units_is_left_out_exactly():
    rows = unit_rows(400, 10, 0)
    index = VectorIndex([rows])
    query = rows[5].astype(np.float32)
    for own in (range(4), range(200)):  # by updates, and by a new decomposition
        form = ClosedFormSVM(c=0.1)(Query(vector=query, own_rows=tuple(own)), index)
        fresh = ClosedFormSVM(c=0.1)(Query(vector=query), VectorIndex([rows[len(own) :]]))
        np.testing.assert_allclose(form.w, fresh.w, atol=1e-10, rtol=1e-8)


@pytest.mark.parametrize("name", list(FEEDBACK))
def test_the_examples_themselves_are_not_found(name: str):
    rows = unit_rows(60, 8, 3)
    index = VectorIndex([rows])
    query = like_rows(index, [4, 9], [7])
    allowed = np.ones(60, dtype=bool)
    allowed[list(query.own_rows)] = False
    found = feedback(name).search(query, index, 60, allowed=allowed)
    assert len(found) == 60 - len(query.own_rows)
    assert not set(found.rows.tolist()) & set(query.own_rows)


@pytest.mark.parametrize("name", ["svm", "ridge", "rocchio"])
def test_a_second_example_and_a_counter_example_say_what_is_meant(name: str):
    """Units vary along two themes; the first example has both, the others say which one counts."""
    rng = np.random.default_rng(0)
    themes = rng.random((400, 2))
    rows = np.hstack([themes, 0.3 * rng.standard_normal((400, 10)) / np.sqrt(10), np.full((400, 1), 0.5)])
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16)
    index = VectorIndex([rows])

    def theme(liked: list[int], unliked: list[int]) -> float:
        query = like_rows(index, liked, unliked)
        allowed = ~np.isin(np.arange(400), query.own_rows)
        best = feedback(name).search(query, index, 30, allowed=allowed).rows
        return float((themes[best, 0] - themes[best, 1]).mean())

    both = int(np.argmax(themes.min(axis=1)))
    first, second = np.argsort(themes[:, 0] - themes[:, 1])[[-1, 0]].tolist()
    alone, told, sharper = theme([both], []), theme([both, first], []), theme([both, first], [second])
    assert alone < told < sharper


@pytest.mark.parametrize("name", ["svm", "ridge", "rocchio"])
def test_only_counter_examples_reverse_liking_them(name: str):
    index = VectorIndex([unit_rows(50, 8, 3)])
    liked, unliked = (FEEDBACK[name](like_rows(index, *sides), index) for sides in ([[1, 2]], [[], [1, 2]]))
    cosine = liked.w @ unliked.w / np.linalg.norm(liked.w) / np.linalg.norm(unliked.w)
    assert cosine == pytest.approx(-1.0)


@pytest.mark.parametrize("name", list(FEEDBACK))
@pytest.mark.parametrize(
    "case", ["all liked", "duplicates", "fewer units than dimensions", "equal units", "one"]
)
def test_hard_corpora_give_finite_scores(name: str, case: str):
    rows = {
        "all liked": unit_rows(6, 10, 0),
        "duplicates": np.repeat(unit_rows(8, 10, 0), 5, axis=0),
        "fewer units than dimensions": unit_rows(7, 64, 0),
        "equal units": np.repeat(unit_rows(1, 10, 0), 9, axis=0),
        "one": unit_rows(1, 10, 0),
    }[case]
    index = VectorIndex([rows])
    liked = list(range(len(rows))) if case == "all liked" else [0]
    form = FEEDBACK[name](like_rows(index, liked), index)
    assert np.isfinite(form.w).all()
    assert np.isfinite(form.b)
    if case == "duplicates":
        assert set(feedback(name).search(like_rows(index, [0]), index, 5).rows.tolist()) == {0, 1, 2, 3, 4}


def test_examples_without_a_vector_say_nothing():
    rows = unit_rows(40, 8, 0)
    rows[3] = 0.0
    index = VectorIndex([rows])
    for direction in FEEDBACK.values():
        with_zero, without = (direction(like_rows(index, liked), index) for liked in ([1, 3], [1]))
        np.testing.assert_allclose(with_zero.w, without.w, atol=1e-12)
        assert not direction(like_rows(index, [3]), index).w.any()


def test_a_row_named_twice_counts_once():
    index = VectorIndex([unit_rows(40, 8, 0)])
    twice, once = (ClosedFormSVM()(like_rows(index, liked), index) for liked in ([1, 5, 1], [1, 5]))
    assert twice.w.tobytes() == once.w.tobytes()


def test_contradictions_and_questions_without_content_are_refused():
    index = VectorIndex([unit_rows(40, 8, 0)])
    with pytest.raises(TellapartError, match="unit 5 is an example and a counter-example"):
        like_rows(index, [1, 5], [5])
    with pytest.raises(TellapartError, match="vector or examples"):
        ClosedFormSVM()(like_rows(index, []), index)
    with pytest.raises(TellapartError, match="unknown feedback"):
        feedback("best")


def test_deleted_examples_still_count_as_examples_but_not_as_units():
    rows = unit_rows(100, 10, 7)
    alive = np.ones(100, dtype=bool)
    alive[[3, 8]] = False
    gone = ClosedFormSVM()(like_rows(VectorIndex([rows], alive), [3]), VectorIndex([rows], alive))
    outside = Query(examples=Examples(rows[3:4].astype(np.float32), rows[:0].astype(np.float32)))
    fresh = ClosedFormSVM()(outside, VectorIndex([rows[alive]]))
    np.testing.assert_allclose(gone.w, fresh.w, atol=1e-10)


def test_one_example_is_one_query():
    index = VectorIndex([unit_rows(100, 10, 7)])
    vector = index.take(np.array([4]))[0]
    by_query = ClosedFormSVM()(Query(vector=vector, own_rows=(4,)), index)
    by_example = ClosedFormSVM()(like_rows(index, [4]), index)
    assert by_query.w.tobytes() == by_example.w.tobytes()
