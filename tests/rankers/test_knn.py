from __future__ import annotations

import numpy as np

from tellapart.index.vectors import VectorIndex
from tellapart.rankers.query import Query, Ranking
from tellapart.rankers.rocchio import knn


def unit_rows(n: int, dim: int, seed: int) -> np.ndarray:
    rows = np.random.default_rng(seed).standard_normal((n, dim)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def nearest(index: VectorIndex, query: np.ndarray, k: int, allowed: np.ndarray | None = None) -> Ranking:
    return knn().search(Query(vector=query), index, k, allowed=allowed)


def test_the_nearest_units_come_first_and_ties_by_row():
    rows = unit_rows(50, 8, 0)
    rows[[7, 30, 41]] = rows[12]
    ranking = nearest(VectorIndex([rows.astype(np.float16)]), rows[12], 6)
    assert ranking.rows[:4].tolist() == [7, 12, 30, 41]
    assert (np.diff(ranking.scores) <= 0).all()
    assert ranking.rows.dtype == np.int64
    assert ranking.scores.dtype == np.float32


def test_a_ranking_is_as_long_as_there_are_units():
    rows = unit_rows(5, 8, 0).astype(np.float16)
    alive = np.array([True, False, True, True, False])
    index = VectorIndex([rows], alive)
    assert sorted(nearest(index, unit_rows(1, 8, 1)[0], 10).rows) == [0, 2, 3]
    allowed = np.array([True, True, False, False, True])
    assert nearest(index, unit_rows(1, 8, 1)[0], 10, allowed=allowed).rows.tolist() == [0]
    assert len(nearest(index, np.zeros(8, np.float32), 10)) == 0
