"""How alike two texts of code are, by an encoder or by words: what `inspect --code` compares."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tellapart.corpus.document import Kind
from tellapart.encoders.cache import open_cache
from tellapart.encoders.lsa import NAME as LSA
from tellapart.encoders.lsa import LsaEncoder
from tellapart.encoders.pooling import embed
from tellapart.encoders.protocol import Encoder
from tellapart.encoders.windows import UnitText
from tellapart.index.lexical import B_CODE, K1_CODE
from tellapart.index.lexical.tokens import Analyser
from tellapart.progress import Progress, silent

Floats = NDArray[np.float32]
Parts = Sequence[str]
"""A document by its parts: one text, or the functions of a class or file."""


class Likeness(Protocol):
    """Says how alike texts are; `configuration` names it as configurations are named."""

    name: str
    configuration: str

    def read(self, texts: Sequence[str]) -> None:
        """Take texts in at once that will be compared; others are taken in as they come."""
        ...

    def matrix(self, queries: Sequence[str], documents: Sequence[Parts]) -> Floats:
        """How alike each query and each document are: (n, m)."""
        ...

    def pairs(self, a: Sequence[str], b: Sequence[str]) -> Floats:
        """How alike each text and its partner are, 1 for equal ones: (n,)."""
        ...


class EncoderLikeness:
    """Cosine of an encoder's vectors; a document of several parts has the mean of theirs."""

    def __init__(self, encoder: Encoder, progress: Progress = silent) -> None:
        self.name = encoder.name
        self.configuration = f"{encoder.name}/function/knn"
        self._encoder = encoder
        self._progress = progress
        self._cache = None if encoder.name == LSA else open_cache()
        self._known: dict[str, Floats] = {}

    def read(self, texts: Sequence[str]) -> None:
        """Encode texts."""
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        if new:
            made, _ = embed(
                self._encoder,
                [UnitText("", text) for text in new],
                cache=self._cache,
                progress=self._progress,
            )
            self._known.update(zip(new, made, strict=True))

    def _vectors(self, texts: Sequence[str]) -> Floats:
        self.read(texts)
        return np.stack([self._known[text] for text in texts])

    def matrix(self, queries: Sequence[str], documents: Sequence[Parts]) -> Floats:
        """Cosines (n, m); everything is encoded as a document, since code asks for code."""
        every = self._vectors([part for parts in documents for part in parts])
        ends = np.cumsum([len(parts) for parts in documents])
        sums = np.add.reduceat(every, ends - [len(parts) for parts in documents], axis=0)
        means = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-9)
        return np.asarray(self._vectors(queries) @ means.T, dtype=np.float32)

    def pairs(self, a: Sequence[str], b: Sequence[str]) -> Floats:
        """Cosines (n,)."""
        cosines: Floats = np.einsum("ij,ij->i", self._vectors(a), self._vectors(b))
        return cosines


class Bm25Likeness:
    """BM25 over the documents of a task, or, as `vectors`, the cosine of BM25's term vectors.

    idf and the average length are those of `corpus`.
    """

    def __init__(self, corpus: Sequence[str], *, vectors: bool) -> None:
        self.name = "BM25's term vectors" if vectors else "BM25"
        self.configuration = "terms/function/knn" if vectors else "function/bm25"
        self._cosine = vectors
        self._analyser = Analyser()
        self._known: dict[str, Counter[int]] = {}
        self._weighed: dict[tuple[str, float], dict[int, float]] = {}
        counts = [self._counts(text) for text in corpus]
        seen = Counter(term for own in counts for term in own)
        n = len(corpus)
        self._idf = {term: math.log1p((n - number + 0.5) / (number + 0.5)) for term, number in seen.items()}
        self._idf_unseen = math.log1p((n + 0.5) / 0.5)
        self._average = max(float(np.mean([sum(own.values()) for own in counts])), 1.0)

    def read(self, texts: Sequence[str]) -> None:
        """Count the words of texts."""
        for text in texts:
            self._counts(text)

    def _counts(self, text: str) -> Counter[int]:
        known = self._known.get(text)
        if known is None:
            known = self._known[text] = Counter(self._analyser.token_ids(text, Kind.CODE).ids.tolist())
        return known

    def _weights(self, text: str, average: float) -> dict[int, float]:
        known = self._weighed.get((text, average))
        if known is None:
            counts = self._counts(text)
            norm = K1_CODE * (1 - B_CODE + B_CODE * sum(counts.values()) / average)
            known = self._weighed[text, average] = {
                term: self._idf.get(term, self._idf_unseen) * count / (count + norm)
                for term, count in counts.items()
            }
        return known

    def _query(self, text: str) -> dict[int, float]:
        return {term: float(count) for term, count in self._counts(text).items()}

    def matrix(self, queries: Sequence[str], documents: Sequence[Parts]) -> Floats:
        """Scores (n, m)."""
        texts = ["\n".join(parts) for parts in documents]
        average = self._average
        if any(len(parts) > 1 for parts in documents):
            average = max(float(np.mean([sum(self._counts(text).values()) for text in texts])), 1.0)
        own = [self._weights(text, average) for text in texts]
        asked = [self._weights(q, self._average) if self._cosine else self._query(q) for q in queries]
        columns = {term: at for at, term in enumerate({term for each in (*own, *asked) for term in each})}
        left, right = _dense(asked, columns), _dense(own, columns)
        if self._cosine:
            left, right = _unit(left), _unit(right)
        return np.asarray(left @ right.T, dtype=np.float32)

    def pairs(self, a: Sequence[str], b: Sequence[str]) -> Floats:
        """Cosines (n,), or the score as a share of what the first text scores for itself."""
        found = []
        for one, other in zip(a, b, strict=True):
            weights = self._weights(other, self._average)
            asked = self._weights(one, self._average) if self._cosine else self._query(one)
            given = sum(value * weights.get(term, 0.0) for term, value in asked.items())
            itself = self._weights(one, self._average)
            most = sum(value * itself[term] for term, value in asked.items())
            scale = math.sqrt(most * sum(v * v for v in weights.values())) if self._cosine else most
            found.append(given / scale if scale else 0.0)
        return np.array(found, np.float32)


def likenesses(
    encoders: Sequence[Encoder], corpus: Sequence[str], progress: Progress = silent
) -> list[Likeness]:
    """Give BM25, its term vectors, and the encoders; lsa is fitted on `corpus`."""
    return [
        Bm25Likeness(corpus, vectors=False),
        Bm25Likeness(corpus, vectors=True),
        *(EncoderLikeness(encoder, progress) for encoder in encoders),
    ]


def fitted_lsa(corpus: Sequence[str]) -> LsaEncoder:
    """Fit lsa on texts of code, cut into the same terms as BM25's."""
    analyser = Analyser()
    return LsaEncoder.fit(corpus, analyse=lambda text: analyser.tokens(text, Kind.CODE).terms)


def _dense(rows: Sequence[Mapping[int, float]], columns: Mapping[int, int]) -> Floats:
    matrix = np.zeros((len(rows), len(columns)), np.float32)
    for at, row in enumerate(rows):
        matrix[at, [columns[term] for term in row]] = list(row.values())
    return matrix


def _unit(matrix: Floats) -> Floats:
    unit: Floats = matrix / np.maximum(np.linalg.norm(matrix, axis=1, keepdims=True), 1e-9)
    return unit
