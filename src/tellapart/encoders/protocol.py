"""What every encoder offers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from tellapart.progress import Progress

Vectors = NDArray[np.float32]


@runtime_checkable
class Encoder(Protocol):
    """Turns texts into float32 vectors of unit length.

    `fingerprint` is a hash of the weights (and of what else changes the vectors), never of the name.
    `max_tokens` is the longest input that is not cut, special tokens included; None = unlimited.
    """

    name: str
    dim: int
    max_tokens: int | None
    fingerprint: str

    def encode_query(self, texts: Sequence[str]) -> Vectors:
        """Encode queries: (n, dim), rows of unit length."""
        ...

    def encode_document(self, texts: Sequence[str], *, progress: Progress = ...) -> Vectors:
        """Encode units: (n, dim), rows of unit length."""
        ...

    def count_tokens(self, texts: Sequence[str]) -> NDArray[np.int32]:
        """Tokens of each text, special tokens included, without truncation."""
        ...
