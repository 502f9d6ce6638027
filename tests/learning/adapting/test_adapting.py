from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tellapart.corpus.types import Kind
from tellapart.encoders.rows import unit_rows
from tellapart.learning.adapting.components import Components
from tellapart.learning.adapting.deciding import adapt
from tellapart.learning.adapting.judging import ranks, values


def test_the_map_is_the_inverse_root_of_the_shrunken_moment():
    random = np.random.default_rng(1)
    queries, answers = random.normal(size=(2, 300, 6)).astype(np.float32) * np.arange(1, 7)
    differences = queries.astype(np.float64) - answers
    moment = differences.T @ differences / 300
    shrunken = moment / (np.trace(moment) / 6) + 3 * np.eye(6)
    matrix = Components.of(queries, answers).map(3.0).astype(np.float64)
    np.testing.assert_allclose(matrix @ shrunken @ matrix, 4 * np.eye(6), atol=1e-4)
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-6)
    np.testing.assert_allclose(Components.of(queries, answers).map(1e9), np.eye(6), atol=1e-4)


def test_ranks_are_those_of_a_loop(pairs):
    random = np.random.default_rng(2)
    made = pairs(noisy=4, count=30, documents=40)
    starts = np.array([0, 1, 5, 9, 20, 33])
    document = np.searchsorted(starts, made.answer, side="right") - 1
    made = replace(made, starts=starts, document=document)
    matrix = (np.eye(24) + 0.2 * random.normal(size=(24, 24))).astype(np.float32)
    units, queries = (rows @ matrix.T for rows in (made.units, made.queries))
    units, queries = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (units, queries))
    expected = []
    for row in range(30):
        best = [max(queries[row] @ unit for unit in part) for part in np.split(units, starts[1:])]
        near = [
            max(made.units[made.answer[row]] @ unit for unit in part) >= 0.95
            for part in np.split(made.units, starts[1:])
        ]
        own = document[row]
        rank = 1 + sum(best[other] > best[own] and not near[other] for other in range(len(starts)))
        expected.append(1 / np.log2(1 + rank) if rank <= 10 else 0.0)
    np.testing.assert_allclose(values(ranks(made, np.arange(30), matrix)), expected)


def test_noise_that_all_kinds_of_queries_share_is_shrunk_and_recommended(pairs):
    found = adapt(pairs(noisy=8))
    assert found.recommended
    assert found.pull is not None
    whole = found.evidence[0].against_untouched
    assert 0 < whole.low < whole.difference
    gains = np.diag(found.map)
    assert gains[:8].max() < gains[8:].min()


def test_what_holds_for_one_kind_of_query_only_is_not_recommended(pairs):
    """Each kind has noise of its own: a map fitted to the others cannot help it."""
    random = np.random.default_rng(3)
    made = pairs(noisy=0)
    queries = made.units[made.answer] + 0.25 * random.normal(size=made.queries.shape)
    for number, source in enumerate(("title", "sentence", "heading")):
        rows = made.sources == source
        queries[np.ix_(rows, range(8 * number, 8 * number + 8))] += 0.35 * random.normal(size=(rows.sum(), 8))
    found = adapt(replace(made, queries=unit_rows(queries, encoder="x")))
    assert not found.recommended


def test_pure_noise_is_not_recommended(pairs):
    for seed in range(3):
        assert not adapt(pairs(noisy=0, count=400, documents=300, seed=seed), seed=seed).recommended


def test_code_needs_people(pairs):
    found = adapt(pairs(noisy=8, kind=Kind.CODE))
    assert not found.recommended
    assert "judged queries" in found.reason
    assert found.pull is not None


@pytest.mark.parametrize("sources", [["title"], []])
def test_too_few_kinds_of_queries_decide_nothing(pairs, sources):
    made = pairs(noisy=8)
    names = np.array(["title" if sources else f"kind {row // 10}" for row in range(len(made.sources))])
    found = adapt(replace(made, sources=names))
    assert not found.recommended
    assert ("one kind" if sources else "fewer than") in found.reason


def test_near_duplicates_stand_on_one_side_of_the_split():
    from tellapart.learning.adapting.deciding import halves

    groups = np.random.default_rng(4).integers(0, 50, 400)
    half = halves(groups, 0)
    assert all(len(set(half[groups == group])) == 1 for group in range(50))
    assert 100 < half.sum() < 300


def test_the_seed_decides(pairs):
    one, other = adapt(pairs(noisy=8), seed=1), adapt(pairs(noisy=8), seed=1)
    np.testing.assert_array_equal(one.map, other.map)
    assert one.evidence == other.evidence
