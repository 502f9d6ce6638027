from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tellapart.errors import TellapartError
from tellapart.experiments.verification import identify_all, nearest_neighbours


def small(seed: int, count: int, dim: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).integers(-2, 3, size=(count, dim)).astype(np.float32)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 20), st.integers(1, 20), st.integers(1, 6))
def test_ranks_are_those_of_a_loop(seed, probes, gallery, tile):
    random = np.random.default_rng(seed)
    a, b = small(seed, probes), small(seed + 1, gallery)
    x, y = random.integers(0, 6, probes), random.integers(0, 4, gallery)
    found = identify_all(a, x, b, y, tile=tile)
    ranks, scores, unknown = [], [], []
    for vector, identity in zip(a, x, strict=True):
        best = {
            name: max(float(vector @ row) for row, of in zip(b, y, strict=True) if of == name)
            for name in set(y)
        }
        order = sorted(best, key=lambda name: (-best[name], name))
        if identity in best:
            ranks.append(order.index(identity) + 1)
            scores.append(best[identity])
        else:
            unknown.append(best[order[0]])
    assert found.ranks.tolist() == ranks
    assert found.scores.tolist() == scores
    assert found.unknown.tolist() == sorted(unknown, reverse=True)


def test_open_set_rates_by_hand():
    gallery = np.eye(4, dtype=np.float32)[:3]
    known = np.array([[0.9, 0.1, 0, 0], [0.2, 0.3, 0, 0], [0, 0, 0.6, 0]])
    strangers = np.array([[0.5, 0, 0, 0], [0, 0.2, 0, 0], [0, 0, 0.7, 0], [0, 0, 0, 1]])
    found = identify_all(np.concatenate([known, strangers]), list("abcxxxx"), gallery, list("abc"))
    assert found.cmc(2).tolist() == [1.0, 1.0]
    at_quarter = found.dir_at_fpir(0.25, support=1)
    assert (at_quarter.threshold, at_quarter.far) == (pytest.approx(0.5), 0.25)
    assert at_quarter.tar == pytest.approx(2 / 3)
    with pytest.raises(TellapartError, match="4 impostors"):
        found.dir_at_fpir(0.25)


def test_an_unknown_probe_is_not_let_in_by_a_larger_gallery():
    random = np.random.default_rng(0)

    def unit(count: int) -> np.ndarray:
        rows = random.normal(size=(count, 16))
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    strangers = unit(600)
    thresholds = []
    for size in (10, 100, 1_000):
        gallery = unit(size)
        probes = np.concatenate([gallery, strangers])
        names = [*range(size), *([-1] * len(strangers))]
        found = identify_all(probes, names, gallery, np.arange(size)).dir_at_fpir(0.1)
        assert found.far <= 0.1
        thresholds.append(found.threshold)
    assert thresholds == sorted(thresholds)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(3, 40))
def test_retrieval_is_that_of_a_loop(seed, count):
    vectors = small(seed, count)
    labels = np.random.default_rng(seed).integers(0, max(1, count // 3), count)
    expected = {}
    for row in range(count):
        relevant = int((labels == labels[row]).sum()) - 1
        if not relevant:
            continue
        others = sorted(
            (other for other in range(count) if other != row),
            key=lambda o: (-float(vectors[row] @ vectors[o]), o),
        )
        hits = [labels[other] == labels[row] for other in others]
        precision = sum(sum(hits[: rank + 1]) / (rank + 1) for rank in range(relevant) if hits[rank])
        expected[row] = (float(hits[0]), precision / relevant)
    if not expected:
        with pytest.raises(TellapartError, match="share a label"):
            nearest_neighbours(vectors, labels)
        return
    found = nearest_neighbours(vectors, labels)
    assert found.rows.tolist() == list(expected)
    np.testing.assert_allclose(np.stack([found.recall_at_1, found.map_at_r], axis=1), list(expected.values()))


def test_retrieval_equals_that_of_pytorch_metric_learning():
    torch = pytest.importorskip("torch", reason="needs the extra train")
    metrics = pytest.importorskip("pytorch_metric_learning.utils.accuracy_calculator")
    random = np.random.default_rng(5)
    labels = random.integers(0, 12, 150)
    vectors = random.normal(size=(12, 8))[labels] + 1.2 * random.normal(size=(150, 8))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    theirs = metrics.AccuracyCalculator(("precision_at_1", "mean_average_precision_at_r"), k="max_bin_count")
    values = theirs.get_accuracy(torch.tensor(vectors), torch.tensor(labels))
    ours = nearest_neighbours(vectors, labels)
    assert ours.recall_at_1.mean() == pytest.approx(values["precision_at_1"])
    assert ours.map_at_r.mean() == pytest.approx(values["mean_average_precision_at_r"])
