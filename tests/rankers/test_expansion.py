"""Ridge by examples and by what they find, against doing it by hand in float64."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tellapart.corpus.document import Kind
from tellapart.index.vectors import VectorIndex
from tellapart.rankers.examples import like_rows
from tellapart.rankers.query import Query
from tellapart.rankers.registry import Parameters, make_ranker
from tellapart.rankers.ridge import ExpandedRidge, Ridge
from tellapart.rankers.vectors import VectorRanker


def unit_rows(n, dim, seed=0):
    rows = np.random.default_rng(seed).normal(size=(n, dim)) + 0.3
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16)


def solved(rows, alive, own, ratio, right):
    """(M + lambda I)^-1 right with M over what is alive and not own, lambda by what is alive."""
    counted = alive & rows.any(axis=1)
    others = counted & ~np.isin(np.arange(len(rows)), own)
    second = rows[others].T @ rows[others] / others.sum()
    ridge = ratio * np.square(rows[counted]).sum() / counted.sum() / min(rows.shape[1], counted.sum())
    return np.linalg.solve(second + ridge * np.eye(rows.shape[1]), right)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    n=st.sampled_from([20, 90, 400]),
    dim=st.sampled_from([4, 24]),
    liked=st.integers(2, 6),
    unliked=st.integers(0, 2),
    dead=st.integers(0, 4),
    text=st.booleans(),
    seed=st.integers(0, 10_000),
)
def test_the_first_units_count_as_examples(n, dim, liked, unliked, dead, text, seed):
    rows = unit_rows(n, dim, seed)
    chosen = np.random.default_rng(seed).permutation(n)
    wanted, avoided = chosen[:liked], chosen[liked : liked + unliked]
    alive = np.ones(n, dtype=bool)
    alive[chosen[n - dead :]] = False
    rows[chosen[n - dead - 1]] = 0
    index = VectorIndex([rows[: n // 3], rows[n // 3 :]], alive)
    vector = unit_rows(1, dim, seed + 1)[0].astype(np.float32) if text else None
    query = like_rows(index, wanted.tolist(), avoided.tolist(), vector=vector)
    ranker = ExpandedRidge(Ridge(10.0, beta=2.0, gamma=0.15), units=7, weight=1.5)
    found = ranker(query, index).w

    wide = rows.astype(np.float64)
    right = 2.0 * wide[wanted].mean(axis=0)
    if unliked:
        right -= 0.15 * wide[avoided].mean(axis=0)
    if vector is not None:
        right += vector
    own = np.r_[wanted, avoided]
    first = wide @ solved(wide, alive, own, 10.0, right)
    may = alive & wide.any(axis=1) & ~np.isin(np.arange(n), own)
    near = sorted(np.flatnonzero(may), key=lambda row: (-first[row], row))[:7]
    right += 1.5 * 2.0 / liked * wide[near].mean(axis=0)
    want = solved(wide, alive, own, 10.0, right)
    cosine = found @ want / np.linalg.norm(found) / np.linalg.norm(want)
    assert cosine == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("query", ["one", "one and a unit without a vector", "counter-examples", "words"])
def test_with_fewer_than_two_examples_it_is_ridge(query):
    rows = unit_rows(60, 8)
    rows[9] = 0
    index = VectorIndex([rows])
    asked = {
        "one": like_rows(index, [3]),
        "one and a unit without a vector": like_rows(index, [3, 9]),
        "counter-examples": like_rows(index, [], [3, 4]),
        "words": Query(vector=unit_rows(1, 8, 5)[0].astype(np.float32)),
    }[query]
    np.testing.assert_array_equal(ExpandedRidge()(asked, index).w, Ridge()(asked, index).w)


def test_units_of_the_examples_documents_do_not_vote_for_them():
    rows = unit_rows(60, 8)
    rows[20:30] = rows[3]  # the rest of the document that unit 3 is of
    index = VectorIndex([rows])
    liked = like_rows(index, [3, 4])
    whole = Query((), None, (3, 4, *range(20, 30)), liked.examples)
    without = VectorIndex([np.delete(rows, np.arange(20, 30), axis=0)])
    got, want = ExpandedRidge()(whole, index).w, ExpandedRidge()(like_rows(without, [3, 4]), without).w
    assert got @ want / np.linalg.norm(got) / np.linalg.norm(want) == pytest.approx(1, abs=1e-6)


def test_it_follows_a_kind_further_than_its_examples_reach():
    """A kind is an arc: units at its far end resemble no example, only units that resemble examples."""
    rng = np.random.default_rng(0)
    angles = np.r_[np.linspace(0.0, 1.2, 40), np.full(360, 3.5)]
    scatter = np.where(np.arange(400)[:, None] < 40, 0.05, 0.6) * rng.standard_normal((400, 12))
    rows = np.hstack([np.cos(angles)[:, None], np.sin(angles)[:, None], scatter])
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16)
    index = VectorIndex([rows])
    query = like_rows(index, [0, 4])

    def at_the_far_end(direction):
        w = direction(query, index).w
        return float((rows[30:40].astype(np.float64) @ w).mean() / np.linalg.norm(w))

    assert at_the_far_end(ExpandedRidge()) > at_the_far_end(Ridge(10.0))


def test_lambda_is_the_users_whatever_the_number_of_examples():
    index = VectorIndex([unit_rows(60, 8)])
    ranker = make_ranker("expanded-ridge", Kind.PROSE, Parameters(regularisation=3.0))
    for liked in ([3], [3, 7]):
        query = like_rows(index, liked)
        want = ExpandedRidge(Ridge(3.0), Ridge(3.0))(query, index).w
        assert isinstance(ranker, VectorRanker)
        np.testing.assert_array_equal(ranker.direction(query, index).w, want)


def test_where_nothing_else_is_left_the_examples_decide():
    index = VectorIndex([unit_rows(3, 8)])
    query = like_rows(index, [0, 1, 2])
    np.testing.assert_array_equal(ExpandedRidge()(query, index).w, Ridge(10.0)(query, index).w)
