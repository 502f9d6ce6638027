"""When an adapted encoder is recommended, and that nothing judges what it taught."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tellapart.encoders.protocol import unit_rows
from tellapart.learning.adapting.adapt import conclude
from tellapart.learning.adapting.adapters import Components, LinearMap


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


def test_values_are_those_of_a_loop(queries):
    made = queries(noisy=4, count=30, documents=40)
    starts = np.array([0, 1, 5, 9, 20, 33])
    document = np.searchsorted(starts, made.pairs[:, 2], side="right") - 1
    names = tuple(f"d{number}" for number in range(len(starts)))
    near = [np.array([2]) if row % 3 == 0 and document[row] != 2 else made.near[row] for row in range(30)]
    grades = {name: {names[document[row]]: 1} for row, name in enumerate(made.names)}
    made = replace(
        made,
        units=replace(made.units, starts=starts, numbers=np.arange(6), names=names),
        near=tuple(near),
        query_set=replace(made.query_set, qrels=replace(made.query_set.qrels, grades=grades)),
    )
    expected = []
    for row in range(30):
        best = [
            max(made.queries[row] @ unit for unit in part)
            for part in np.split(made.units.vectors, starts[1:])
        ]
        own = document[row]
        rank = 1 + sum(best[other] > best[own] and other not in near[row] for other in range(len(starts)))
        expected.append(1 / np.log2(1 + rank) if rank <= 10 else 0.0)
    got = made.values(np.arange(30), made.queries, made.units.vectors)
    np.testing.assert_allclose(got, expected)


def test_noise_that_all_sources_share_is_shrunk_and_recommended(queries):
    made = queries(noisy=8)
    found = conclude(made, LinearMap(), "x")
    assert found.recommended
    assert found.pull is not None
    gain = found.verdict.chosen.vs_default
    assert 0 < gain.low < gain.difference
    changed = LinearMap().transform(made, made, found.pull)
    plain = made.values(np.arange(600), made.queries, made.units.vectors).mean()
    assert made.values(np.arange(600), *changed).mean() > plain


def test_what_holds_for_one_source_of_queries_only_is_not_recommended(queries):
    """Each source has noise of its own: a map fitted to the others cannot help it."""
    random = np.random.default_rng(3)
    made = queries(noisy=0)
    rows = made.units.vectors[made.pairs[:, 2]] + 0.25 * random.normal(size=made.queries.shape)
    sources = np.array([made.query_set.source(name) for name in made.names])
    for number, source in enumerate(("title", "sentence", "heading")):
        own = sources == source
        rows[np.ix_(own, range(8 * number, 8 * number + 8))] += 0.35 * random.normal(size=(own.sum(), 8))
    assert not conclude(replace(made, queries=unit_rows(rows, encoder="x")), LinearMap(), "x").recommended


@pytest.mark.parametrize("sources", [("title", "sentence", "heading"), ()])
def test_pure_noise_is_not_recommended(queries, sources):
    for seed in range(3):
        made = queries(noisy=0, count=400, documents=300, sources=sources, seed=seed)
        assert not conclude(made, LinearMap(), "x", seed=seed).recommended


def test_too_few_queries_decide_nothing(queries):
    made = queries(noisy=8)
    assert "fewer than 50" in conclude(made.of_sources([]), LinearMap(), "x").reason
    few = conclude(queries(noisy=8, count=55, sources=()), LinearMap(), "x")
    assert few.verdict is None, "55 queries leave fewer than 50 to learn from"


@pytest.mark.parametrize("sources", [("title", "sentence"), ()])
def test_nothing_that_answers_a_held_out_query_is_learned_from(queries, sources):
    made = queries(noisy=4, count=300, documents=250, sources=sources)
    units = made.units.vectors.copy()
    units[1::10] = units[0::10]  # near-duplicates
    made = replace(made, units=replace(made.units, vectors=units))
    near = units @ units.T >= 0.95
    seen = np.zeros(300, dtype=int)
    for rows, pairs in made.held_out(0):
        seen[rows] += 1
        assert not set(rows.tolist()) & set(pairs[:, 0].tolist())
        assert not near[np.ix_(made.pairs[rows, 1], pairs[:, 1])].any()
        if sources:
            own = {made.query_set.source(made.names[row]) for row in rows.tolist()}
            assert not own & {made.query_set.source(made.names[row]) for row in pairs[:, 0].tolist()}
        assert len(pairs) > 50
    assert (seen == 1).all()


def test_the_seed_decides(queries):
    one, other = (conclude(queries(noisy=8), LinearMap(), "x", seed=1) for _ in range(2))
    assert one == other
