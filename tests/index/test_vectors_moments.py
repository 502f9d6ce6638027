from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tellapart.index.vectors import Moments, Spectrum, VectorIndex, build_derived, open_vectors, write_vectors


def unit_rows(n: int, dim: int, seed: int) -> np.ndarray:
    rows = np.random.default_rng(seed).standard_normal((n, dim)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    lengths=st.lists(st.integers(0, 60), min_size=1, max_size=4),
    dim=st.sampled_from([1, 5, 40]),
    kept=st.sampled_from([0.0, 0.02, 0.5, 0.98, 1.0]),
    seed=st.integers(0, 1000),
)
def test_moments_and_score_statistics_equal_brute_force_over_live_rows(
    lengths: list[int], dim: int, kept: float, seed: int
):
    segments = [unit_rows(n, dim, seed + i).astype(np.float16) for i, n in enumerate(lengths)]
    alive = np.random.default_rng(seed).random(sum(lengths)) < kept
    index = VectorIndex(segments, alive)
    rows = np.vstack(segments)[alive].astype(np.float64)
    moments = index.moments()
    assert moments.n == len(rows)
    query = unit_rows(1, dim, seed + 99)[0]
    if len(rows) == 0:
        assert not moments.gram.any()
        assert moments.score_statistics(query) == (0.0, 0.0)
        return
    np.testing.assert_allclose(moments.mean, rows.mean(axis=0), atol=1e-12)
    np.testing.assert_allclose(moments.second, rows.T @ rows / len(rows), atol=1e-12)
    np.testing.assert_allclose(moments.covariance, np.cov(rows.T, bias=True).reshape(dim, dim), atol=1e-12)
    scores = rows @ query.astype(np.float64)
    mean, std = moments.score_statistics(query)
    assert mean == pytest.approx(scores.mean(), abs=1e-12)
    assert std == pytest.approx(scores.std(), abs=3e-8)  # the root of a difference of order 1e-16


def test_adding_a_segment_and_taking_it_away_restores_the_sums():
    first = Moments.of([unit_rows(100, 8, 0).astype(np.float16)], 8)
    second = Moments.of([unit_rows(70, 8, 1).astype(np.float16)], 8)
    both = first + second - second
    assert both.n == 100
    np.testing.assert_allclose(both.gram, first.gram, atol=1e-12)
    assert not (first - first).gram.any()


def test_rows_without_a_vector_do_not_count():
    rows = unit_rows(10, 4, 0).astype(np.float16)
    rows[3] = 0
    assert VectorIndex([rows]).moments().n == 9
    alive = np.ones(10, dtype=bool)
    alive[[3, 4]] = False
    assert VectorIndex([rows], alive).moments().n == 8


def test_the_spectrum_solves_the_ridge_system():
    moments = Moments.of([unit_rows(20, 30, 0).astype(np.float16)], 30)  # fewer rows than dimensions
    spectrum = Spectrum.of(moments)
    augmented = np.block([[moments.second, moments.mean[:, None]], [moments.mean[None], np.ones((1, 1))]])
    right = np.random.default_rng(1).standard_normal((31, 2))
    want = np.linalg.solve(0.01 * np.eye(31) + augmented, right)
    np.testing.assert_allclose(spectrum.solve(0.01, right), want, atol=1e-10)
    np.testing.assert_allclose(spectrum.solve(0.01, right[:, 0]), want[:, 0], atol=1e-10)
    assert spectrum.mean_eigenvalue == pytest.approx(np.trace(moments.covariance) / 19)  # what 20 rows span


def test_derived_moments_are_read_again_and_follow_deletions_and_new_segments(tmp_path: Path):
    derived = tmp_path / "derived"
    write_vectors(tmp_path / "a.npy", unit_rows(80, 6, 0))
    write_vectors(tmp_path / "b.npy", unit_rows(50, 6, 1))
    a, b = open_vectors(tmp_path / "a.npy"), open_vectors(tmp_path / "b.npy")
    build_derived(VectorIndex([a], None, derived, "1"))
    first = {path.name: path.stat().st_mtime_ns for path in derived.iterdir()}
    index = VectorIndex([a], None, derived, "1")
    assert index.spectrum().n == 80
    assert {path.name: path.stat().st_mtime_ns for path in derived.iterdir()} == first
    alive = np.random.default_rng(0).random(130) < 0.9
    both = VectorIndex([a, b], alive, derived, "2")
    build_derived(both)
    fresh = VectorIndex([a, b], alive)
    np.testing.assert_allclose(both.spectrum().values, fresh.spectrum().values, atol=1e-12)
    names = {path.name for path in derived.iterdir()}
    assert len([name for name in names if name.startswith("moments-")]) == 2
    assert len([name for name in names if name.startswith("spectrum-")]) == 1
    assert len(names & set(first)) == 1  # the first segment's moments stayed as they were


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 not a zip"])
def test_damaged_derived_files_are_computed_again(tmp_path: Path, content: bytes):
    rows = unit_rows(40, 6, 0).astype(np.float16)
    build_derived(VectorIndex([rows], None, tmp_path, "1"))
    for path in tmp_path.glob("*.npz"):
        path.write_bytes(content)
    index = VectorIndex([rows], None, tmp_path, "1")
    np.testing.assert_allclose(index.moments().gram, Moments.of([rows], 6).gram)
    assert index.spectrum().n == 40
