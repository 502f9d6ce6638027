"""An encoder whose vectors an index keeps with fewer dimensions, fewer bits, or both: config.json and map.npy.

    {"format": 1, "kind": "compressed", "spec": "128-int8", "base_fingerprint": "...", "dim": 128, "steps": 310.2}

A vector x of the base becomes M x, brought to unit length. M keeps the first dimensions where the base was trained so
that prefixes are embeddings too (Kusupati et al. 2022); else it projects on the directions in which the vectors of the
index vary most (PCA about the origin: of all projections it keeps most of the vectors' squared length, and inner
products change least). What is kept of M x are float16 components, or bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tellapart.encoders.adapted import VectorMap, apply_map, read_map, write_map
from tellapart.encoders.config import config_of, write_config
from tellapart.encoders.protocol import Encoder, OfTexts, Vectors, unit_rows
from tellapart.errors import TellapartError
from tellapart.progress import Progress, silent

KIND = "compressed"
FLOAT16, INT8, BINARY = "float16", "int8", "binary"
PRECISIONS = (FLOAT16, INT8, BINARY)

UNCOMPRESSED = "none"

LEVELS = 127
"""Steps of a byte on either side of 0."""

HEADROOM = 1.1
"""The range of bytes, in largest components seen: vectors that come later reach a little farther. What lies beyond is
cut off; the tenth costs a tenth of a step in precision. Not measured."""

LEAST_DIM = 8
"""Fewer dimensions are a slip of the keyboard."""


@dataclass(frozen=True, slots=True)
class CompressionSpec:
    """How vectors are kept: `dim` dimensions (None = all), and `precision`, one of PRECISIONS.

    With `binary`, codes of one bit a dimension propose candidates, and bytes rank them.
    """

    dim: int | None = None
    precision: str = FLOAT16

    @classmethod
    def parse(cls, text: str) -> CompressionSpec:
        """Read `128`, `int8` or `128-int8`.

        Raises:
            TellapartError: It is none of these.
        """
        dim, _, precision = text.partition("-") if text[:1].isdigit() else ("", "", text)
        right = (not dim or (dim.isdecimal() and int(dim) >= LEAST_DIM)) and (
            precision in PRECISIONS or (dim and not precision)
        )
        if not right:
            raise TellapartError(
                f"--compress {text!r}: give dimensions ({LEAST_DIM} or more), a precision ({', '.join(PRECISIONS)}) or"
                f" both, such as 128, int8 or 128-int8; {UNCOMPRESSED} keeps vectors whole"
            )
        return cls(int(dim) if dim else None, precision or FLOAT16)

    def __str__(self) -> str:
        precision = "" if self.precision == FLOAT16 and self.dim else self.precision
        return "-".join(filter(None, (str(self.dim or ""), precision)))

    @property
    def coded(self) -> bool:
        """Whether one-bit codes propose what is found."""
        return self.precision == BINARY

    @property
    def keeps_bytes(self) -> bool:
        """Whether components are bytes."""
        return self.precision != FLOAT16


def compression_setting(text: str) -> str:
    """Check what a user asks for and spell it as settings keep it; "" keeps vectors as they are.

    Raises:
        TellapartError: It cannot be read.
    """
    return "" if text in (UNCOMPRESSED, FLOAT16) else str(CompressionSpec.parse(text))


@dataclass(frozen=True, slots=True)
class CompressedConfig:
    """What config.json says; `steps` is what a component of 1 is in bytes, 0 where float16 is kept."""

    spec: str
    base_fingerprint: str
    dim: int
    steps: float
    map: str = ""
    format: int = 1
    kind: str = KIND


def read_compressed(folder: Path) -> CompressedConfig:
    """Read config.json.

    Raises:
        TellapartError: It cannot be read.
    """
    return config_of(KIND, CompressedConfig, folder)


class CompressedEncoder(OfTexts):
    """Runs the base encoder, then the map; `rows_to_keep` makes what an index writes."""

    def __init__(self, base: Encoder, spec: CompressionSpec, by: VectorMap | None, steps: float) -> None:
        """Compress what `base` gives by a map (dim, base.dim); None = no map."""
        self.base = base
        self.spec = spec
        self.steps = steps
        self._map = by
        self.name = base.name
        self.dim = base.dim if by is None else len(by)
        self.max_tokens = base.max_tokens
        hashed = hashlib.blake2b(f"{base.fingerprint}|{spec}|{steps:.6g}|".encode(), digest_size=16)
        hashed.update(b"" if by is None else by.tobytes())
        self.fingerprint = hashed.hexdigest()

    @classmethod
    def open(cls, folder: Path, base: Encoder) -> CompressedEncoder:
        """Read what `save` wrote.

        Raises:
            TellapartError: It cannot be read.
        """
        config = read_compressed(folder)
        by = read_map(folder / config.map, dim=config.dim, base_dim=base.dim) if config.map else None
        return cls(base, CompressionSpec.parse(config.spec), by, config.steps)

    def save(self, folder: Path) -> None:
        """Write config.json and the map into a new folder."""
        folder.mkdir(parents=True)
        named = "" if self._map is None else write_map(self._map, folder)
        write_config(
            CompressedConfig(str(self.spec), self.base.fingerprint, self.dim, self.steps, named), folder
        )

    def encode_query(self, texts: Sequence[str]) -> Vectors:
        """Encode queries: (n, dim), rows of unit length, in full precision."""
        vectors = self.base.encode_query(texts)
        return vectors if self._map is None else unit_rows(apply_map(vectors, self._map), encoder=self.name)

    def encode_document(self, texts: Sequence[str], *, progress: Progress = silent) -> Vectors:
        """Encode units: (n, dim), rows of unit length, in full precision."""
        return self.mapped(self.base.encode_document(texts, progress=progress))

    def count_tokens(self, texts: Sequence[str]) -> NDArray[np.int32]:
        """Tokens of each text as the base counts them."""
        return self.base.count_tokens(texts)

    def mapped(self, vectors: Vectors) -> Vectors:
        """Map vectors (n, base.dim) of units; rows of zeros stay so."""
        rows = vectors.astype(np.float32)
        if self._map is None:
            return rows
        there = rows.any(axis=1)
        mapped = np.zeros((len(rows), self.dim), dtype=np.float32)
        if there.any():
            mapped[there] = unit_rows(rows[there] @ self._map.T, encoder=self.name)
        return mapped


def largest_prefix(base: Encoder) -> int:
    """Give the smallest prefix of an encoder's vectors that was trained to stand alone; 0 where none was.

    An encoder says so by its attribute `matryoshka` (Kusupati et al. 2022).
    """
    return int(getattr(base, "matryoshka", 0) or 0)


def map_to(base: Encoder, dim: int | None, second: NDArray[np.float64]) -> VectorMap | None:
    """Give the map of an encoder's vectors to `dim` dimensions; None where they have no more.

    Args:
        base: Of whose vectors.
        dim: Dimensions wanted; None = all.
        second: Mean of x xT (d, d) over the vectors of the index.
    """
    if dim is None or dim >= base.dim:
        return None
    least = largest_prefix(base)
    if 0 < least <= dim:
        return np.eye(dim, base.dim, dtype=np.float32)
    _, directions = np.linalg.eigh(second)
    chosen = directions[:, ::-1][:, :dim].T
    signs = np.sign(chosen[np.arange(dim), np.abs(chosen).argmax(axis=1)])
    return np.ascontiguousarray(chosen * signs[:, None], dtype=np.float32)


def steps_for(largest: float) -> float:
    """Give what a component of 1 is in bytes, if the largest component is this one."""
    return LEVELS / min(HEADROOM * largest, 1.0) if largest > 0 else float(LEVELS)
