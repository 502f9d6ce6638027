"""What every encoder offers, and rows of unit length, whatever a model returned."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import wraps
from typing import NoReturn, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tellapart.arguments import texts
from tellapart.errors import TellapartError
from tellapart.progress import Progress, silent

Vectors = NDArray[np.float32]

Span = tuple[int, int]
"""Characters of a text: the first one, and the one behind the last."""


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


@runtime_checkable
class SpanEncoder(Encoder, Protocol):
    """An encoder whose tokens have vectors, so that one pass over a text serves every span of it.

    `pools_spans` says whether means over some tokens are vectors like those of whole texts: not where a text's
    vector is that of its first token, for example.
    """

    @property
    def pools_spans(self) -> bool:
        """Whether spans may be pooled."""
        ...

    def encode_spans(
        self, texts: Sequence[str], spans: Sequence[Sequence[Span | None]], *, progress: Progress = ...
    ) -> Vectors:
        """Encode each text once, and average the vectors of the tokens that start in each of its spans.

        Args:
            texts: Units or windows.
            spans: For each text, the spans wanted of it; None = the vector of the whole text.
            progress: Told of texts.

        Returns:
            (spans of all texts, dim) float32, rows of unit length, text after text.
        """
        ...


def _one_or_several(method: Callable[..., Vectors]) -> Callable[..., Vectors]:
    """Let a method take one text as a list of one, and never as a list of its letters."""

    @wraps(method)
    def checked(self: OfTexts, given: str | Sequence[str], **settings: Progress) -> Vectors:
        return method(self, [given] if isinstance(given, str) else given, **settings)

    return checked


class OfTexts(ABC):
    """An encoder of texts, with `encode` as sentence-transformers has it.

    `encode_query` and `encode_document` of every subclass take a single text for a list of one: (1, dim).
    """

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        for name in ("encode_query", "encode_document"):
            if name in vars(cls):
                setattr(cls, name, _one_or_several(vars(cls)[name]))

    @abstractmethod
    def encode_document(self, texts: Sequence[str], *, progress: Progress = silent) -> Vectors:
        """Encode units: (n, dim), rows of unit length."""

    def encode(
        self,
        sentences: str | Sequence[str],
        batch_size: int | None = None,
        *,
        normalize_embeddings: bool = True,
    ) -> Vectors:
        """Encode texts as `SentenceTransformer.encode` does; queries are better served by `encode_query`.

        Args:
            sentences: One text, or several.
            batch_size: Texts encoded at once, at most; None = the encoder forms its batches itself, which is faster.
            normalize_embeddings: Vectors always have unit length; False is refused.

        Returns:
            (dim,) float32 for one text, (n, dim) for n.

        Raises:
            TellapartError: Other vectors than those of unit length are asked for, or a batch size below 1.
        """
        if not normalize_embeddings:
            raise TellapartError(
                "encoders of tellapart give vectors of unit length: leave normalize_embeddings out"
            )
        if batch_size is not None and batch_size < 1:
            raise TellapartError(f"batch_size is {batch_size}: give 1 or more")
        given = texts(sentences, "sentences")
        if isinstance(sentences, str):
            single: Vectors = self.encode_document(given)[0]
            return single
        size = batch_size or max(len(given), 1)
        starts = range(0, max(len(given), 1), size)
        return np.concatenate([self.encode_document(given[start : start + size]) for start in starts])


@runtime_checkable
class DerivedEncoder(Encoder, Protocol):
    """An encoder whose vectors are made from those of another one, which may be known already."""

    @property
    def base(self) -> Encoder:
        """The other one."""
        ...

    def derive(self, vectors: Vectors, texts: Sequence[str]) -> Vectors:
        """Make vectors (n, dim), rows of unit length, from the base's (n, base.dim) of the same texts."""
        ...


class OfImages(ABC):
    """An encoder of images: turns them, not texts, into float32 vectors of unit length.

    It looks at `size` x `size` pixels of 1 or 3 `channels`; other images are scaled (scaling.py). One that looks at
    the `whole` image, wherever in it the thing is, is shown up to `size` pixels of the longer side.
    """

    name: str
    dim: int
    size: int
    channels: int
    whole: bool = False
    max_tokens: int | None = None
    fingerprint: str

    @abstractmethod
    def encode_images(
        self, images: Sequence[ArrayLike] | NDArray[np.uint8], *, progress: Progress = silent
    ) -> Vectors:
        """Encode images, each (height, width) or (height, width, channels) uint8: (n, dim), unit rows."""

    def encode_query(self, texts: Sequence[str]) -> Vectors:
        """Refuse texts."""
        self._refuse()

    def encode_document(self, texts: Sequence[str], *, progress: Progress = silent) -> Vectors:
        """Refuse texts."""
        self._refuse()

    def count_tokens(self, texts: Sequence[str]) -> NDArray[np.int32]:
        """Refuse texts."""
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise TellapartError(
            f"{self.name} encodes images, not texts: give an image as example (--like), or use another encoder"
        )


VANISHING = 1e-12
"""A vector shorter than this has no direction that means anything (float32 products lose it)."""


def unit_rows(values: ArrayLike, *, encoder: str) -> Vectors:
    """Scale rows to unit length; a row of zeros (a text without any known token) gets the last axis.

    Args:
        values: (n, dim), any float type.
        encoder: Named in the error.

    Raises:
        TellapartError: A value is NaN or infinite.
    """
    rows = np.array(values, dtype=np.float32, ndmin=2)
    if not np.isfinite(rows).all():
        raise TellapartError(
            f"the encoder {encoder!r} returned NaN or infinite values: its weights are damaged; get them again"
        )
    lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows, dtype=np.float64))
    lost = lengths < VANISHING
    if lost.any():
        rows[lost] = 0.0
        rows[lost, -1] = 1.0
        lengths[lost] = 1.0
    rows /= lengths[:, None].astype(np.float32)
    return rows


def stored_precision(rows: Vectors) -> Vectors:
    """Round to what the cache and the index keep (float16), so that a cached vector equals a fresh one."""
    return rows.astype(np.float16).astype(np.float32)
