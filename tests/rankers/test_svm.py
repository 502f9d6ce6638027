from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tellapart.errors import TellapartError
from tellapart.index.vectors import VectorIndex, build_derived
from tellapart.rankers.query import Query, Ranking
from tellapart.rankers.svm import ClosedFormSVM
from tellapart.rankers.vectors import VectorRanker


def unit_rows(n: int, dim: int, seed: int, clusters: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((n, dim)).astype(np.float32)
    if clusters:
        rows = (
            0.7 * rows
            + 1.5 * rng.standard_normal((clusters, dim)).astype(np.float32)[rng.integers(0, clusters, n)]
        )
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def direct(rows: np.ndarray, query: np.ndarray, c: float) -> np.ndarray:
    """Solve the least-squares exemplar SVM as it is written down: balanced weights, bias regularised."""
    extended = np.hstack([rows.astype(np.float64), np.ones((len(rows), 1))])
    positive = np.append(query.astype(np.float64), 1.0)
    n = len(rows) + 1
    up, down = c * n, c * n / len(rows)  # twice c+ and c-
    system = np.eye(len(positive)) + up * np.outer(positive, positive) + down * extended.T @ extended
    return np.linalg.solve(system, up * positive - down * extended.sum(axis=0))


def rank(
    svm: ClosedFormSVM, index: VectorIndex, query: np.ndarray, k: int, own_rows: Sequence[int] = ()
) -> Ranking:
    return VectorRanker("svm", svm).search(Query(vector=query, own_rows=tuple(own_rows)), index, k)


def c_of(svm: ClosedFormSVM, index: VectorIndex, negatives: int) -> float:
    return 1.0 / (svm.ridge(index.spectrum(), negatives) * (negatives + 1))


@settings(max_examples=50, deadline=None, derandomize=True)
@given(
    n=st.sampled_from([2, 7, 60, 400]),
    dim=st.sampled_from([1, 3, 50]),
    svm=st.sampled_from([ClosedFormSVM(), ClosedFormSVM(0.5), ClosedFormSVM(c=0.1), ClosedFormSVM(c=1.0)]),
    seed=st.integers(0, 10_000),
)
def test_the_closed_form_equals_a_direct_solve_of_the_ridge_system(
    n: int, dim: int, svm: ClosedFormSVM, seed: int
):
    rows = unit_rows(n, dim, seed, clusters=3).astype(np.float16)
    index = VectorIndex([rows[: n // 2], rows[n // 2 :]])
    query = unit_rows(1, dim, seed + 1)[0]
    form = svm.transform(index, query)
    want = direct(rows, query, c_of(svm, index, n))
    np.testing.assert_allclose(np.append(form.w, form.b), want, atol=1e-10, rtol=1e-8)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(
    n=st.sampled_from([3, 12, 200]),
    dim=st.sampled_from([2, 30]),
    own=st.integers(1, 3),
    svm=st.sampled_from([ClosedFormSVM(), ClosedFormSVM(c=0.1)]),
    seed=st.integers(0, 10_000),
)
def test_leaving_own_rows_out_equals_refitting_without_them(
    n: int, dim: int, own: int, svm: ClosedFormSVM, seed: int
):
    rows = unit_rows(n, dim, seed).astype(np.float16)
    index = VectorIndex([rows])
    mine = np.random.default_rng(seed).permutation(n)[:own]
    others = np.delete(rows, mine, axis=0)
    query = rows[mine[0]].astype(np.float32)
    form = svm.transform(index, query, own_rows=mine.tolist())
    if len(others) == 0:
        assert np.isfinite(form.w).all()
        return
    want = direct(others, query, c_of(svm, index, len(others)))
    np.testing.assert_allclose(np.append(form.w, form.b), want, atol=1e-10, rtol=1e-8)
    if svm.c is not None:
        refitted = svm.transform(VectorIndex([others]), query)
        np.testing.assert_allclose(form.w, refitted.w, atol=1e-10, rtol=1e-8)


def test_a_query_from_the_corpus_is_its_own_negative_unless_told_otherwise():
    rows = unit_rows(300, 20, 0).astype(np.float16)
    index = VectorIndex([rows])
    query = rows[17].astype(np.float32)
    svm = ClosedFormSVM(c=0.1)
    kept, left = rank(svm, index, query, 300), rank(svm, index, query, 300, own_rows=[17])
    assert kept.rows[0] == left.rows[0] == 17  # no shift by one
    assert left.scores[0] > kept.scores[0]


@pytest.mark.parametrize("shape", ["isotropic", "clustered", "duplicates"])
def test_the_inner_product_search_reproduces_the_decision_values(shape: str):
    rows = unit_rows(500, 32, 1, clusters=8 if shape == "clustered" else 0)
    if shape == "duplicates":
        rows[100:300] = rows[99]
    rows = rows.astype(np.float16)
    index = VectorIndex([rows])
    query = unit_rows(1, 32, 2)[0]
    svm = ClosedFormSVM()
    form, ranking = svm.transform(index, query), rank(svm, index, query, 500)
    values = rows.astype(np.float64) @ form.w + form.b
    np.testing.assert_allclose(ranking.scores, values[ranking.rows], atol=1e-6)
    assert sorted(ranking.rows) == list(range(500))
    assert (np.diff(ranking.scores) <= 0).all()
    tied = np.diff(ranking.scores) == 0
    assert (np.diff(ranking.rows)[tied] > 0).all()


def test_while_every_negative_is_active_the_ranking_is_liblinears():
    from sklearn.svm import LinearSVC

    rows = unit_rows(400, 24, 3, clusters=6).astype(np.float16)
    query = unit_rows(1, 24, 4)[0]
    c = 0.001
    solver = LinearSVC(C=c, class_weight="balanced", tol=1e-10, max_iter=200_000, dual=False)
    features = np.vstack([query, rows]).astype(np.float64)
    solver.fit(features, np.r_[1, -np.ones(len(rows))])
    theirs = solver.decision_function(rows.astype(np.float64))
    assert (theirs > -1).all()  # inside the margin: all negatives active
    ranking = rank(ClosedFormSVM(c=c), VectorIndex([rows]), query, 400)
    np.testing.assert_allclose(ranking.scores, theirs[ranking.rows], atol=1e-6)
    assert ranking.rows[:20].tolist() == np.lexsort((np.arange(400), -theirs))[:20].tolist()


@pytest.mark.parametrize(("svm", "least"), [(ClosedFormSVM(c=0.1), 0.999), (ClosedFormSVM(), 0.99)])
def test_the_direction_is_linear_discriminant_analysis_but_for_the_regularised_bias(
    svm: ClosedFormSVM, least: float
):
    rows = unit_rows(2000, 48, 5, clusters=20).astype(np.float16)
    index = VectorIndex([rows])
    query = unit_rows(1, 48, 6)[0]
    w = svm.transform(index, query).w
    covariance = np.cov(rows.astype(np.float64).T, bias=True)
    ridge = svm.ridge(index.spectrum(), 2000)
    lda = np.linalg.solve(covariance + ridge * np.eye(48), query - rows.astype(np.float64).mean(axis=0))
    cosine = w @ lda / np.linalg.norm(w) / np.linalg.norm(lda)
    assert least < cosine < 1.0 + 1e-12


def test_deleted_units_are_no_negatives():
    rows = unit_rows(200, 10, 7).astype(np.float16)
    alive = np.random.default_rng(0).random(200) < 0.7
    query = unit_rows(1, 10, 8)[0]
    masked = ClosedFormSVM().transform(VectorIndex([rows], alive), query)
    fresh = ClosedFormSVM().transform(VectorIndex([rows[alive]]), query)
    np.testing.assert_allclose(masked.w, fresh.w, atol=1e-10)


def test_units_that_came_and_went_leave_no_trace():
    first, second = (
        unit_rows(300, 10, 7).astype(np.float16),
        unit_rows(90, 10, 9, clusters=3).astype(np.float16),
    )
    query = unit_rows(1, 10, 8)[0]
    before = ClosedFormSVM().transform(VectorIndex([first]), query)
    with_both = ClosedFormSVM().transform(VectorIndex([first, second]), query)
    gone = VectorIndex([first, second], np.arange(390) < 300)
    after = ClosedFormSVM().transform(gone, query)
    np.testing.assert_allclose(after.w, before.w, atol=1e-10)
    assert np.abs(with_both.w - before.w).max() > 1e-4
    whole = ClosedFormSVM().transform(VectorIndex([np.concatenate([first, second])]), query)
    np.testing.assert_allclose(with_both.w, whole.w, atol=1e-10)
    spectrum, fresh = gone.spectrum(), VectorIndex([first]).spectrum()
    np.testing.assert_allclose(spectrum.values, fresh.values, atol=1e-12)


def test_a_kept_factorisation_gives_the_same_bits(tmp_path: Path):
    rows = unit_rows(200, 10, 7).astype(np.float16)
    query = unit_rows(1, 10, 8)[0]
    build_derived(VectorIndex([rows], None, tmp_path, "1"))
    read = rank(ClosedFormSVM(), VectorIndex([rows], None, tmp_path, "1"), query, 20)
    made = rank(ClosedFormSVM(), VectorIndex([rows]), query, 20)
    assert read.rows.tolist() == made.rows.tolist()
    assert read.scores.tobytes() == made.scores.tobytes()


@pytest.mark.parametrize("own", [(), (0,)])
def test_one_unit_is_found(own: tuple[int, ...]):
    rows = unit_rows(1, 10, 7).astype(np.float16)
    ranking = rank(ClosedFormSVM(), VectorIndex([rows]), unit_rows(1, 10, 8)[0], 5, own_rows=own)
    assert ranking.rows.tolist() == [0]
    assert np.isfinite(ranking.scores).all()


def test_equal_units_tie_by_row():
    rows = np.repeat(unit_rows(1, 10, 7), 30, axis=0).astype(np.float16)
    ranking = rank(ClosedFormSVM(), VectorIndex([rows]), unit_rows(1, 10, 8)[0], 5)
    assert ranking.rows.tolist() == [0, 1, 2, 3, 4]
    assert np.isfinite(ranking.scores).all()


def test_no_live_unit_or_a_query_of_zeros_finds_nothing():
    rows = unit_rows(4, 10, 7).astype(np.float16)
    query = unit_rows(1, 10, 8)[0]
    assert len(rank(ClosedFormSVM(), VectorIndex([rows], np.zeros(4, dtype=bool)), query, 5)) == 0
    assert len(rank(ClosedFormSVM(), VectorIndex([]), query, 5)) == 0
    assert len(rank(ClosedFormSVM(), VectorIndex([rows]), np.zeros(10, np.float32), 5)) == 0


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_a_meaningless_regularisation_is_refused(value: float):
    with pytest.raises(TellapartError, match="lambda"):
        ClosedFormSVM(value)
    with pytest.raises(TellapartError, match="C is"):
        ClosedFormSVM(c=value)
