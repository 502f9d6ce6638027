"""Latent semantic analysis: an encoder fitted on the corpus itself, without any weights from elsewhere.

Deerwester et al. 1990: rows of the weighted unit-term matrix A = U S V' are projected to A V. Terms
weigh (1 + ln tf) * ln((1 + N) / df) (log-tf x idf), rows have unit length before the decomposition.
"""

from __future__ import annotations

import hashlib
import json
from array import array
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tellapart.encoders.protocol import OfTexts, Vectors, unit_rows
from tellapart.errors import CorruptIndexError, TellapartError
from tellapart.progress import Advance, Progress, silent

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

POWER_ITERATIONS = 4
OVERSAMPLES = 64
"""Of the randomised decomposition (Halko et al. 2011)."""


def right_directions(matrix: csr_matrix, wanted: int, seed: int) -> NDArray[np.float32]:
    """Right singular vectors (terms, k) of the largest singular values; exact where the matrix is small."""
    from sklearn.utils.extmath import randomized_svd

    smallest = min(matrix.shape)
    if smallest <= wanted + OVERSAMPLES:
        _, strengths, right = np.linalg.svd(matrix.toarray().astype(np.float64), full_matrices=False)
    else:
        _, strengths, right = randomized_svd(
            matrix, wanted, n_oversamples=OVERSAMPLES, n_iter=POWER_ITERATIONS, random_state=seed
        )
    kept = int((strengths[:wanted] > strengths[0] * 1e-6).sum())
    right = right[: max(kept, 1)]
    signs = np.sign(right[np.arange(len(right)), np.abs(right).argmax(axis=1)])
    return np.ascontiguousarray((right * signs[:, None]).T, dtype=np.float32)


Analyse = Callable[[str], list[str]]

FORMAT = 1
NAME = "lsa"
DIM = 256
"""In-sample: 128 is better on med, worse on cacm, scifact, cosqa; 384 the reverse (docs/benchmarks/lsa.md)."""

MAX_TERMS = 100_000
"""The most frequent terms (by units that hold them): 100 MB of float32 at 256 dimensions."""

MIN_UNITS = 2
"""A term of one unit only links it to nothing."""

BLOCK = 4_096


@dataclass(frozen=True, slots=True)
class _Fit:
    terms: tuple[str, ...]
    idf: NDArray[np.float32]
    directions: NDArray[np.float32]
    units: int


class LsaEncoder(OfTexts):
    """Folds texts into the space of a fitted decomposition.

    The last axis is kept free for units without any known term, which stand on it with +1. A query without one is
    a row of zeros: it says nothing, and finds no unit by vectors.
    """

    max_tokens: int | None = None

    def __init__(self, fit: _Fit, analyse: Analyse, fingerprint: str) -> None:
        self.name = NAME
        self.dim = fit.directions.shape[1] + 1
        self.fingerprint = fingerprint
        self.fitted_units = fit.units
        self._fit = fit
        self._analyse = analyse
        self._rows = {term: row for row, term in enumerate(fit.terms)}

    @classmethod
    def fit(
        cls,
        texts: Sequence[str],
        *,
        analyse: Analyse,
        dim: int = DIM,
        seed: int = 0,
        progress: Progress = silent,
    ) -> LsaEncoder:
        """Fit on the units of a corpus.

        Args:
            texts: All units, or a sample of them.
            analyse: Text to terms: the corpus's own analyser (stems, split identifiers).
            dim: Dimensions, one of them for unknown texts; fewer if the corpus has less.
            seed: Of the randomised decomposition.
            progress: Told of every text read.

        Raises:
            TellapartError: No text holds a term that another holds as well.
        """
        if dim < 2:
            raise TellapartError(f"lsa needs at least 2 dimensions, not {dim}")
        with progress(f"reading for {NAME}", len(texts)) as advance:
            found = _read(texts, analyse, advance)
        chosen = found.chosen()
        if not len(chosen):
            raise TellapartError(
                "lsa cannot be fitted: the texts do not hold a single term; add documents with words"
            )
        idf = np.log((1 + len(texts)) / found.spread()[chosen]).astype(np.float32)
        matrix = _weighted(found, chosen, idf)
        names = tuple(found.terms[number] for number in chosen.tolist())
        fitted = _Fit(names, idf, right_directions(matrix, dim - 1, seed), len(texts))
        return cls(fitted, analyse, _fingerprint(fitted))

    def encode_query(self, texts: Sequence[str]) -> Vectors:
        """Fold queries in: (n, dim), rows of unit length; of zeros without a known term."""
        vectors = self._folded(texts)
        vectors[:, -1] = 0.0
        return vectors

    def encode_document(self, texts: Sequence[str], *, progress: Progress = silent) -> Vectors:
        """Fold units in: (n, dim), rows of unit length; without a known term: +1 on the last axis."""
        blocks = [np.zeros((0, self.dim), dtype=np.float32)]
        with progress(f"encoding with {NAME}", len(texts)) as advance:
            for start in range(0, len(texts), BLOCK):
                block = texts[start : start + BLOCK]
                blocks.append(self._folded(block))
                advance(len(block))
        return np.concatenate(blocks)

    def count_tokens(self, texts: Sequence[str]) -> NDArray[np.int32]:
        """Terms of each text, known or not."""
        return np.fromiter((len(self._analyse(text)) for text in texts), dtype=np.int32, count=len(texts))

    def save(self, folder: Path) -> None:
        """Write terms.json, directions.npy (float32, terms x dim - 1), idf.npy and config.json."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "terms.json").write_text(json.dumps(self._fit.terms, ensure_ascii=False), encoding="utf-8")
        np.save(folder / "directions.npy", self._fit.directions, allow_pickle=False)
        np.save(folder / "idf.npy", self._fit.idf, allow_pickle=False)
        config = {"format": FORMAT, "kind": NAME, "fingerprint": self.fingerprint, "units": self._fit.units}
        (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path, *, analyse: Analyse) -> LsaEncoder:
        """Open what `save` wrote; directions stay on disk and are mapped.

        Raises:
            CorruptIndexError: A file is missing, damaged, or does not fit the others.
        """
        try:
            config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
            terms = json.loads((folder / "terms.json").read_text(encoding="utf-8"))
            idf = np.load(folder / "idf.npy", allow_pickle=False)
            directions = np.load(folder / "directions.npy", mmap_mode="r", allow_pickle=False)
            sound = (
                config["format"] == FORMAT
                and directions.ndim == 2
                and directions.dtype == idf.dtype == np.float32
                and idf.shape == (len(terms),)
                and len(directions) == len(terms)
            )
            fingerprint, units = str(config["fingerprint"]), int(config["units"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CorruptIndexError(
                f"the lsa encoder in {folder} cannot be read ({error}): fit it again"
            ) from error
        if not sound:
            raise CorruptIndexError(
                f"the files of the lsa encoder in {folder} do not fit each other: fit it again"
            )
        return cls(_Fit(tuple(terms), idf, directions, units), analyse, fingerprint)

    def verify(self) -> bool:
        """Whether the arrays still have the hash they were fitted with; reads them all."""
        return _fingerprint(self._fit) == self.fingerprint

    def _folded(self, texts: Sequence[str]) -> Vectors:
        vectors = np.zeros((len(texts), self.dim), dtype=np.float32)
        for row, text in enumerate(texts):
            known = [
                (self._rows[term], tf)
                for term, tf in Counter(self._analyse(text)).items()
                if term in self._rows
            ]
            if known:
                rows, counts = (np.array(part) for part in zip(*sorted(known), strict=True))
                weights = (1 + np.log(counts)).astype(np.float32) * self._fit.idf[rows]
                vectors[row, :-1] = weights @ self._fit.directions[rows]
        return unit_rows(vectors, encoder=NAME) if len(texts) else vectors


@dataclass(frozen=True, slots=True)
class _Counts:
    """Terms by number, and for each text (between two `ends`) the numbers and counts of its terms."""

    terms: list[str]
    numbers: NDArray[np.int32]
    counts: NDArray[np.int32]
    ends: NDArray[np.int64]

    def spread(self) -> NDArray[np.int64]:
        """Texts that hold each term."""
        return np.bincount(self.numbers, minlength=len(self.terms))

    def chosen(self) -> NDArray[np.int64]:
        """Numbers of the terms that are kept, in alphabetical order; all of them if no two texts share any."""
        spread = self.spread()
        shared = np.flatnonzero(spread >= MIN_UNITS).tolist() or range(len(self.terms))
        frequent = sorted(shared, key=lambda number: (-spread[number], self.terms[number]))[:MAX_TERMS]
        return np.array(sorted(frequent, key=lambda number: self.terms[number]), dtype=np.int64)


def _read(texts: Sequence[str], analyse: Analyse, advance: Advance) -> _Counts:
    """Count the terms of all texts in flat arrays: eight bytes for each distinct term of a text."""
    known: dict[str, int] = {}
    numbers, counts, ends = array("i"), array("i"), array("q", [0])
    for text in texts:
        terms = Counter(analyse(text))
        numbers.extend([known.setdefault(term, len(known)) for term in terms])
        counts.extend(terms.values())
        ends.append(len(numbers))
        advance(1)
    return _Counts(
        list(known), np.array(numbers, np.int32), np.array(counts, np.int32), np.array(ends, np.int64)
    )


def _weighted(found: _Counts, chosen: NDArray[np.int64], idf: NDArray[np.float32]) -> csr_matrix:
    """Weigh terms and scale rows to unit length: (texts, chosen terms)."""
    from scipy.sparse import csr_matrix

    column = np.full(len(found.terms), -1, dtype=np.int32)
    column[chosen] = np.arange(len(chosen), dtype=np.int32)
    columns = column[found.numbers]
    known = columns >= 0
    ends = np.concatenate([[0], np.cumsum(known)])[found.ends]
    columns = columns[known]
    weights = (1 + np.log(found.counts[known].astype(np.float32))) * idf[columns]
    rows = np.repeat(np.arange(len(ends) - 1), np.diff(ends))
    lengths = np.sqrt(np.bincount(rows, weights=weights.astype(np.float64) ** 2, minlength=len(ends) - 1))
    weights /= lengths[rows].astype(np.float32)
    matrix: Any = csr_matrix((weights, columns, ends), shape=(len(ends) - 1, len(chosen)), dtype=np.float32)
    matrix.sort_indices()
    return matrix


def _fingerprint(fit: _Fit) -> str:
    hashed = hashlib.blake2b(digest_size=16)
    hashed.update(json.dumps(fit.terms).encode())
    hashed.update(np.ascontiguousarray(fit.idf).tobytes())
    hashed.update(np.ascontiguousarray(fit.directions).tobytes())
    return hashed.hexdigest()
