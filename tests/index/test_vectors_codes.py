from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tellapart.index.vectors import VectorIndex, build_derived
from tellapart.index.vectors import approximate as codes_module
from tellapart.index.vectors import index as module
from tellapart.rankers.svm import ClosedFormSVM

ROWS, DIM = 20_000, 64


def text_like(n: int, seed: int, *, dim: int = DIM) -> np.ndarray:
    """Clusters in a space whose variance decays like 1/sqrt(i), as in spectra of text encoders."""
    rng = np.random.default_rng(seed)
    spectrum = np.arange(1, dim + 1, dtype=np.float32) ** -0.5
    centres = np.random.default_rng(7).standard_normal((300, dim)).astype(np.float32)
    rows = (centres[rng.integers(0, 300, n)] + rng.standard_normal((n, dim)).astype(np.float32)) * spectrum
    rows[:, 0] += 1.0  # a common direction: encoders are anisotropic
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def whole() -> np.ndarray:
    return text_like(ROWS, 0).astype(np.float16)


@pytest.fixture(scope="module")
def queries() -> np.ndarray:
    return text_like(40, 1)


@pytest.fixture(scope="module")
def derived(whole: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("derived")
    codes_module_rows = codes_module.SHARD_ROWS
    codes_module.SHARD_ROWS = 8_000  # three shards, the last one shorter
    build_derived(VectorIndex([whole], None, folder, "1"), coded_rows=1000)
    codes_module.SHARD_ROWS = codes_module_rows
    assert len(list(folder.glob("*.faiss"))) == 6
    return folder


def recall(index: VectorIndex, queries: np.ndarray, allowed: np.ndarray | None = None, k: int = 10) -> float:
    got, got_scores = index.search(queries, k, allowed=allowed)
    want, want_scores = index.search(queries, k, allowed=allowed, exact=True)
    shares = []
    for own, exact in zip(got, want, strict=True):
        shares.append(len(np.intersect1d(own[own >= 0], exact[exact >= 0])) / max((exact >= 0).sum(), 1))
    same = got == want
    np.testing.assert_array_equal(got_scores[same], want_scores[same])  # the same bits, whoever proposed
    return float(np.mean(shares))


def spy(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    kinds: list[str] = []
    search = codes_module.Codes._search

    def recording(self, kind, *arguments):
        kinds.append(kind)
        return search(self, kind, *arguments)

    monkeypatch.setattr(codes_module.Codes, "_search", recording)
    return kinds


def test_codes_find_what_the_exact_scan_finds(whole, queries, derived, monkeypatch):
    kinds = spy(monkeypatch)
    assert recall(VectorIndex([whole], None, derived, "1"), queries) >= 0.99
    assert set(kinds) == {"fast"}


def test_codes_serve_svm_directions_as_well(whole, queries, derived, monkeypatch):
    kinds = spy(monkeypatch)
    index = VectorIndex([whole], None, derived, "1")
    for ratio in (10.0, 0.1):
        svm = ClosedFormSVM(ratio)
        directions = np.array([svm.transform(index, query).w for query in queries], dtype=np.float32)
        assert recall(index, directions) >= 0.99
    assert set(kinds) == {"fast"}


@pytest.mark.parametrize("k", [1, 100])
def test_other_depths(whole, queries, derived, k: int):
    assert recall(VectorIndex([whole], None, derived, "1"), queries, k=k) >= 0.99


@pytest.mark.parametrize(("kept", "kind"), [(0.95, "fast"), (0.6, "plain")])
def test_deletions_are_masked(whole, queries, derived, monkeypatch, kept: float, kind: str):
    kinds = spy(monkeypatch)
    alive = np.random.default_rng(0).random(ROWS) < kept
    index = VectorIndex([whole], alive, derived, "1")
    assert recall(index, queries) >= 0.99
    rows, _ = index.search(queries, 10)
    assert alive[rows].all()
    assert set(kinds) == {kind}


@pytest.mark.parametrize("share", [0.5, 0.2, 0.05, 0.001])
def test_filters(whole, queries, derived, monkeypatch, share: float):
    kinds = spy(monkeypatch)
    allowed = np.random.default_rng(0).random(ROWS) < share
    alive = np.random.default_rng(1).random(ROWS) < 0.97
    index = VectorIndex([whole], alive, derived, "1")
    assert recall(index, queries, allowed) >= 0.99
    rows, _ = index.search(queries, 10, allowed=allowed)
    assert (allowed & alive)[rows[rows >= 0]].all()
    assert set(kinds) <= {"plain"}


@pytest.mark.parametrize("deleted", [True, False])
def test_a_query_whose_neighbours_may_not_be_found(whole, queries, derived, monkeypatch, deleted: bool):
    """All that the first look proposes falls to the mask."""
    kinds = spy(monkeypatch)
    for query in queries[:5]:
        near = np.argsort(-(whole.astype(np.float32) @ query))[:1500]
        may = np.ones(ROWS, dtype=bool)
        may[near] = False
        index = VectorIndex([whole], may if deleted else None, derived, "1")
        assert recall(index, query[None], None if deleted else may) >= 0.99
        rows, _ = index.search(query[None], 10, allowed=None if deleted else may)
        assert may[rows[0]].all()
    assert set(kinds) == {"fast"}


def test_a_direction_that_few_looks_settle_is_not_looked_at_often(whole, derived, monkeypatch):
    """The mean of unrelated rows has thousands of neighbours that are hardly told apart."""
    kinds = spy(monkeypatch)
    monkeypatch.setattr(module, "_DEEPER_SHARE", 1.0)
    index = VectorIndex([whole], None, derived, "1")
    directions = np.array(
        [
            whole[np.random.default_rng(seed).integers(0, ROWS, 5)].astype(np.float32).mean(axis=0)
            for seed in range(20)
        ]
    )
    assert recall(index, directions) >= 0.99
    assert len(kinds) <= 2 * len(directions)


def test_rows_added_later_are_found_without_a_rebuild(whole, queries, derived, monkeypatch):
    kinds = spy(monkeypatch)
    added = text_like(1500, 5).astype(np.float16)
    index = VectorIndex([whole, added[:100], added[100:]], None, derived, "2")
    assert recall(index, queries) >= 0.99
    rows, _ = index.search(added[:50].astype(np.float32), 1)
    np.testing.assert_array_equal(rows[:, 0], ROWS + np.arange(50))
    assert set(kinds) == {"fast"}


def test_the_next_build_leaves_fresh_codes_and_replaces_stale_ones(tmp_path: Path):
    rows = text_like(4000, 0).astype(np.float16)

    def tokens() -> set[str]:
        return {path.name.split(".")[0] for path in tmp_path.glob("codes-*")}

    build_derived(VectorIndex([rows], None, tmp_path, "1"), coded_rows=1000)
    first = tokens()
    assert len(first) == 1
    few = np.arange(4000) >= 300
    build_derived(VectorIndex([rows], few, tmp_path, "1"), coded_rows=1000)
    assert tokens() == first
    many = np.arange(4000) >= 500
    build_derived(VectorIndex([rows], many, tmp_path, "1"), coded_rows=1000)
    second = tokens()
    assert len(second) == 1
    assert second != first
    index = VectorIndex([rows], many, tmp_path, "1")
    assert recall(index, rows[600:650].astype(np.float32)) >= 0.99
    build_derived(
        VectorIndex([rows, text_like(1000, 3).astype(np.float16)], None, tmp_path, "3"), coded_rows=1000
    )
    assert tokens() != second


def test_codes_of_other_data_are_not_used(whole, queries, derived, monkeypatch):
    kinds = spy(monkeypatch)
    other = VectorIndex([text_like(ROWS, 9).astype(np.float16)], None, derived, "1")
    assert recall(other, queries) == 1.0
    assert not kinds


@pytest.mark.parametrize("name", ["fast0.faiss", "json", "rows.npy"])
@pytest.mark.parametrize("how", ["cut", "gone"])
def test_damaged_codes_cost_time_and_not_answers(tmp_path: Path, name: str, how: str, monkeypatch):
    kinds = spy(monkeypatch)
    rows = text_like(4000, 0).astype(np.float16)
    build_derived(VectorIndex([rows], None, tmp_path, "1"), coded_rows=1000)
    (path,) = tmp_path.glob(f"codes-*.{name}")
    if how == "cut":
        path.write_bytes(path.read_bytes()[:-7])
    else:
        path.unlink()
    index = VectorIndex([rows], None, tmp_path, "1")
    assert recall(index, rows[:20].astype(np.float32)) == 1.0
    assert not kinds


def test_codes_damaged_within_their_length_are_left_alone(tmp_path: Path):
    rows = text_like(4000, 0).astype(np.float16)
    build_derived(VectorIndex([rows], None, tmp_path, "1"), coded_rows=1000)
    (path,) = tmp_path.glob("codes-*.fast0.faiss")
    path.write_bytes(b"\x00" * path.stat().st_size)
    index = VectorIndex([rows], None, tmp_path, "1")
    assert recall(index, rows[:20].astype(np.float32)) == 1.0


def test_many_equal_rows_fall_back_to_the_exact_scan(tmp_path: Path):
    rows = text_like(4000, 0)
    rows[1000:2500] = rows[1000]
    index = VectorIndex([rows.astype(np.float16)], None, tmp_path, "1")
    build_derived(index, coded_rows=1000)
    found, _ = index.search(rows[1000:1001], 20)
    np.testing.assert_array_equal(found[0], np.arange(1000, 1020))


def test_the_thresholds_are_the_documented_ones():
    assert codes_module.CODED_ROWS == 30_000
    assert module._CODED_DEPTH == 200
