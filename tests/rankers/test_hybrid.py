from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tellapart.corpus.document import Granularity
from tellapart.index.vectors import VectorIndex
from tellapart.rankers import hybrid
from tellapart.rankers.bm25 import BM25
from tellapart.rankers.hybrid import Hybrid
from tellapart.rankers.query import Query, Units
from tellapart.rankers.rocchio import knn

N, DIM = 400, 8


def everything(ranker: Hybrid, query: Query, units: Units, k: int) -> list[int]:
    """The best k rows by scoring every row."""
    dense = units.lexical.scores(query.terms, k1=1.5, b=0.75)
    words, near = ranker._both(query, units, dense, None)
    raw = ranker.semantic.scores_of(query, units, np.arange(units.n_rows))
    fused = ranker.fuse(near.standardise(raw), words.standardise(dense))
    may = units.allowed if units.allowed is not None else np.ones(units.n_rows, bool)
    order = np.lexsort((np.arange(units.n_rows), -fused))
    return [row for row in order.tolist() if may[row]][:k]


@given(
    seed=st.integers(0, 10_000),
    k=st.sampled_from([1, 10, 60, 399, 500]),
    matching=st.sampled_from([0.0, 0.02, 0.5, 1.0]),
    vectorless=st.sampled_from([0.0, 0.5, 1.0]),
    allowed=st.sampled_from([None, 0.03, 0.6]),
    most_lifted=st.sampled_from([0, 20, 2_000]),
    weight=st.sampled_from([0.1, 0.7, 0.95]),
)
def test_the_best_are_those_of_all_scores(seed, k, matching, vectorless, allowed, most_lifted, weight):
    dice = np.random.default_rng(seed)
    rows = dice.standard_normal((N, DIM)) + 1.0  # cosines of one sign: a unit without a vector lies below
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    rows[dice.random(N) < vectorless] = 0.0
    dense = np.where(dice.random(N) < matching, dice.gamma(1.0, 5.0, N), 0.0).astype(np.float32)
    lexical = SimpleNamespace(scores=lambda terms, **_: dense)
    mask = None if allowed is None else dice.random(N) < allowed
    units = Units(Granularity.PARAGRAPH, N, lexical, VectorIndex([rows.astype(np.float16)]), None, mask)
    query = Query(("word",), rng_unit(dice))
    ranker = Hybrid(BM25(1.5, 0.75), knn(), weight)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hybrid, "MOST_LIFTED", most_lifted)
        found = ranker.rank(query, units, k)
    assert found.rows.tolist() == everything(ranker, query, units, k)
    assert (np.diff(found.scores) <= 0).all()


def rng_unit(dice: np.random.Generator) -> np.ndarray:
    vector = dice.standard_normal(DIM).astype(np.float32)
    return vector / np.linalg.norm(vector)
