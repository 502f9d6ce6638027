"""A small encoder whose tokens are words, so that tests can count by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import blake2b
from pathlib import Path

import numpy as np
import pytest

from tellapart.encoders.cache import VectorCache
from tellapart.progress import silent


class WordEncoder:
    """[CLS] words [SEP]; the vector of a text is a hash of its first `max_tokens` tokens."""

    name = "words"
    dim = 16
    fingerprint = "words-1"

    def __init__(self, max_tokens: int | None = 12) -> None:
        self.max_tokens = max_tokens
        self.seen: list[str] = []

    def encode_query(self, texts: Sequence[str]) -> np.ndarray:
        return self.encode_document(texts)

    def encode_document(self, texts: Sequence[str], *, progress=silent) -> np.ndarray:
        self.seen += texts
        return np.array([self.vector(text) for text in texts], dtype=np.float32).reshape(-1, self.dim)

    def vector(self, text: str) -> np.ndarray:
        words = text.split()
        if self.max_tokens is not None:
            words = words[: self.max_tokens - 2]
        seed = int.from_bytes(blake2b(" ".join(words).encode(), digest_size=4).digest(), "little")
        made = np.random.default_rng(seed).standard_normal(self.dim)
        return made / np.linalg.norm(made)

    def count_tokens(self, texts: Sequence[str]) -> np.ndarray:
        return np.array([len(text.split()) + 2 for text in texts], dtype=np.int32)


@pytest.fixture(scope="session")
def word_encoder() -> Callable[..., WordEncoder]:
    return WordEncoder


@pytest.fixture
def cache(tmp_path: Path) -> VectorCache:
    return VectorCache(tmp_path / "cache")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep every test away from the user's cache."""
    monkeypatch.setenv("TELLAPART_CACHE", str(tmp_path / "user-cache"))
