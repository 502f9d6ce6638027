"""The ridge without a bias against solving it directly."""

from __future__ import annotations

import numpy as np
import pytest

from tellapart.errors import TellapartError
from tellapart.index.vectors import VectorIndex
from tellapart.rankers.examples import like_rows
from tellapart.rankers.query import Query
from tellapart.rankers.ridge import Ridge


def unit_rows(n, dim, seed=0):
    rows = np.random.default_rng(seed).normal(size=(n, dim)) + 0.3
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16)


@pytest.mark.parametrize(("n", "dim"), [(300, 12), (9, 20)])
@pytest.mark.parametrize("dead", [False, True])
def test_it_is_what_solving_gives(n, dim, dead):
    rows = unit_rows(n, dim)
    rows[4] = 0
    alive = np.ones(n, dtype=bool)
    alive[2] = not dead
    index = VectorIndex([rows[: n // 2], rows[n // 2 :]], alive)
    text = unit_rows(1, dim, 5)[0].astype(np.float32)
    liked, unliked = [0, 3], [5]
    found = Ridge(ratio=3.0, beta=1.5, gamma=0.3)(like_rows(index, liked, unliked, vector=text), index)
    wide = rows.astype(np.float64)
    others = [row for row in range(n) if alive[row] and row not in (*liked, *unliked, 4)]
    counted = [row for row in range(n) if alive[row] and row != 4]
    second = wide[others].T @ wide[others] / len(others)
    whole = wide[counted].T @ wide[counted] / len(counted)
    ridge = 3.0 * np.trace(whole) / min(dim, len(counted))
    right = text.astype(np.float64) + 1.5 * wide[liked].mean(axis=0) - 0.3 * wide[5]
    want = np.linalg.solve(second + ridge * np.eye(dim), right)
    cosine = found.w @ want / np.linalg.norm(found.w) / np.linalg.norm(want)
    assert cosine == pytest.approx(1, abs=1e-9)
    assert found.b == 0


def test_edges():
    index = VectorIndex([unit_rows(3, 8)])
    everything = Ridge()(like_rows(index, [0, 1, 2]), index)
    np.testing.assert_allclose(everything.w, 2 * unit_rows(3, 8).astype(np.float64).mean(axis=0))
    nothing = Ridge()(Query(vector=np.zeros(8, np.float32)), index)
    assert not nothing.w.any()
    same = VectorIndex([np.tile(unit_rows(1, 8), (5, 1))])
    assert np.isfinite(Ridge()(like_rows(same, [0]), same).w).all()
    with pytest.raises(TellapartError, match="lambda is 0"):
        Ridge(ratio=0)


@pytest.mark.parametrize(("liked", "beta"), [([3], 1.0), ([3, 7], 2.0)])
def test_one_example_weighs_as_much_as_the_words(liked, beta):
    index = VectorIndex([unit_rows(40, 8)])
    query = like_rows(index, liked, vector=unit_rows(1, 8, 5)[0].astype(np.float32))
    np.testing.assert_array_equal(Ridge()(query, index).w, Ridge(beta=beta)(query, index).w)
