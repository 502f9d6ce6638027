"""Diagnostics against counting by hand."""

from __future__ import annotations

import numpy as np
import pytest

from tellapart.index.vectors import VectorIndex
from tellapart.scores.capacity import capacity
from tellapart.scores.vectors import (
    Concern,
    common_direction,
    copies,
    effective_rank,
    hubness,
    occurrences,
    skew,
    without_vector,
)


def unit_rows(n, dim, seed=0):
    rows = np.random.default_rng(seed).normal(size=(n, dim))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16)


def test_units_without_a_vector_are_counted_among_the_living():
    rows = unit_rows(20, 8)
    rows[[3, 4]] = 0
    assert without_vector(VectorIndex([rows])).value == 2
    alive = np.ones(20, dtype=bool)
    alive[3] = False
    found = without_vector(VectorIndex([rows], alive))
    assert (found.value, found.verdict) == (1, Concern.LOOK)
    assert without_vector(VectorIndex([unit_rows(5, 8)])).verdict is Concern.FINE


def test_copies_are_rows_that_are_equal_bit_for_bit():
    rows = unit_rows(50, 16)
    rows[10:13] = rows[0]
    rows[20] = 0
    rows[21] = 0
    alive = np.ones(50, dtype=bool)
    assert copies(VectorIndex([rows])).value == pytest.approx(4 / 48)
    alive[10] = False
    assert copies(VectorIndex([rows], alive)).value == pytest.approx(3 / 47)
    assert copies(VectorIndex([np.zeros((2, 4), np.float16)])).value == 0


def test_the_mean_vector_is_the_cosine_of_units_at_random():
    rows = unit_rows(400, 12) + np.float16(0.3)
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16)
    wide = rows.astype(np.float64)
    products = wide @ wide.T
    assert common_direction(VectorIndex([rows]).moments()).value == pytest.approx(products.mean(), abs=1e-3)


def test_effective_rank_counts_directions_of_equal_spread():
    rows = np.zeros((90, 30), np.float16)
    rows[np.arange(90), np.arange(90) % 5] = np.where(np.arange(90) % 2, 1, -1)
    assert effective_rank(VectorIndex([rows]).moments()).value == pytest.approx(5, rel=0.01)
    same = np.tile(unit_rows(1, 30), (9, 1))
    assert effective_rank(VectorIndex([same]).moments()).value == pytest.approx(1, abs=0.01)


def test_occurrences_are_those_of_a_sort():
    rows = unit_rows(700, 6).astype(np.float32)
    scores = rows @ rows.T
    np.fill_diagonal(scores, -np.inf)
    near = np.argsort(-scores, axis=1)[:, :10]
    np.testing.assert_array_equal(occurrences(rows), np.bincount(near.ravel(), minlength=700))


def test_a_planted_hub_is_seen():
    rows = unit_rows(600, 64, 1).astype(np.float32)
    plain = hubness(VectorIndex([rows.astype(np.float16)])).value
    rows += 0.35
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    rows[0] = rows.mean(axis=0) / np.linalg.norm(rows.mean(axis=0))
    planted = hubness(VectorIndex([rows.astype(np.float16)]))
    assert planted.value > plain + 3
    assert planted.verdict is Concern.LOOK


def test_two_at_once_counts_pairs_whose_mean_has_them_on_top():
    spread = VectorIndex([unit_rows(400, 64).astype(np.float16)])
    assert capacity(spread).value > 0.95
    crowded = capacity(VectorIndex([unit_rows(400, 2).astype(np.float16)]))
    assert crowded.value < 0.2
    assert crowded.verdict is Concern.LOOK
    assert capacity(VectorIndex([unit_rows(20, 4)])).verdict is Concern.UNKNOWN


def test_few_units_have_no_hubness():
    assert hubness(VectorIndex([unit_rows(20, 4)])).verdict is Concern.UNKNOWN
    assert skew(np.full(10, 3.0)) == 0
    assert skew(np.array([0.0, 0, 0, 1])) == pytest.approx(1.1547, abs=1e-4)
