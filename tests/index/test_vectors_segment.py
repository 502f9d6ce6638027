from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from tellapart.errors import CorruptIndexError, TellapartError
from tellapart.index.vectors import checksum, open_vectors, write_vectors
from tellapart.index.vectors.stored import widen


def unit_rows(n: int, dim: int, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).standard_normal((n, dim)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_widening_equals_numpy_on_every_finite_half():
    halves = np.arange(65536, dtype=np.uint16).view(np.float16)
    halves = halves[np.isfinite(halves)]
    np.testing.assert_array_equal(widen(halves).view(np.int32), halves.astype(np.float32).view(np.int32))


@pytest.mark.parametrize("shape", [(0, 8), (1, 1), (5, 384), (20_000, 3)])
def test_rows_survive_the_round_trip_to_half_precision(tmp_path: Path, shape: tuple[int, int]):
    rows = unit_rows(*shape)
    write_vectors(tmp_path / "v.npy", rows)
    opened = open_vectors(tmp_path / "v.npy", dim=shape[1])
    np.testing.assert_array_equal(opened, rows.astype(np.float16))
    np.testing.assert_array_equal(np.load(tmp_path / "v.npy"), opened)
    assert [path.name for path in tmp_path.iterdir()] == ["v.npy"]


@pytest.mark.parametrize(
    ("value", "told"),
    [(0.0, "is zero"), (np.nan, "is not finite"), (np.inf, "is not finite"), (2.0, "has length 2")],
)
def test_a_row_that_is_no_unit_vector_is_refused_by_number(tmp_path: Path, value: float, told: str):
    rows = unit_rows(20_000, 4)
    rows[17_000] = [value, 0, 0, 0]
    with pytest.raises(TellapartError, match=rf"vector 17000 .*{told}"):
        write_vectors(tmp_path / "v.npy", rows)
    assert not list(tmp_path.iterdir())


def test_zero_rows_may_mark_absent_units_but_nan_may_not(tmp_path: Path):
    rows = unit_rows(3, 4)
    rows[1] = 0
    write_vectors(tmp_path / "v.npy", rows, allow_absent=True)
    assert not open_vectors(tmp_path / "v.npy")[1].any()
    rows[1] = np.nan
    with pytest.raises(TellapartError, match="vector 1 "):
        write_vectors(tmp_path / "w.npy", rows, allow_absent=True)


def test_a_failed_write_leaves_the_old_file(tmp_path: Path):
    path = tmp_path / "v.npy"
    write_vectors(path, unit_rows(3, 4))
    before = path.read_bytes()
    with pytest.raises(TellapartError):
        write_vectors(path, np.zeros((2, 4), dtype=np.float32))
    assert path.read_bytes() == before


def damaged(path: Path, how: str) -> None:
    content = path.read_bytes()
    if how == "cut":
        path.write_bytes(content[:-1])
    elif how == "longer":
        path.write_bytes(content + b"x")
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "header":
        path.write_bytes(b"\x00" * 64 + content[64:])
    elif how == "float32":
        np.save(path, unit_rows(3, 4))
    elif how == "flat":
        np.save(path, np.ones(3, dtype=np.float16))
    elif how == "missing":
        path.unlink()


@pytest.mark.parametrize("how", ["cut", "longer", "empty", "header", "float32", "flat", "missing"])
def test_a_damaged_file_is_named_with_what_to_do(tmp_path: Path, how: str):
    path = tmp_path / "v.npy"
    write_vectors(path, unit_rows(3, 4))
    damaged(path, how)
    with pytest.raises(CorruptIndexError, match="damaged") as error:
        open_vectors(path)
    assert str(path) in str(error.value)
    assert "index" in str(error.value)
    assert "\n" not in str(error.value)


def test_another_dimension_than_the_encoders_is_refused(tmp_path: Path):
    write_vectors(tmp_path / "v.npy", unit_rows(3, 4))
    with pytest.raises(CorruptIndexError, match="4 dimensions, not 5"):
        open_vectors(tmp_path / "v.npy", dim=5)


def test_the_checksum_sees_one_flipped_bit(tmp_path: Path):
    path = tmp_path / "v.npy"
    write_vectors(path, unit_rows(3, 4))
    content = bytearray(path.read_bytes())
    assert checksum(path) == hashlib.sha256(content).hexdigest()
    content[-1] ^= 1
    before = checksum(path)
    path.write_bytes(content)
    assert checksum(path) != before
