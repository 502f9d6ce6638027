"""Another encoder followed by a map that was fitted to a corpus: config.json and map.npy (linear) or map.npz.

    {"format": 1, "kind": "adapted", "name": "adapted", "base": "minilm", "base_fingerprint": "...", "dim": 384,
     "map": "map.npy"}

A vector x of the base becomes M x, brought to unit length; queries and documents go through the same map.
"""

from __future__ import annotations

import hashlib
import logging
from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tellapart.encoders.config import FORMAT, config_of, file_digest, need_files
from tellapart.encoders.protocol import Encoder, OfTexts, Span, SpanEncoder, Vectors, unit_rows
from tellapart.errors import TellapartError
from tellapart.progress import Progress, silent

VectorMap = NDArray[np.float32]
"""A matrix (e, d) that maps vectors of d dimensions to e."""


def apply_map(vectors: Vectors, by: VectorMap) -> Vectors:
    """Map vectors (n, d) by a matrix (e, d), row by row alike: a row's result is its own."""
    found: Vectors = np.einsum("nd,ed->ne", vectors, by)
    return found


def write_map(by: VectorMap, folder: Path) -> str:
    """Write a map into a folder and give the name of its file."""
    np.save(folder / "map.npy", by, allow_pickle=False)
    return "map.npy"


def read_map(path: Path, *, dim: int, base_dim: int) -> VectorMap:
    """Read a map from `base_dim` to `dim` dimensions.

    Raises:
        TellapartError: It cannot be read, or has other dimensions.
    """
    try:
        found = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise TellapartError(f"cannot read {path}: {error}; fit or copy the encoder again") from error
    if not isinstance(found, np.ndarray):
        raise TellapartError(f"{path} holds several arrays, not one map: fit or copy the encoder again")
    if found.dtype != np.float32 or found.shape != (dim, base_dim):
        raise TellapartError(
            f"{path} holds {found.dtype} {found.shape}, config.json and its base ask for float32 {(dim, base_dim)}:"
            " fit or copy the encoder again"
        )
    return found


KIND = "adapted"

REACHED = 0.05
"""Quantile of the learned texts' cosines with the nearest label that a text of the same domain reaches."""

OTHER = 0.5
"""Share of texts below it from which a corpus is another domain than the learned one: ten times what is expected."""

LOOKED_AT = 50
"""Texts seen before anything is said: the share of strangers among them is then known to about .1."""

log = logging.getLogger("tellapart")


@dataclass(frozen=True, slots=True)
class Domain:
    """Where the texts lie that a map was fitted to: means of the labels (k, d), and a cosine that nearly all reach."""

    centres: Vectors
    least: float

    @classmethod
    def of(cls, vectors: Vectors, centres: Vectors) -> Domain:
        """Describe learned unit vectors (n, d) by the means of their labels (k, d)."""
        rows = unit_rows(centres, encoder=KIND)
        return cls(rows, float(np.quantile((vectors @ rows.T).max(axis=1), REACHED)))

    def outside(self, vectors: Vectors) -> NDArray[np.bool_]:
        """Say which unit vectors (n, d) of the base lie farther from every label than nearly all learned texts."""
        return np.asarray((vectors @ self.centres.T).max(axis=1) < self.least)

    def save(self, folder: Path) -> str:
        """Write into a folder and give the name of the file."""
        np.savez(folder / "domain.npz", centres=self.centres, least=np.float64(self.least))
        return "domain.npz"

    @classmethod
    def load(cls, path: Path) -> Domain:
        """Read what `save` wrote.

        Raises:
            TellapartError: It cannot be read.
        """
        try:
            with np.load(path, allow_pickle=False) as content:
                return cls(content["centres"], float(content["least"]))
        except (OSError, ValueError, KeyError) as error:
            raise TellapartError(f"cannot read {path}: {error}; fit or copy the encoder again") from error


@dataclass(frozen=True, slots=True)
class AdaptedConfig:
    """What config.json says."""

    name: str
    base: str
    base_fingerprint: str
    dim: int
    map: str = "map.npy"
    domain: str = ""
    format: int = FORMAT
    kind: str = KIND


class OnBase(OfTexts):
    """An encoder that makes its vectors of those of another one."""

    base: Encoder

    @abstractmethod
    def derive(self, vectors: Vectors, texts: Sequence[str]) -> Vectors:
        """Make vectors (n, dim), rows of unit length, of the base's (n, base.dim) of the same texts."""

    def encode_document(self, texts: Sequence[str], *, progress: Progress = silent) -> Vectors:
        """Encode units: (n, dim), rows of unit length."""
        return self.derive(self.base.encode_document(texts, progress=progress), texts)

    @property
    def pools_spans(self) -> bool:
        """Whether the base gives vectors of spans."""
        return isinstance(self.base, SpanEncoder) and self.base.pools_spans

    def count_tokens(self, texts: Sequence[str]) -> NDArray[np.int32]:
        """Tokens of each text as the base counts them."""
        return self.base.count_tokens(texts)


class AdaptedEncoder(OnBase):
    """Runs the base encoder, then the map."""

    def __init__(self, folder: Path, load: Callable[[str], Encoder], *, name: str | None = None) -> None:
        """Open a folder; `load` opens the base by its name."""
        self.folder = folder
        self.config = config_of(KIND, AdaptedConfig, folder)
        need_files(folder, self.config.map)
        self.base = opened_base(folder, self.config.base, self.config.base_fingerprint, load)
        self._map = read_map(folder / self.config.map, dim=self.config.dim, base_dim=self.base.dim)
        self._domain = Domain.load(folder / self.config.domain) if self.config.domain else None
        self._seen = self._outside = 0
        self.name = name or f"folder:{folder}"
        self.dim = self.config.dim
        self.max_tokens = self.base.max_tokens
        hashed = hashlib.blake2b(file_digest(folder / self.config.map), digest_size=16)
        hashed.update(self.base.fingerprint.encode())
        self.fingerprint = hashed.hexdigest()

    def encode_query(self, texts: Sequence[str]) -> Vectors:
        """Encode queries: (n, dim), rows of unit length."""
        return self._mapped(self.base.encode_query(texts))

    def derive(self, vectors: Vectors, texts: Sequence[str]) -> Vectors:
        """Map vectors of the base; says once when they are of another domain than the map was fitted to."""
        self._look(vectors)
        return self._mapped(vectors)

    def encode_spans(
        self, texts: Sequence[str], spans: Sequence[Sequence[Span | None]], *, progress: Progress = silent
    ) -> Vectors:
        """Encode each text once and pool spans of it, as the base does."""
        assert isinstance(self.base, SpanEncoder)
        return self._mapped(self.base.encode_spans(texts, spans, progress=progress))

    def _look(self, vectors: Vectors) -> None:
        if self._domain is None or not len(vectors):
            return
        told = self._is_outside
        self._seen += len(vectors)
        self._outside += int(self._domain.outside(vectors).sum())
        if self._is_outside and not told:
            log.warning(
                "%s was fitted to other texts than these: %.0f %% of %d lie far from all its labels, and there it may"
                " harm; compare it with %s by 'tellapart evaluate'",
                self.name,
                100 * self._outside / self._seen,
                self._seen,
                self.config.base,
            )

    @property
    def _is_outside(self) -> bool:
        return self._seen >= LOOKED_AT and self._outside > OTHER * self._seen

    def _mapped(self, vectors: Vectors) -> Vectors:
        if not len(vectors):
            return np.zeros((0, self.dim), dtype=np.float32)
        return unit_rows(apply_map(vectors, self._map), encoder=self.name)


def opened_base(folder: Path, base: str, fingerprint: str, load: Callable[[str], Encoder]) -> Encoder:
    """Open the encoder that a folder builds on.

    Raises:
        TellapartError: It is another version than the one the folder was fitted to.
    """
    opened = load(base)
    if opened.fingerprint != fingerprint:
        raise TellapartError(
            f"{folder} was fitted to another version of {base!r}: fit it again with 'tellapart adapt'"
        )
    return opened
