from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tellapart.experiments.synthetic import generate
from tellapart.experiments.synthetic.log import LARGEST, LENGTHS, SHARES, Margins, strata, weights

cells = st.tuples(st.integers(0, len(LENGTHS)), st.integers(0, len(SHARES)))


def share(rows: np.ndarray, axis: int, values: np.ndarray) -> np.ndarray:
    counts = np.bincount(rows[:, axis], weights=values, minlength=5)
    return counts / counts.sum()


def test_both_marginals_become_those_of_the_log():
    rng = np.random.default_rng(0)
    mine = np.stack([rng.integers(0, 5, 900), rng.integers(0, 4, 900)], axis=1)
    log = np.stack(
        [rng.choice(5, 5_000, p=[0.3, 0.3, 0.2, 0.1, 0.1]), rng.choice(4, 5_000, p=[0.1, 0.2, 0.3, 0.4])], 1
    )
    found = weights({f"q{i}": row for i, row in enumerate(mine)}, Margins.of(log))
    values = np.array(list(found.values.values()))
    for axis in (0, 1):
        np.testing.assert_allclose(share(mine, axis, values), share(log, axis, np.ones(len(log))), atol=0.01)
    assert values.mean() == pytest.approx(1)
    assert found.effective == pytest.approx(values.sum() ** 2 / (values**2).sum())
    assert found.effective < 900


@given(mine=st.lists(cells, min_size=1, max_size=60), log=st.lists(cells, min_size=1, max_size=60))
@settings(max_examples=100, deadline=None)
def test_no_weight_is_extreme_and_equal_queries_weigh_the_same(mine, log):
    found = weights({str(i): np.array(row) for i, row in enumerate(mine)}, Margins.of(np.array(log)))
    values = np.array(list(found.values.values()))
    assert np.isfinite(values).all()
    assert values.mean() == pytest.approx(1)
    assert values.max() / values.min() <= LARGEST**2 + 1e-9
    for row in set(mine):
        assert len({round(v, 9) for v, each in zip(values, mine, strict=True) if each == row}) == 1


def test_length_and_overlap_of_a_query(index):
    found = strata(index, ["roses sun deep soil", "zebra quagga okapi", "roses zebra"])
    assert found.tolist() == [[1, 3], [1, 0], [0, 1]]


def test_a_log_of_short_queries_gives_short_ones_more_weight(index):
    log = {str(i): text for i, text in enumerate(["frost", "deep soil", "open valve", "pressure", "almanac"])}
    generated = generate(index, query_log=log)
    gold = generated.query_set
    assert set(gold.weights) == set(gold.queries)
    by_length = sorted(gold.queries, key=lambda query: len(gold.queries[query].split()))
    assert gold.weights[by_length[0]] > gold.weights[by_length[-1]]
    assert any("log" in note for note in generated.query_set.notes)
    assert not generate(index).query_set.weights
