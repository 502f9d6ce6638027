"""Several encoders as one: a vector of each, side by side, so that a cosine is the mean of their cosines."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tellapart.encoders.protocol import Encoder, OfImages, OfTexts, Span, SpanEncoder, Vectors
from tellapart.errors import TellapartError
from tellapart.progress import Progress, part_of, silent


class JoinedEncoder(OfTexts):
    """Encodes with every part: unit vectors side by side, over the root of how many there are.

    Encoders that were trained on different things err on different texts, and their mean errs on fewer (an ensemble:
    Dietterich 2000). What is longer than the shortest window of the parts is cut into windows for all of them.
    """

    def __init__(self, parts: Sequence[Encoder]) -> None:
        """Join two encoders of texts or more.

        Raises:
            TellapartError: One of them encodes images, or there is one alone.
        """
        self.parts = tuple(parts)
        self.name = "+".join(part.name for part in self.parts)
        if len(self.parts) < 2 or any(isinstance(part, OfImages) for part in self.parts):
            raise TellapartError(f"the encoder {self.name!r}: only encoders of texts are joined, two or more")
        self.dim = sum(part.dim for part in self.parts)
        windows = [part.max_tokens for part in self.parts if part.max_tokens is not None]
        self.max_tokens = min(windows, default=None)
        joined = "+".join(part.fingerprint for part in self.parts)
        self.fingerprint = hashlib.blake2b(joined.encode(), digest_size=16).hexdigest()

    def encode_query(self, texts: Sequence[str]) -> Vectors:
        """Encode queries: (n, dim), rows of unit length."""
        return self.join([part.encode_query(texts) for part in self.parts])

    def encode_document(self, texts: Sequence[str], *, progress: Progress = silent) -> Vectors:
        """Encode units: (n, dim), rows of unit length; `progress` is told of parts."""
        with progress("", len(self.parts) * len(texts)) as advance:
            return self.join(
                [part.encode_document(texts, progress=part_of(advance, len(texts))) for part in self.parts]
            )

    def count_tokens(self, texts: Sequence[str]) -> NDArray[np.int32]:
        """Tokens of each text by the part that makes most of it, so that none of them cuts it off."""
        counts: NDArray[np.int32] = np.max([part.count_tokens(texts) for part in self.parts], axis=0)
        return counts

    @property
    def pools_spans(self) -> bool:
        """Whether every part pools spans."""
        return all(isinstance(part, SpanEncoder) and part.pools_spans for part in self.parts)

    def encode_spans(
        self, texts: Sequence[str], spans: Sequence[Sequence[Span | None]], *, progress: Progress = silent
    ) -> Vectors:
        """Encode spans with every part, as `SpanEncoder` says."""
        pooling = [part for part in self.parts if isinstance(part, SpanEncoder)]
        with progress("", len(pooling) * len(texts)) as advance:
            return self.join(
                [part.encode_spans(texts, spans, progress=part_of(advance, len(texts))) for part in pooling]
            )

    def join(self, made: Sequence[Vectors]) -> Vectors:
        """Put vectors of the same texts, one array (n, part.dim) of each part, side by side: (n, dim), unit rows."""
        return np.concatenate(made, axis=1) / np.float32(np.sqrt(len(made)))
