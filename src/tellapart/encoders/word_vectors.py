"""BM25 as vectors: the words of a text in a few hundred dimensions.

BM25 is a product of two sparse vectors over tokens: sqrt(idf) for each token of a query, and
sqrt(idf) tf / (tf + k1 (1 - b + b length / average)) for a unit. Both are projected onto the leading right singular
vectors of the units' matrix, which is the nearest product that so few dimensions can hold (Eckart and Young 1936).

`HybridEncoder` is another encoder with the words of a text beside its vectors, kept in a folder: config.json,
words.npz and tokenizer.json.

    {"format": 1, "kind": "worded", "name": "adapted", "base": "minilm", "base_fingerprint": "...", "dim": 768,
     "scale": 0.55, "words": "words.npz", "tokenizer": "tokenizer.json"}

The product of two vectors is base * base + scale^2 words * words, brought to unit length.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tellapart.encoders.adapted import OnBase, opened_base
from tellapart.encoders.config import FORMAT, config_of, file_digest, need_files
from tellapart.encoders.lsa import right_directions
from tellapart.encoders.protocol import Encoder, OfTexts, Span, SpanEncoder, Vectors, unit_rows
from tellapart.encoders.tokens import TokenIds, TokenizerFile
from tellapart.errors import TellapartError
from tellapart.progress import Progress, silent

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


KIND = "worded"


@dataclass(frozen=True, slots=True)
class WordedConfig:
    """What config.json says."""

    name: str
    base: str
    base_fingerprint: str
    dim: int
    scale: float
    words: str = "words.npz"
    tokenizer: str = "tokenizer.json"
    format: int = FORMAT
    kind: str = KIND


class WordEncoder(OfTexts):
    """The words alone; what is too long for one text is for the base to say, so that both see the same windows."""

    def __init__(self, table: WordTable, tokens: TokenizerFile, base: Encoder) -> None:
        self.name = "words"
        self.dim = table.dim
        self.max_tokens = base.max_tokens
        self.fingerprint = ""
        self._table = table
        self._tokens = tokens
        self._base = base

    def encode_query(self, texts: Sequence[str]) -> Vectors:
        """Encode queries: (n, dim), of unit length, or zero without a known token."""
        return self._table.of_queries(bare_ids(self._tokens, texts))

    def encode_document(self, texts: Sequence[str], *, progress: Progress = silent) -> Vectors:
        """Encode units: (n, dim), rows of unit length."""
        return self._table.of_units(bare_ids(self._tokens, texts))

    def count_tokens(self, texts: Sequence[str]) -> NDArray[np.int32]:
        """Tokens of each text as the base counts them."""
        return self._base.count_tokens(texts)


class HybridEncoder(OnBase):
    """Runs the base encoder, and puts the words beside its vectors."""

    def __init__(self, folder: Path, load: Callable[[str], Encoder], *, name: str | None = None) -> None:
        """Open a folder; `load` opens the base by its name."""
        self.folder = folder
        self.config = config_of(KIND, WordedConfig, folder)
        files = self.config.words, self.config.tokenizer
        need_files(folder, *files)
        self.base = opened_base(folder, self.config.base, self.config.base_fingerprint, load)
        table = WordTable.load(folder / self.config.words)
        self.dim = self.config.dim
        if self.base.dim + table.dim != self.dim:
            raise TellapartError(
                f"{folder}: {self.base.dim} dimensions of {self.config.base!r} and {table.dim} of words are not the"
                f" {self.dim} of config.json: copy the whole folder again"
            )
        self.words = WordEncoder(table, TokenizerFile(folder / self.config.tokenizer), self.base)
        self.name = name or f"folder:{folder}"
        self.max_tokens = self.base.max_tokens
        hashed = hashlib.blake2b(self.base.fingerprint.encode(), digest_size=16)
        for file in files:
            hashed.update(file_digest(folder / file))
        hashed.update(struct.pack("<d", self.config.scale))
        self.fingerprint = hashed.hexdigest()

    def encode_query(self, texts: Sequence[str]) -> Vectors:
        """Encode queries: (n, dim), rows of unit length."""
        return beside(self.base.encode_query(texts), self.words.encode_query(texts), self.config.scale)

    def derive(self, vectors: Vectors, texts: Sequence[str]) -> Vectors:
        """Put the words of texts beside the vectors that the base has of them."""
        return beside(vectors, self.words.encode_document(texts), self.config.scale)

    def encode_spans(
        self, texts: Sequence[str], spans: Sequence[Sequence[Span | None]], *, progress: Progress = silent
    ) -> Vectors:
        """Encode each text once and pool spans of it, as the base does; a span has its own words."""
        assert isinstance(self.base, SpanEncoder)
        pairs = zip(texts, spans, strict=True)
        words = [text[slice(*span)] if span else text for text, wanted in pairs for span in wanted]
        return self.derive(self.base.encode_spans(texts, spans, progress=progress), words)


def beside(vectors: Vectors, words: Vectors, scale: float) -> Vectors:
    """Put words (n, k) beside an encoder's vectors (n, d): (n, d + k), rows of unit length."""
    if not len(vectors):
        return np.zeros((0, vectors.shape[1] + words.shape[1]), dtype=np.float32)
    return unit_rows(np.hstack([vectors, np.float32(scale) * words]), encoder=KIND)


def bare_ids(tokens: TokenizerFile, texts: Sequence[str]) -> list[TokenIds]:
    """Token numbers of each text, without special ones, uncut."""
    return [row[1:-1] for row in tokens.ids(texts, None)]
