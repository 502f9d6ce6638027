"""Synthetic identities: unit prototypes plus noise, as a Parquet file of vectors and labels.

The prototype of an identity is computed from its number alone, so that millions need no memory and any row can be
written at any time: `python bench/identities.py ids.parquet --classes 1_000_000 --rows 4_000_000`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pyarrow as arrow
import pyarrow.parquet as parquet
from numpy.typing import NDArray
from scipy.special import ndtri

GROUP = 65_536


def prototypes(labels: NDArray[np.int64], dim: int) -> NDArray[np.float32]:
    """Unit vectors, uniform on the sphere: splitmix64 of identity and axis, through the inverse normal."""
    numbers = labels.astype(np.uint64)[:, None] * np.uint64(dim) + np.arange(dim, dtype=np.uint64)
    numbers = (numbers + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    numbers ^= numbers >> np.uint64(31)
    uniform = ((numbers >> np.uint64(41)).astype(np.float32) + np.float32(0.5)) / np.float32(2**23)
    rows = ndtri(uniform)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def sample(
    labels: NDArray[np.int64], dim: int, noise: float, draw: np.random.Generator
) -> NDArray[np.float32]:
    """Prototype plus normal noise of expected length `noise`."""
    return prototypes(labels, dim) + draw.normal(size=(len(labels), dim)).astype(np.float32) * np.float32(
        noise / dim**0.5
    )


def write(path: Path, labels: NDArray[np.int64], dim: int, noise: float, seed: int) -> None:
    """Write one row per label, in that order, vectors in float16."""
    draw = np.random.default_rng(seed)
    kind = arrow.list_(arrow.float16(), dim)
    schema = arrow.schema([("vector", kind), ("label", arrow.int64())])
    with parquet.ParquetWriter(path, schema, compression="none", use_dictionary=False) as writer:
        for start in range(0, len(labels), GROUP):
            part = labels[start : start + GROUP]
            flat = sample(part, dim, noise, draw).astype(np.float16).ravel()
            vectors = arrow.FixedSizeListArray.from_arrays(arrow.array(flat), dim)
            writer.write_table(arrow.table([vectors, arrow.array(part)], schema=schema), row_group_size=GROUP)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path)
    parser.add_argument("--classes", type=int, required=True)
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--noise", type=float, default=0.5)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    draw = np.random.default_rng([options.seed, 1])
    labels = np.concatenate(
        [draw.permutation(options.classes) for _ in range(-(-options.rows // options.classes))]
    )
    write(options.output, labels[: options.rows], options.dim, options.noise, options.seed)


if __name__ == "__main__":
    main()
