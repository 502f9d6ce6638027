from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tellapart.errors import CorruptIndexError, TellapartError
from tellapart.index.vectors import VectorIndex, build_derived, open_vectors, write_vectors
from tellapart.index.vectors import index as module


def unit_rows(rng: np.random.Generator, n: int, dim: int) -> np.ndarray:
    rows = rng.standard_normal((n, dim)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def oracle(whole: np.ndarray, mask: np.ndarray, query: np.ndarray, k: int) -> tuple[list[int], list[float]]:
    """Score in extended precision, round once, sort in a plain loop."""
    if not query.any():
        return [], []
    scores = (whole.astype(np.longdouble) @ query.astype(np.longdouble)).astype(np.float32)
    found = [(-float(scores[i]), i) for i in range(len(whole)) if mask[i] and whole[i].any()]
    best = sorted(found)[:k]
    return [i for _, i in best], [-s for s, _ in best]


def check(
    index: VectorIndex, queries: np.ndarray, k: int, allowed: np.ndarray | None, mask: np.ndarray
) -> None:
    rows, scores = index.search(queries, k, allowed=allowed)
    assert rows.shape == scores.shape == (len(queries), k)
    whole = index.matrix()
    for i, query in enumerate(queries):
        want_rows, want_scores = oracle(whole, mask, query, k)
        n = len(want_rows)
        assert rows[i, :n].tolist() == want_rows
        assert scores[i, :n].tolist() == want_scores
        assert (rows[i, n:] == -1).all()
        assert (scores[i, n:] == -np.inf).all()


@st.composite
def corpora(draw: st.DrawFn):
    """Segments of a few distinct rows (so that most tie), zero rows, deletions and a filter."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    dim = draw(st.sampled_from([1, 2, 7, 64]))
    lengths = draw(st.lists(st.integers(0, 90), min_size=1, max_size=4))
    distinct = unit_rows(rng, draw(st.integers(1, 200)), dim)
    if draw(st.booleans()):
        distinct[0] = 0
    segments = [distinct[rng.integers(0, len(distinct), n)].astype(np.float16) for n in lengths]
    total = sum(lengths)
    alive = rng.random(total) < draw(st.sampled_from([0.0, 0.5, 0.97, 1.0])) if draw(st.booleans()) else None
    allowed = rng.random(total) < draw(st.sampled_from([0.0, 0.1, 0.8])) if draw(st.booleans()) else None
    m = draw(st.sampled_from([1, 2, 12]))
    queries = unit_rows(rng, m, dim) * np.float32(draw(st.sampled_from([1.0, 37.5])))
    if draw(st.booleans()):
        queries[0] = 0
    return segments, alive, allowed, queries, draw(st.sampled_from([1, 3, 50, 400]))


@pytest.mark.parametrize("engine", ["gathered", "numpy", "faiss", "as shipped"])
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)
@given(corpus=corpora())
def test_every_engine_returns_what_a_sort_of_all_scores_returns(engine: str, corpus, monkeypatch):
    segments, alive, allowed, queries, k = corpus
    if engine != "as shipped":
        monkeypatch.setattr(module, "_GATHERED_ROWS", 10**9 if engine == "gathered" else 0)
        monkeypatch.setattr(module, "_GATHERED_SHARE", 0)
        monkeypatch.setattr(VectorIndex, "_use_faiss", lambda self, n: engine == "faiss")
        monkeypatch.setattr(module, "_BATCH_QUERIES", 10**9 if engine == "faiss" else 0)
    index = VectorIndex(segments, alive)
    mask = np.ones(index.n_rows, dtype=bool)
    for part in (alive, allowed):
        if part is not None:
            mask &= part
    check(index, queries, k, allowed, mask)


def test_threads_segments_and_batches_agree_on_real_sizes():
    import faiss  # noqa: F401

    rng = np.random.default_rng(3)
    whole = unit_rows(rng, 70_000, 48).astype(np.float16)
    whole[rng.integers(0, 70_000, 500)] = whole[5]  # a licence header in 500 files
    queries = np.vstack([whole[5:6], unit_rows(rng, 11, 48)]).astype(np.float32)
    alive = rng.random(70_000) < 0.99
    one = VectorIndex([whole], alive)
    many = VectorIndex([whole[:40_000], whole[40_000:40_001], whole[40_001:]], alive)
    for k in (10, 100):
        batch = one.search(queries, k)
        for index in (one, many):
            single = [index.search(query[None], k) for query in queries]
            np.testing.assert_array_equal(np.vstack([rows for rows, _ in single]), batch[0])
            np.testing.assert_array_equal(np.vstack([scores for _, scores in single]), batch[1])
    want, _ = oracle(one.matrix(), alive, queries[0], 10)
    assert batch[0][0, :10].tolist() == want


def test_scores_matrix_take_and_blocks_give_the_rows(tmp_path: Path):
    rng = np.random.default_rng(1)
    whole = unit_rows(rng, 3000, 20)
    write_vectors(tmp_path / "a.npy", whole[:1100])
    write_vectors(tmp_path / "b.npy", whole[1100:])
    index = VectorIndex([open_vectors(tmp_path / "a.npy"), open_vectors(tmp_path / "b.npy")])
    halves = whole.astype(np.float16).astype(np.float32)
    np.testing.assert_array_equal(index.matrix(), halves)
    rows = rng.integers(0, 3000, 200)
    np.testing.assert_array_equal(index.take(rows), halves[rows])
    query = unit_rows(rng, 1, 20)[0]
    np.testing.assert_allclose(index.scores(query), halves @ query, atol=1e-6)
    np.testing.assert_allclose(index.scores_batch(query[None]), (halves @ query)[None], atol=1e-6)
    for first, part in index.blocks(700):
        np.testing.assert_array_equal(part, halves[first : first + len(part)])


@pytest.mark.parametrize("segments", [[], [np.empty((0, 4), np.float16)]])
def test_an_empty_index_finds_nothing(segments: list[np.ndarray]):
    index = VectorIndex(segments)
    rows, scores = index.search(np.ones((2, 4), dtype=np.float32), 3)
    assert (rows == -1).all()
    assert (scores == -np.inf).all()
    assert index.moments().n == 0


def test_bad_queries_are_refused_in_one_line():
    index = VectorIndex([unit_rows(np.random.default_rng(0), 5, 4).astype(np.float16)])
    with pytest.raises(TellapartError, match="4 dimensions"):
        index.search(np.ones((1, 5), dtype=np.float32), 1)
    with pytest.raises(TellapartError, match="NaN"):
        index.search(np.full((1, 4), np.nan, dtype=np.float32), 1)
    with pytest.raises(ValueError, match="filter"):
        index.search(np.ones((1, 4), dtype=np.float32), 1, allowed=np.ones(4, dtype=bool))


@pytest.mark.parametrize("value", [60000.0, np.inf, 0.25])
def test_a_damaged_row_is_an_error_and_never_a_hit(tmp_path: Path, value: float):
    rows = unit_rows(np.random.default_rng(0), 5, 4)
    write_vectors(tmp_path / "v.npy", rows)
    raw = np.load(tmp_path / "v.npy")
    raw[3, 0] = value
    np.save(tmp_path / "v.npy", raw)
    index = VectorIndex([open_vectors(tmp_path / "v.npy")])
    with pytest.raises(CorruptIndexError, match=r"vector 3 of .*v\.npy"):
        index.search(np.array([[1, 0, 0, 0]], dtype=np.float32), 5)


def test_a_mask_of_another_length_is_corruption():
    with pytest.raises(CorruptIndexError, match="marks of life"):
        VectorIndex([np.zeros((3, 4), np.float16)], np.ones(2, dtype=bool))


def test_a_cold_search_of_a_small_index_does_not_import_faiss(tmp_path: Path):
    write_vectors(tmp_path / "v.npy", unit_rows(np.random.default_rng(0), 5000, 16))
    code = (
        "import sys, numpy as np; from pathlib import Path\n"
        "from tellapart.index.vectors import VectorIndex, open_vectors\n"
        f"index = VectorIndex([open_vectors(Path({str(tmp_path / 'v.npy')!r}))])\n"
        "index.search(np.ones((1, 16), np.float32), 10)\n"
        "assert not {'faiss', 'scipy', 'sklearn'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_index_in_a_folder_that_cannot_be_written_still_answers(tmp_path: Path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    index = VectorIndex(
        [unit_rows(np.random.default_rng(0), 50, 4).astype(np.float16)], None, blocked / "derived"
    )
    assert index.moments().n == 50
    assert index.spectrum().n == 50
    with pytest.raises(TellapartError, match="cannot write"):
        build_derived(index, coded_rows=10)


def test_filters_work_beside_packages_that_patch_faiss():
    pytest.importorskip("torch", reason="the patch comes with torch")
    program = """
import numpy as np
from tellapart.index.vectors import VectorIndex
import faiss.contrib.torch_utils
rows = np.eye(6000, 8, dtype=np.float16) + np.eye(6000, 8, k=-8, dtype=np.float16)
rows[16:, 0] = 1
allowed = np.arange(6000) % 2 == 1
found, _ = VectorIndex([rows]).search(np.eye(1, 8, dtype=np.float32), 3, allowed=allowed)
print(found.tolist())
"""
    printed = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout
    assert printed.strip() == "[[17, 19, 21]]"
