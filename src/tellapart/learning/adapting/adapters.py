"""What can be changed about an encoder: its vectors by a closed-form map, or by the words of a text beside them."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tellapart.corpus.document import Kind
from tellapart.encoders.adapted import AdaptedConfig, VectorMap, apply_map, write_map
from tellapart.encoders.config import write_config
from tellapart.encoders.folder import open_minilm
from tellapart.encoders.pooling import embed
from tellapart.encoders.protocol import Encoder, Vectors, unit_rows
from tellapart.encoders.tokens import TokenizerFile
from tellapart.encoders.windows import UnitText, whole
from tellapart.encoders.word_vectors import WordedConfig, WordEncoder, WordTable, bare_ids, beside
from tellapart.index.lexical import defaults
from tellapart.learning.adapting.queries import FEWEST, AdaptationQueries, Rows
from tellapart.progress import Progress, silent

WORD_DIM = 384
"""Dimensions of the words: as many as minilm has."""

SAMPLE = 2_000
"""UnitMatrix on which the spread of scores is measured."""

MOST_UNITS = 100_000
"""UnitMatrix the table is fitted to 150 MB at 384 dimensions, and a minute or two."""

Transformed = tuple[Vectors, Vectors]
"""Vectors of queries and of units, after the change."""


@dataclass(frozen=True, slots=True)
class EncoderTarget:
    """Where an adapted encoder is written: `folder`, under `name`; `encoder` names the untouched one, `base`."""

    folder: Path
    name: str
    encoder: str
    base: Encoder


class Adapter(Protocol):
    """A change of an encoder, tried at several strengths: how strongly it is pulled towards the untouched one."""

    @property
    def name(self) -> str:
        """How users call it."""
        ...

    @property
    def pulls(self) -> tuple[float, ...]:
        """Strengths that are tried."""
        ...

    def measure(self, queries: AdaptationQueries, *, seed: int, progress: Progress) -> NDArray[np.float64]:
        """NDCG@10 (n, pulls) of every query, by a change that saw neither it nor its answers.

        nan where too few queries are left to learn from.
        """
        ...

    def transform(self, learned: AdaptationQueries, queries: AdaptationQueries, pull: float) -> Transformed:
        """Fit to all queries of `learned`, and change the vectors of other queries and their units."""
        ...

    def write(
        self, queries: AdaptationQueries, pull: float, contents: Sequence[UnitText], place: EncoderTarget
    ) -> None:
        """Fit to all queries and to what is encoded of the units of the index, and write the changed encoder."""
        ...


@dataclass(frozen=True, slots=True)
class LinearMap:
    """A map that shrinks the directions in which queries differ from their own answers (`Components`)."""

    name: str = "linear"
    pulls: tuple[float, ...] = (30.0, 10.0, 3.0, 1.0)
    """Strongest first; weaker ones lose what these gain (docs/benchmarks/adaptation.md)."""

    def measure(
        self, queries: AdaptationQueries, *, seed: int = 0, progress: Progress = silent
    ) -> NDArray[np.float64]:
        """Fit a map for every part of the queries that is held out, to what may be learned from."""
        values = np.full((len(queries.names), len(self.pulls)), np.nan)
        parts = list(queries.held_out(seed))
        with progress("fitting maps", len(parts)) as advance:
            for rows, pairs in parts:
                if len(np.unique(pairs[:, 0])) < FEWEST:
                    return np.full_like(values, np.nan)
                components = _components(queries, pairs)
                for column, pull in enumerate(self.pulls):
                    matrix = components.map(pull)
                    asked, offered = (
                        mapped(v, matrix) for v in (queries.queries[rows], queries.units.vectors)
                    )
                    values[rows, column] = queries.values(rows, asked, offered)
                advance(1)
        return values

    def transform(self, learned: AdaptationQueries, queries: AdaptationQueries, pull: float) -> Transformed:
        """Map both sides."""
        matrix = _components(learned, learned.pairs).map(pull)
        return mapped(queries.queries, matrix), mapped(queries.units.vectors, matrix)

    def write(
        self, queries: AdaptationQueries, pull: float, contents: Sequence[UnitText], place: EncoderTarget
    ) -> None:
        """Write the map and a config that names the encoder it belongs to."""
        matrix = _components(queries, queries.pairs).map(pull)
        config = AdaptedConfig(
            name=place.name,
            base=place.encoder,
            base_fingerprint=place.base.fingerprint,
            dim=len(matrix),
            map=write_map(matrix, place.folder),
        )
        write_config(config, place.folder)


@dataclass(frozen=True, slots=True)
class WordsBeside:
    """The mixture of BM25 and vectors distilled into an encoder: the words of a text beside its vector.

    Nothing is fitted to queries, so none can be overfitted to: the table comes from the units, and queries only say how
    much the words shall weigh. A pull is the weight of the vectors in units of the words'.
    """

    base: Encoder
    kind: Kind
    name: str = "words"
    pulls: tuple[float, ...] = (20.0, 10.0, 6.0, 4.0)
    """.95 to .8 of a mixture. Where to end was decided on collections that people judged, and each of them alone would
    be better with what the others choose than untouched (docs/benchmarks/adaptation.md)."""

    def measure(
        self, queries: AdaptationQueries, *, seed: int = 0, progress: Progress = silent
    ) -> NDArray[np.float64]:
        """Put the words beside the vectors at every weight; nothing needs to be held out."""
        rows = np.arange(len(queries.names))
        with progress("weighing words", len(self.pulls)) as advance:
            words, columns = self._words(queries), []
            for pull in self.pulls:
                columns.append(queries.values(rows, *words.mixed(pull)))
                advance(1)
        return np.stack(columns, axis=1)

    def transform(self, learned: AdaptationQueries, queries: AdaptationQueries, pull: float) -> Transformed:
        """Put the words beside both sides; nothing is taken from the learned queries."""
        return self._words(queries).mixed(pull)

    def write(
        self, queries: AdaptationQueries, pull: float, contents: Sequence[UnitText], place: EncoderTarget
    ) -> None:
        """Write the table of words, the tokenizer, and a config."""
        minilm, table, base = open_minilm(), self._table(contents), place.base
        scale = self._words(queries).scale(pull)
        config = WordedConfig(place.name, place.encoder, base.fingerprint, base.dim + table.dim, scale)
        table.save(place.folder / config.words)
        shutil.copyfile(minilm.folder / minilm.config.tokenizer, place.folder / config.tokenizer)
        write_config(config, place.folder)

    def _words(self, queries: AdaptationQueries) -> _EncodedWords:
        table = self._table(queries.contents)
        encoder = WordEncoder(table, self._tokens(), self.base)
        return _EncodedWords.of(encoder, queries)

    def _table(self, contents: Sequence[UnitText]) -> WordTable:
        """Fit a table to what is encoded of units."""
        k1, b = defaults(self.kind)
        chosen = np.sort(np.random.default_rng(0).permutation(len(contents))[:MOST_UNITS])
        texts = [whole(contents[row]) for row in chosen.tolist()]
        return WordTable.fit(bare_ids(self._tokens(), texts), WORD_DIM, k1=k1, b=b)

    def _tokens(self) -> TokenizerFile:
        minilm = open_minilm()
        return TokenizerFile(minilm.folder / minilm.config.tokenizer)


@dataclass(frozen=True, slots=True)
class _EncodedWords:
    """Words of n queries (n, k) and of u units (u, k), beside their vectors.

    `ratio` is the spread of scores over units by the vectors, divided by that by the words.
    """

    queries: AdaptationQueries
    query_words: Vectors
    unit_words: Vectors
    ratio: float

    @classmethod
    def of(cls, encoder: WordEncoder, queries: AdaptationQueries) -> _EncodedWords:
        query_words = encoder.encode_query(queries.texts)
        unit_words = embed(encoder, queries.contents)[0]
        vectors = queries.units.vectors
        sample = np.random.default_rng(0).permutation(len(vectors))[:SAMPLE]
        by_words = (query_words @ unit_words[sample].T).std(axis=1).mean()
        by_vectors = (queries.queries @ vectors[sample].T).std(axis=1).mean()
        return cls(queries, query_words, unit_words, float(by_vectors / by_words) if by_words > 0 else 1.0)

    def scale(self, pull: float) -> float:
        """Length of words beside vectors of length 1 when these shall weigh `pull` times as much."""
        return float(np.sqrt(self.ratio / pull))

    def mixed(self, pull: float) -> Transformed:
        """Give queries (n, d + k) and units (u, d + k) with their words."""
        scale = self.scale(pull)
        units = beside(self.queries.units.vectors, self.unit_words, scale)
        return beside(self.queries.queries, self.query_words, scale), units


def mapped(vectors: Vectors, matrix: VectorMap) -> Vectors:
    """Send unit vectors (n, d) through a map."""
    return unit_rows(apply_map(vectors, matrix), encoder="adapted") if len(vectors) else vectors


def _components(queries: AdaptationQueries, pairs: Rows) -> Components:
    return Components.of(queries.queries[pairs[:, 0]], queries.units.vectors[pairs[:, 2]])


@dataclass(frozen=True, slots=True)
class Components:
    """Spectrum of the differences between queries and their answers: `variances` (d,), `directions` (d, d)."""

    variances: NDArray[np.float64]
    directions: NDArray[np.float64]

    @classmethod
    def of(cls, queries: Vectors, answers: Vectors) -> Components:
        """Decompose the second moment of q - a over pairs of rows (n, d).

        The mean difference stays in it: that queries as such point elsewhere than texts is one of the directions.
        """
        differences = queries.astype(np.float64) - answers
        variances, directions = np.linalg.eigh(differences.T @ differences / max(1, len(differences)))
        return cls(variances.clip(0), directions)

    @classmethod
    def within(cls, vectors: Vectors, labels: NDArray[np.int64]) -> Components:
        """Decompose the scatter of vectors (n, d) around the means of their labels (n,), counting from 0."""
        means = class_means(vectors, labels)
        return cls.of(vectors, np.asarray(means[labels], dtype=np.float32))

    def map(self, pull: float) -> NDArray[np.float32]:
        """Give (S / mean eigenvalue + pull I)^(-1/2) sqrt(1 + pull), symmetric (d, d); a large pull is the identity."""
        mean = self.variances.mean() or 1.0
        gains = np.sqrt((1 + pull) / (self.variances / mean + pull))
        return np.asarray((self.directions * gains) @ self.directions.T, dtype=np.float32)


def class_means(vectors: Vectors, labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Average the vectors (n, d) of each label (n,): (labels, d)."""
    sums = np.zeros((int(labels.max()) + 1, vectors.shape[1]))
    np.add.at(sums, labels, vectors)
    return sums / np.bincount(labels)[:, None]
