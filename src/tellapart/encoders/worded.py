"""Another encoder with the words of a text beside its vectors: config.json, words.npz and tokenizer.json.

    {"format": 1, "kind": "worded", "name": "adapted", "base": "minilm", "base_fingerprint": "...", "dim": 768,
     "scale": 0.55, "words": "words.npz", "tokenizer": "tokenizer.json"}

The product of two vectors is base * base + scale^2 words * words (words.py), brought to unit length.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tellapart.encoders.adapted import opened_base
from tellapart.encoders.config import FORMAT, config_of, need_files
from tellapart.encoders.digests import file_digest
from tellapart.encoders.protocol import Encoder, Span, SpanEncoder, Vectors
from tellapart.encoders.rows import unit_rows
from tellapart.encoders.tokens import TokenIds, Tokens
from tellapart.encoders.words import WordTable
from tellapart.errors import TellapartError
from tellapart.progress import Progress, silent

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


class WordEncoder:
    """The words alone; what is too long for one text is for the base to say, so that both see the same windows."""

    def __init__(self, table: WordTable, tokens: Tokens, base: Encoder) -> None:
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


class WordedEncoder:
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
        self.words = WordEncoder(table, Tokens(folder / self.config.tokenizer), self.base)
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

    def encode_document(self, texts: Sequence[str], *, progress: Progress = silent) -> Vectors:
        """Encode units: (n, dim), rows of unit length."""
        vectors = self.base.encode_document(texts, progress=progress)
        return beside(vectors, self.words.encode_document(texts), self.config.scale)

    @property
    def pools_spans(self) -> bool:
        """Whether the base gives vectors of spans."""
        return isinstance(self.base, SpanEncoder) and self.base.pools_spans

    def encode_spans(
        self, texts: Sequence[str], spans: Sequence[Sequence[Span | None]], *, progress: Progress = silent
    ) -> Vectors:
        """Encode each text once and pool spans of it, as the base does; a span has its own words."""
        assert isinstance(self.base, SpanEncoder)
        pairs = zip(texts, spans, strict=True)
        words = [text[slice(*span)] if span else text for text, wanted in pairs for span in wanted]
        return beside(
            self.base.encode_spans(texts, spans, progress=progress),
            self.words.encode_document(words),
            self.config.scale,
        )

    def count_tokens(self, texts: Sequence[str]) -> NDArray[np.int32]:
        """Tokens of each text as the base counts them."""
        return self.base.count_tokens(texts)


def beside(vectors: Vectors, words: Vectors, scale: float) -> Vectors:
    """Put words (n, k) beside an encoder's vectors (n, d): (n, d + k), rows of unit length."""
    if not len(vectors):
        return np.zeros((0, vectors.shape[1] + words.shape[1]), dtype=np.float32)
    return unit_rows(np.hstack([vectors, np.float32(scale) * words]), encoder=KIND)


def bare_ids(tokens: Tokens, texts: Sequence[str]) -> list[TokenIds]:
    """Token numbers of each text, without special ones, uncut."""
    return [row[1:-1] for row in tokens.ids(texts, None)]
