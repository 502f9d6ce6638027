from __future__ import annotations

import numpy as np
import pytest

from tellapart.index.vectors import VectorIndex
from tellapart.rankers.examples import like_rows
from tellapart.rankers.query import Query, Units
from tellapart.rankers.svm import ClosedFormSVM
from tellapart.rankers.whitened import WhitenedSVM


def unit_rows(n: int, dim: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((n, dim)) * np.arange(1, dim + 1) ** -0.5
    rows[:, 0] += 0.7
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16)


def by_hand(rows: np.ndarray, query: Query, index: VectorIndex) -> np.ndarray:
    """Cosine-like score with every matrix written out."""
    form = ClosedFormSVM()
    w = form(query, index).w
    wide = rows.astype(np.float64)
    extended = np.hstack([wide, np.ones((len(wide), 1))])
    ridge = form.ridge(index.spectrum(), len(rows))
    inverse = np.linalg.inv(ridge * np.eye(extended.shape[1]) + extended.T @ extended / len(rows))
    lengths = np.sqrt(np.einsum("ij,jk,ik->i", extended, inverse, extended))
    return (wide - wide.mean(axis=0)) @ w / lengths


@pytest.mark.parametrize("by_examples", [False, True])
def test_search_and_scores_are_the_cosines_of_the_whitened_space(by_examples: bool):
    rows = unit_rows(3_000, 24, 0)
    index = VectorIndex([rows[:1000], rows[1000:]])
    query = (
        like_rows(index, [5, 9], [7])
        if by_examples
        else Query(vector=unit_rows(1, 24, 1)[0].astype(np.float32))
    )
    want = by_hand(rows, query, index)
    found = WhitenedSVM().search(query, index, 10)
    assert found.rows.tolist() == np.lexsort((np.arange(3_000), -want))[:10].tolist()
    np.testing.assert_allclose(found.scores, want[found.rows], rtol=1e-5)
    every = Units(3_000, None, index, None)  # a ranker of vectors looks at no words
    np.testing.assert_allclose(WhitenedSVM().scores(query, every), want, atol=1e-5)
    np.testing.assert_allclose(WhitenedSVM().scores_of(query, every, np.arange(50)), want[:50], atol=1e-5)
    spread = WhitenedSVM().spreads(query, every)["svm"]
    assert (spread.n, spread.mean, spread.std) == (
        3_000,
        pytest.approx(want.mean(), abs=1e-5),
        pytest.approx(want.std(), abs=1e-5),
    )


def test_units_far_from_the_mean_do_not_win_by_being_far():
    """The same direction at two distances from the mean: decision values differ, cosines nearly do not."""
    rows = unit_rows(2_000, 24, 0)
    index = VectorIndex([rows])
    query = Query(vector=unit_rows(1, 24, 1)[0].astype(np.float32))
    spectrum = index.spectrum()
    lengths = spectrum.lengths(ClosedFormSVM().ridge(spectrum, 2_000), rows.astype(np.float64))
    plain = ClosedFormSVM()(query, index)
    raw = rows.astype(np.float64) @ plain.w + plain.b
    cosines = by_hand(rows, query, index)
    top = slice(0, 50)
    assert lengths[np.argsort(-cosines)[top]].mean() < lengths[np.argsort(-raw)[top]].mean()


def test_nothing_to_look_for_finds_nothing():
    rows = unit_rows(40, 8, 0)
    assert len(WhitenedSVM().search(Query(vector=np.zeros(8, np.float32)), VectorIndex([rows]), 5)) == 0
    dead = VectorIndex([rows], np.zeros(40, dtype=bool))
    assert len(WhitenedSVM().search(Query(vector=rows[0].astype(np.float32)), dead, 5)) == 0
    ties = VectorIndex([np.repeat(rows[:1], 20, axis=0)])
    assert WhitenedSVM().search(Query(vector=rows[1].astype(np.float32)), ties, 3).rows.tolist() == [0, 1, 2]
