from __future__ import annotations

import numpy as np
import pytest

from tellapart.index.vectors import VectorIndex, build_derived
from tellapart.rankers import exact
from tellapart.rankers.exact import ExactSVM, Negatives, certify, exact_svm, minimise
from tellapart.rankers.examples import like_rows
from tellapart.rankers.query import Certificate, Examples, Query
from tellapart.rankers.svm import ClosedFormSVM


def unit_rows(n: int, dim: int, seed: int, shape: str = "isotropic") -> np.ndarray:
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((n, dim))
    if shape == "clustered":
        rows = (
            0.6 * rows
            + 1.5 * rng.standard_normal((max(1, n // 40), dim))[rng.integers(0, max(1, n // 40), n)]
        )
        rows[:, 0] += 2.0
    if shape == "duplicates":
        rows[n // 3 : n // 2] = rows[0]
        rows[n // 2 : 2 * n // 3] = rows[n // 2 : n // 2 + 7].repeat(n, axis=0)[: 2 * n // 3 - n // 2]
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16)


def liblinear(rows: np.ndarray, positives: np.ndarray, c: float) -> np.ndarray:
    from sklearn.svm import LinearSVC

    features = np.vstack([positives, rows]).astype(np.float64)
    labels = np.r_[np.ones(len(positives)), -np.ones(len(rows))]
    solver = LinearSVC(C=c, class_weight="balanced", dual=False, tol=1e-10, max_iter=100_000)
    return solver.fit(features, labels).decision_function(rows.astype(np.float64))


def solved(index: VectorIndex, query: Query, svm: ExactSVM) -> tuple[np.ndarray, Certificate]:
    linear = svm(query, index)
    assert linear.certificate is not None
    rows = index.take(np.arange(index.n_rows)).astype(np.float64)
    return rows @ linear.w + linear.b, linear.certificate


@pytest.mark.parametrize("shape", ["isotropic", "clustered", "duplicates"])
@pytest.mark.parametrize(
    ("n", "dim", "c"), [(300, 40, 0.1), (900, 12, 1.0), (60, 90, 0.01), (9_000, 24, 0.1)]
)
@pytest.mark.parametrize("positives", [1, 4])
def test_scores_are_liblinears(shape: str, n: int, dim: int, c: float, positives: int):
    rows = unit_rows(n, dim, 1, shape)
    outside = unit_rows(positives, dim, 2).astype(np.float32)
    index = VectorIndex([rows[: n // 2], rows[n // 2 :]])
    query = Query(examples=Examples(outside, outside[:0]))
    ours, certificate = solved(index, query, ExactSVM(ClosedFormSVM(c=c)))
    theirs = liblinear(rows, outside, c)
    np.testing.assert_allclose(ours, theirs, atol=1e-6)
    assert certificate.holds
    assert certificate.kind == "exact"
    assert certificate.active == np.count_nonzero(ours > -1)
    order = np.lexsort((np.arange(n), -np.round(theirs, 7)))[:20]
    mine = np.lexsort((np.arange(n), -np.round(ours, 7)))[:20]
    assert mine.tolist() == order.tolist()


def test_where_nearly_all_units_are_active_kept_moments_do_the_work():
    rows = unit_rows(20_000, 10, 3, "clustered")
    index = VectorIndex([rows])
    query = unit_rows(1, 10, 4)[0].astype(np.float32)
    ours, certificate = solved(index, Query(vector=query), ExactSVM(ClosedFormSVM(c=1e-5)))
    assert certificate.active > 0.5 * len(rows)
    assert certificate.holds
    np.testing.assert_allclose(ours, liblinear(rows, query[None], 1e-5), atol=1e-6)


@pytest.mark.parametrize("n", [200, 8_000])
def test_own_rows_dead_rows_and_rows_without_a_vector_are_no_negatives(n: int):
    rows = unit_rows(n, 16, 5, "clustered")
    rows[11] = 0.0
    alive = np.ones(n, dtype=bool)
    alive[::7] = False
    query = like_rows(VectorIndex([rows]), [3, 4])
    svm = ExactSVM(ClosedFormSVM(c=0.1))
    ours, certificate = solved(VectorIndex([rows], alive), query, svm)
    left = alive.copy()
    left[[3, 4, 11]] = False
    others = rows[left]
    np.testing.assert_allclose(ours[left], liblinear(others, rows[[3, 4]], 0.1), atol=1e-6)
    assert certificate.holds


def test_counter_examples_weigh_more_than_units():
    rows = unit_rows(400, 16, 5, "clustered")
    index = VectorIndex([rows])
    svm = ExactSVM(ClosedFormSVM(c=0.1))
    without, _ = solved(index, like_rows(index, [3]), svm)
    against, certificate = solved(index, like_rows(index, [3], [8]), svm)
    assert against[8] < without[8]
    assert certificate.holds


def test_a_planted_violator_voids_the_certificate():
    rows = unit_rows(9_000, 16, 6)
    query = unit_rows(1, 16, 7)[0].astype(np.float32)
    form = ClosedFormSVM(c=0.1)
    index = VectorIndex([rows])
    problem = form.pose(Query(vector=query), index)
    assert problem is not None
    known = np.arange(9_000)
    optimum = minimise(
        problem.ridge, problem.given, Negatives(index, known, 1 / 9_000), form.solve(problem, index)
    )
    certificate, new = certify(problem, index, optimum, known, 1, exact=True)
    assert certificate.holds
    assert len(new) == 0
    planted = VectorIndex([rows, query[None].astype(np.float16)])
    certificate, new = certify(problem, planted, optimum, known, 1, exact=True)
    assert not certificate.holds
    assert new.tolist() == [9_000]
    assert certificate.violation == pytest.approx(1.0 + optimum.t[:-1] @ query + optimum.t[-1], abs=1e-3)
    assert "no optimum" in str(certificate)


def test_a_point_that_is_not_the_optimum_leaves_a_gap():
    index = VectorIndex([unit_rows(300, 16, 6)])
    problem = ClosedFormSVM(c=0.1).pose(Query(vector=unit_rows(1, 16, 7)[0].astype(np.float32)), index)
    assert problem is not None
    negatives = Negatives(index, np.arange(300), 1 / 300)
    best = minimise(problem.ridge, problem.given, negatives, np.zeros(17))
    moved = minimise(problem.ridge, problem.given, negatives, best.t + 0.1)
    assert best.gap < 1e-20
    np.testing.assert_allclose(moved.t, best.t, atol=1e-9)


def test_codes_make_the_certificate_approximate(tmp_path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(exact, "_NEAREST", 50)
    monkeypatch.setattr(exact, "_SAMPLED", 200)
    rows = unit_rows(12_000, 48, 8, "clustered")
    index = VectorIndex([rows], None, tmp_path, "1")
    build_derived(index, coded_rows=1_000)
    query = Query(vector=unit_rows(1, 48, 9)[0].astype(np.float32))
    by_codes, approximate = solved(index, query, ExactSVM(ClosedFormSVM(c=0.1), exact_scan=False))
    by_scan, certain = solved(index, query, ExactSVM(ClosedFormSVM(c=0.1)))
    assert (approximate.kind, certain.kind) == ("approximate", "exact")
    assert certain.holds
    np.testing.assert_allclose(by_codes, by_scan, atol=1e-3)


def test_two_runs_give_the_same_bits():
    rows = unit_rows(9_000, 24, 1, "clustered")
    query = unit_rows(1, 24, 2)[0].astype(np.float32)
    linears = [ExactSVM(ClosedFormSVM(c=0.1))(Query(vector=query), VectorIndex([rows])) for _ in range(2)]
    assert linears[0].w.tobytes() == linears[1].w.tobytes()
    assert linears[0].b == linears[1].b


@pytest.mark.parametrize("case", ["one", "equal", "all liked", "fewer units than dimensions", "none"])
def test_hard_corpora(case: str):
    rows = {
        "one": unit_rows(1, 10, 0),
        "equal": np.repeat(unit_rows(1, 10, 0), 30, axis=0),
        "all liked": unit_rows(5, 10, 0),
        "fewer units than dimensions": unit_rows(6, 50, 0),
        "none": unit_rows(0, 10, 0),
    }[case]
    index = VectorIndex([rows])
    vector = unit_rows(1, rows.shape[1], 1)[0].astype(np.float32)
    query = like_rows(index, range(5)) if case == "all liked" else Query(vector=vector)
    ranking = exact_svm(ClosedFormSVM(c=1.0)).search(query, index, 5)
    assert np.isfinite(ranking.scores).all()
    assert len(ranking) == min(5, len(rows))


def test_a_query_is_solved_once():
    index = VectorIndex([unit_rows(300, 16, 6)])
    svm = exact_svm(ClosedFormSVM(c=0.1))
    query = Query(vector=unit_rows(1, 16, 7)[0].astype(np.float32))
    first = svm.linear(query, index)
    assert svm.linear(query, index) is first
    assert svm.linear(query, VectorIndex([unit_rows(300, 16, 6)])) is not first
