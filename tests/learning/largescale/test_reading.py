"""Batches that a step number determines, and files that cannot be trained on."""

from itertools import chain

import numpy as np
import pytest

arrow = pytest.importorskip("pyarrow", reason="needs the extra 'train'")
pytest.importorskip("torch", reason="needs the extra 'train'")

import pyarrow.parquet as parquet  # noqa: E402

from tellapart.errors import TellapartError  # noqa: E402
from tellapart.learning.centres.workers import Workers  # noqa: E402
from tellapart.learning.largescale import reading  # noqa: E402
from tellapart.learning.largescale.reading import IdentityFile  # noqa: E402


def write(path, vectors, labels, group=10):
    table = arrow.table({"vector": vectors, "label": labels})
    parquet.write_table(table, path, row_group_size=group)
    return path


def numbered(tmp_path, rows=57, kind=None):
    """Row i is the vector (i + 1, 1) with label i."""
    vectors = arrow.array([[i + 1.0, 1.0] for i in range(rows)], kind or arrow.list_(arrow.float32()))
    return write(tmp_path / "ids.parquet", vectors, arrow.array(range(rows), arrow.int64()))


def taken(file, workers, count, first_step=0, size=8):
    batches = file.batches(size, workers, first_step=first_step)
    return [next(batches).labels.tolist() for _ in range(count)]


@pytest.mark.parametrize(
    "kind", [arrow.list_(arrow.float32()), arrow.list_(arrow.float16(), 2), arrow.large_list(arrow.float64())]
)
def test_an_epoch_gives_every_row_once_and_none_held_out(tmp_path, kind, monkeypatch):
    monkeypatch.setattr(reading, "WINDOW", 20)
    file = IdentityFile.open(numbered(tmp_path, kind=kind), 57, held_out=6)
    unseen = file.validation()
    assert len(unseen) + file.rows == 57
    seen, batches = [], file.batches(8, Workers())
    while len(seen) < file.rows:
        rows = next(batches)
        assert np.array_equal(rows.vectors[:, 0], rows.labels + 1)
        seen += rows.labels.tolist()
    assert sorted(seen + unseen.labels.tolist()) == list(range(57))


def test_a_later_step_starts_where_it_would_have_come(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "WINDOW", 20)
    file = IdentityFile.open(numbered(tmp_path), 57)
    whole = taken(file, Workers(), 20)
    for step in (0, 1, 3, 7, 13):
        assert taken(file, Workers(), 20 - step, first_step=step) == whole[step:]


def test_workers_share_the_batches_of_one(tmp_path):
    file = IdentityFile.open(numbered(tmp_path), 57)
    whole = taken(file, Workers(), 9)
    parts = [taken(file, Workers(rank, 3), 9) for rank in range(3)]
    assert [list(chain(*pieces)) for pieces in zip(*parts, strict=True)] == whole


def test_epochs_come_in_different_order(tmp_path):
    file = IdentityFile.open(numbered(tmp_path), 57)
    steps = taken(file, Workers(), 16)
    assert sorted(chain(*steps[:8])) == sorted(chain(*steps[8:]))
    assert steps[:8] != steps[8:]


@pytest.mark.parametrize(
    ("vectors", "labels", "told"),
    [
        ([[1.0], [2.0]], [0, 9], "row 1: label 9"),
        ([[1.0], [2.0]], [-1, 0], "label -1"),
        ([[1.0], [0.0]], [0, 0], "row 1: the vector is zero"),
        ([[1.0], [float("nan")]], [0, 0], "row 1: the vector"),
        ([[1.0], [float("inf")]], [0, 0], "row 1: the vector"),
        ([[1.0], [1.0, 2.0]], [0, 0], "dimensions"),
        ([[1.0], None], [0, 0], "empty entries"),
        ([[1.0], [1.0]], [0.0, 1.0], "not an integer"),
        (["a", "b"], [0, 1], "not a list of floats"),
    ],
)
def test_what_cannot_be_trained_on_is_named(tmp_path, vectors, labels, told):
    path = write(tmp_path / "bad.parquet", arrow.array(vectors), arrow.array(labels))
    with pytest.raises(TellapartError, match=told):
        IdentityFile.open(path, 5)


def test_files_that_are_no_such_file_are_told(tmp_path):
    with pytest.raises(TellapartError, match="cannot be read"):
        IdentityFile.open(tmp_path / "none.parquet", 5)
    (tmp_path / "text.parquet").write_text("no")
    with pytest.raises(TellapartError, match="cannot be read"):
        IdentityFile.open(tmp_path / "text.parquet", 5)
    parquet.write_table(arrow.table({"x": [1]}), tmp_path / "x.parquet")
    with pytest.raises(TellapartError, match="'vector' and 'label'"):
        IdentityFile.open(tmp_path / "x.parquet", 5)
    with pytest.raises(TellapartError, match="hold out"):
        IdentityFile.open(numbered(tmp_path), 57, held_out=57)
