"""Batches from a Parquet file of vectors and labels, in an order that a step number alone determines.

Row groups are shuffled, taken together in windows, and the rows of a window shuffled again: memory holds one
window. Every worker reads the window and keeps its part of each global batch, so the batches do not depend on the
number of workers. Rows held out for validation never enter a batch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tellapart.errors import TellapartError, require
from tellapart.learning.centres.workers import Workers

WINDOW = 262_144
"""Rows shuffled together, 134 MB at 128 dimensions."""

BLOCKS, BLOCK = 64, 65_536
"""Parts of a file that its hash looks at, and their bytes: of 20 GB, 4 MB are read."""

HELD_GROUPS = 64
"""Row groups that held-out rows come from, so that a file in label order gives many identities."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Vectors (n, dim) float32 and labels (n,) int64."""

    vectors: NDArray[np.float32]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, places: NDArray[np.int64] | slice) -> Rows:
        """Choose some."""
        return Rows(self.vectors[places], self.labels[places])


@dataclass(frozen=True, slots=True)
class IdentityFile:
    """An opened Parquet file with the columns `vector` (lists of floats) and `label` (integers from 0)."""

    path: Path
    classes: int
    dim: int
    groups: tuple[int, ...]
    """Rows of each row group."""
    held: dict[int, NDArray[np.int64]] = field(default_factory=dict)
    """Row group -> its rows that are kept for validation."""

    @classmethod
    def open(cls, path: Path, classes: int, *, held_out: int = 0, seed: int = 0) -> IdentityFile:
        """Look at a file; `held_out` rows of it are kept for validation."""
        parquet = require("pyarrow.parquet", extra="train")
        try:
            file = parquet.ParquetFile(path, memory_map=True)
        except (OSError, ValueError) as wrong:
            raise TellapartError(f"{path} cannot be read as Parquet: {str(wrong).splitlines()[0]}") from wrong
        names = file.schema_arrow.names
        if not {"vector", "label"} <= set(names):
            raise TellapartError(f"{path} has the columns {', '.join(names)}: it needs 'vector' and 'label'")
        groups = tuple(file.metadata.row_group(number).num_rows for number in range(file.num_row_groups))
        if not sum(groups):
            raise TellapartError(f"{path} has no rows")
        first = next(number for number, size in enumerate(groups) if size)
        dim = _read(file, path, first, classes, None).vectors.shape[1]
        return cls(path, classes, dim, groups, _held(groups, held_out, seed))

    def digest(self) -> str:
        """Hash the file's size, its footer (shape and statistics of every column), and BLOCKS blocks all over it."""
        size = self.path.stat().st_size
        hashed = hashlib.blake2b(size.to_bytes(8, "little"), digest_size=16)
        with self.path.open("rb") as file:
            file.seek(max(0, size - 8))
            footer = int.from_bytes(file.read(4), "little")
            for start in [max(0, size - 8 - footer), *np.linspace(0, size, BLOCKS, dtype=np.int64).tolist()]:
                file.seek(start)
                hashed.update(file.read(max(BLOCK, footer if start == size - 8 - footer else 0)))
        return hashed.hexdigest()

    def validation(self) -> Rows:
        """Read the rows held out."""
        parts = [self._group(group).take(rows) for group, rows in sorted(self.held.items())]
        return _joined(parts) if parts else Rows(np.empty((0, self.dim), np.float32), np.empty(0, np.int64))

    def all(self) -> Rows:
        """Read everything: for a file of validation rows."""
        return _joined([self._group(group) for group in range(len(self.groups))])

    @property
    def rows(self) -> int:
        """Rows to train on."""
        return sum(self.groups) - sum(len(rows) for rows in self.held.values())

    def batches(self, size: int, workers: Workers, *, first_step: int = 0, seed: int = 0) -> Iterator[Rows]:
        """Give this worker's part of every global batch from `first_step` on, without end."""
        step = epoch = 0
        while True:
            order = np.random.default_rng([seed, epoch]).permutation(len(self.groups))
            for number, window in enumerate(self._windows(order)):
                count = sum(self._size(group) for group in window)
                steps = -(-count // size)
                if step + steps > first_step:
                    rows = self._window(window)
                    shuffled = np.random.default_rng([seed, epoch, number]).permutation(count)
                    for batch in range(max(0, first_step - step), steps):
                        chosen = shuffled[batch * size : (batch + 1) * size]
                        part = workers.share(len(chosen))
                        yield rows.take(chosen[part.start : part.stop])
                step += steps
            epoch += 1

    def _size(self, group: int) -> int:
        return self.groups[group] - len(self.held.get(group, ()))

    def _windows(self, order: NDArray[np.int64]) -> Iterator[list[int]]:
        window: list[int] = []
        size = 0
        for group in order.tolist():
            window.append(group)
            size += self._size(group)
            if size >= WINDOW:
                yield window
                window, size = [], 0
        if size:
            yield window

    def _window(self, groups: list[int]) -> Rows:
        parts = []
        for group in groups:
            rows = self._group(group)
            parts.append(rows.take(np.delete(np.arange(len(rows)), self.held.get(group, []))))
        return _joined(parts)

    def _group(self, group: int) -> Rows:
        file = require("pyarrow.parquet", extra="train").ParquetFile(self.path, memory_map=True)
        return _read(file, self.path, group, self.classes, self.dim, sum(self.groups[:group]))


def _held(groups: tuple[int, ...], count: int, seed: int) -> dict[int, NDArray[np.int64]]:
    if not count:
        return {}
    if count >= sum(groups):
        raise TellapartError(f"cannot hold out {count:,} of {sum(groups):,} rows: use a smaller --hold-out")
    filled = [number for number, size in enumerate(groups) if size]
    chosen = [
        filled[place] for place in np.linspace(0, len(filled) - 1, min(HELD_GROUPS, len(filled))).astype(int)
    ]
    draw = np.random.default_rng([seed, 1])
    sizes = np.array([groups[group] for group in chosen])
    # a share of each group, and never all of it
    wanted = np.minimum(sizes - 1, -(-count * sizes // sizes.sum()))
    return {
        group: np.sort(draw.choice(groups[group], share, replace=False))
        for group, share in zip(chosen, wanted.tolist(), strict=True)
        if share
    }


def _joined(parts: list[Rows]) -> Rows:
    return Rows(
        np.concatenate([part.vectors for part in parts]), np.concatenate([part.labels for part in parts])
    )


def _read(file: Any, path: Path, group: int, classes: int, dim: int | None, before: int = 0) -> Rows:  # noqa: ANN401
    """Read one row group and refuse what cannot be trained on; `before` rows come before it in the file."""
    import pyarrow as arrow

    table = file.read_row_group(group, columns=["vector", "label"]).combine_chunks()
    column, labels = table.column("vector").combine_chunks(), table.column("label").combine_chunks()
    if not arrow.types.is_integer(labels.type):
        raise TellapartError(f"{path}: 'label' is {labels.type}, not an integer")
    kind = column.type
    lists = (arrow.types.is_list, arrow.types.is_large_list, arrow.types.is_fixed_size_list)
    if not any(fits(kind) for fits in lists) or not arrow.types.is_floating(kind.value_type):
        raise TellapartError(f"{path}: 'vector' is {kind}, not a list of floats")
    if column.null_count or labels.null_count:
        raise TellapartError(
            f"{path}: empty entries in row group {group}: every row needs a vector and a label"
        )
    flat = column.flatten().to_numpy(zero_copy_only=False)
    fixed = arrow.types.is_fixed_size_list(kind)
    lengths_of = [kind.list_size] if fixed else column.value_lengths().to_pylist()
    width, lengths = dim or lengths_of[0], set(lengths_of)
    if lengths - {width} or width < 1:
        ragged = (
            [length != lengths_of[0] for length in lengths_of]
            if dim is None
            else [length != dim for length in lengths_of]
        )
        row = ragged.index(True) if any(ragged) else 0
        wanted = dim or lengths_of[0]
        raise TellapartError(
            f"{path}, row {before + row}: the vector has {lengths_of[row]} dimensions, the others have {wanted}"
        )
    rows = Rows(flat.astype(np.float32, copy=False).reshape(-1, width), labels.to_numpy().astype(np.int64))
    _refuse(rows, path, classes, before)
    return rows


def _refuse(rows: Rows, path: Path, classes: int, before: int) -> None:
    outside = (rows.labels < 0) | (rows.labels >= classes)
    if outside.any():
        row = int(outside.argmax())
        raise TellapartError(
            f"{path}, row {before + row}: label {rows.labels[row]} lies outside 0 to {classes - 1}: raise --classes"
        )
    # a sum of squares is finite and positive exactly if the vector is finite and not zero
    squares = np.einsum("ij,ij->i", rows.vectors, rows.vectors)
    wrong = ~(np.isfinite(squares) & (squares > 0))
    if wrong.any():
        raise TellapartError(f"{path}, row {before + int(wrong.argmax())}: the vector is zero or not finite")
