"""BM25 as vectors: the words of a text in a few hundred dimensions.

BM25 is a product of two sparse vectors over tokens: sqrt(idf) for each token of a query, and
sqrt(idf) tf / (tf + k1 (1 - b + b length / average)) for a unit. Both are projected onto the leading right singular
vectors of the units' matrix, which is the nearest product that so few dimensions can hold (Eckart and Young 1936).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tellapart.encoders.decomposing import right_directions
from tellapart.encoders.protocol import Vectors
from tellapart.encoders.tokens import TokenIds
from tellapart.errors import TellapartError

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

REACHED = 90
"""Percentile of the units' lengths at which longer vectors are cut. 50 to 100 rank alike on seven collections; a
higher one leaves more of every vector to the axis that fills it up."""

NUMBERS = ("k1", "b", "average", "reach")


@dataclass(frozen=True, slots=True)
class WordTable:
    """Directions of known tokens.

    `tokens` (t,) int32, sorted; `rows` (t, k) float32, sqrt(idf) times a right singular vector; `average` tokens of a
    unit; `reach` = the length that stands for 1.
    """

    tokens: NDArray[np.int32]
    rows: NDArray[np.float32]
    k1: float
    b: float
    average: float
    reach: float

    @classmethod
    def fit(cls, ids: Sequence[TokenIds], dim: int, *, k1: float, b: float, seed: int = 0) -> WordTable:
        """Fit to the token numbers of all units of a corpus, without special tokens.

        Args:
            ids: Of each unit.
            dim: Of the vectors, at most: one axis of them fills units up to length 1.
            k1: Of BM25.
            b: Of BM25.
            seed: Of the randomised decomposition.

        Raises:
            TellapartError: No unit holds a token.
        """
        tokens = np.unique(np.concatenate([*ids, np.zeros(0, dtype=np.int64)])).astype(np.int32)
        if not len(tokens):
            raise TellapartError("the corpus does not hold a single word: there is nothing to adapt to")
        average = float(np.mean([len(row) for row in ids]))
        plain = cls(tokens, np.zeros((len(tokens), 0), dtype=np.float32), k1, b, average, 1.0)
        matrix = plain._saturated(ids)
        spread = np.bincount(matrix.indices, minlength=len(tokens))
        rarity = np.sqrt(np.log1p((len(ids) - spread + 0.5) / (spread + 0.5))).astype(np.float32)
        directions = right_directions(matrix.multiply(rarity[None]).tocsr(), dim - 1, seed)
        rows = (directions * rarity[:, None]).astype(np.float16).astype(np.float32)
        reach = float(np.percentile(np.linalg.norm(matrix @ rows, axis=1), REACHED)) or 1.0
        return cls(tokens, rows, k1, b, average, reach)

    @property
    def dim(self) -> int:
        """Dimensions of the vectors."""
        return int(self.rows.shape[1]) + 1

    def of_queries(self, ids: Sequence[TokenIds]) -> Vectors:
        """Give vectors of queries (n, dim): of unit length, zero on the last axis, zero without a known token."""
        found = self._counted(ids) @ self.rows
        lengths = np.linalg.norm(found, axis=1, keepdims=True)
        return _with_axis(found / np.where(lengths > 0, lengths, 1.0), np.zeros(len(found), dtype=np.float32))

    def of_units(self, ids: Sequence[TokenIds]) -> Vectors:
        """Give vectors of units (n, dim) of unit length; the last axis holds what words leave of it."""
        found = self._saturated(ids) @ self.rows / np.float32(self.reach)
        lengths = np.linalg.norm(found, axis=1)
        found /= np.maximum(lengths, 1.0)[:, None]
        return _with_axis(found, np.sqrt(1 - np.minimum(lengths, 1.0) ** 2))

    def save(self, path: Path) -> None:
        """Write as .npz."""
        numbers = np.array([getattr(self, name) for name in NUMBERS], dtype=np.float64)
        np.savez(path, tokens=self.tokens, rows=self.rows.astype(np.float16), numbers=numbers)

    @classmethod
    def load(cls, path: Path) -> WordTable:
        """Read what `save` wrote.

        Raises:
            TellapartError: It cannot be read, or its parts do not fit each other.
        """
        try:
            with np.load(path, allow_pickle=False) as content:
                tokens, rows, numbers = (content[name] for name in ("tokens", "rows", "numbers"))
        except (OSError, ValueError, KeyError) as error:
            raise TellapartError(f"cannot read {path}: {error}; fit or copy the encoder again") from error
        kinds = (tokens.dtype, rows.dtype, numbers.dtype) == (np.int32, np.float16, np.float64)
        if not kinds or rows.ndim != 2 or tokens.shape != rows.shape[:1] or numbers.shape != (len(NUMBERS),):
            raise TellapartError(f"the parts of {path} do not fit each other: fit or copy the encoder again")
        values = dict(zip(NUMBERS, numbers.tolist(), strict=True))
        return cls(tokens, rows.astype(np.float32), **values)

    def _counted(self, ids: Sequence[TokenIds]) -> csr_matrix:
        """Count known tokens: (n, t)."""
        from scipy.sparse import csr_matrix

        flat = np.concatenate([*ids, np.zeros(0, dtype=np.int64)])
        texts = np.repeat(np.arange(len(ids)), [len(row) for row in ids])
        places = np.searchsorted(self.tokens, flat).clip(max=len(self.tokens) - 1)
        known = self.tokens[places] == flat
        ones = np.ones(int(known.sum()), dtype=np.float32)
        return csr_matrix((ones, (texts[known], places[known])), shape=(len(ids), len(self.tokens)))

    def _saturated(self, ids: Sequence[TokenIds]) -> csr_matrix:
        """Give tf / (tf + k1 (1 - b + b length / average)): (n, t)."""
        counts = self._counted(ids)
        lengths = np.repeat([len(row) for row in ids], np.diff(counts.indptr))
        longer = self.k1 * (1 - self.b + self.b * lengths / max(self.average, 1.0))
        counts.data = (counts.data / (counts.data + longer)).astype(np.float32)
        return counts


def _with_axis(vectors: Vectors, last: NDArray[np.float32]) -> Vectors:
    return np.column_stack([vectors, last]).astype(np.float32)
