"""The mixture of BM25 and vectors distilled into an encoder: the words of a text beside its vector.

Nothing is fitted to queries, so none can be overfitted to: the table comes from the units, and generated queries only
say how much the words shall weigh, and whether they help at all.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tellapart.corpus.types import Granularity, Kind
from tellapart.encoders.config import write_config
from tellapart.encoders.minilm import open_minilm
from tellapart.encoders.pooling import embed
from tellapart.encoders.protocol import Vectors
from tellapart.encoders.tokens import Tokens
from tellapart.encoders.windows import UnitText, whole
from tellapart.encoders.worded import WordedConfig, WordEncoder, bare_ids, beside
from tellapart.encoders.words import WordTable
from tellapart.engine import Index
from tellapart.index.lexical import defaults
from tellapart.learning.adapting.deciding import FEWEST, Adaptation, answer, ask, nothing
from tellapart.learning.adapting.judges import Judges
from tellapart.learning.adapting.judging import ranks_among
from tellapart.learning.adapting.pairs import Pairs
from tellapart.learning.adapting.taught import concluded, divided
from tellapart.learning.adapting.units import contents_of, read_units
from tellapart.progress import Progress, silent

PULLS = (20.0, 10.0, 6.0, 4.0)
"""Weights of the vectors in units of the words', tried in this order: .95 to .8 of a mixture. Where to end was decided
on collections that people judged, and each of them alone would be better with what the others choose than untouched
(docs/benchmarks/adaptation.md)."""

HELD_OUT = "held-out queries of other documents"

DIM = 384
"""Of the words: as many as minilm has."""

SAMPLE = 2_000
"""Units on which the spread of scores is measured."""

MOST_UNITS = 100_000
"""Units the table is fitted to (our choice: memory and a minute or two)."""


@dataclass(frozen=True, slots=True)
class Words:
    """Words of n queries (n, k) beside their vectors (n, d), of u units (u, k) beside theirs (u, d).

    `ratio` is the spread of scores over units by the vectors, divided by that by the words.
    """

    queries: Vectors
    query_words: Vectors
    units: Vectors
    unit_words: Vectors
    ratio: float

    @classmethod
    def of(
        cls,
        encoder: WordEncoder,
        texts: Sequence[str],
        queries: Vectors,
        contents: Sequence[UnitText],
        units: Vectors,
    ) -> Words:
        """Look up the words of queries and units beside their vectors."""
        query_words, unit_words = encoder.encode_query(texts), embed(encoder, contents)[0]
        sample = np.random.default_rng(0).permutation(len(units))[:SAMPLE]
        by_words = (query_words @ unit_words[sample].T).std(axis=1).mean()
        ratio = (queries @ units[sample].T).std(axis=1).mean() / by_words if by_words > 0 else 1.0
        return cls(queries, query_words, units, unit_words, float(ratio))

    def scale(self, pull: float) -> float:
        """Length of words beside vectors of length 1 when these shall weigh `pull` times as much."""
        return float(np.sqrt(self.ratio / pull))

    def mixed(self, pull: float, rows: NDArray[np.int64]) -> tuple[Vectors, Vectors]:
        """Give some queries (r, d + k) and all units (u, d + k) with their words."""
        scale = self.scale(pull)
        queries = beside(self.queries[rows], self.query_words[rows], scale)
        return queries, beside(self.units, self.unit_words, scale)


@dataclass(frozen=True, slots=True)
class WordsOfIndex:
    """The words of the units of an index, as they are written beside the vectors of `encoder`."""

    index: Index
    encoder: str
    kind: Kind
    level: Granularity

    @property
    def contents(self) -> list[UnitText]:
        """What is encoded of each unit."""
        return contents_of(self.index, read_units(self.index, self.encoder, self.level), self.level)

    def fitted(self, contents: Sequence[UnitText]) -> tuple[WordTable, WordEncoder]:
        """Fit a table to units: those of the index, or masked ones."""
        minilm = open_minilm()
        tokens = Tokens(minilm.folder / minilm.config.tokenizer)
        k1, b = defaults(self.kind)
        chosen = np.sort(np.random.default_rng(0).permutation(len(contents))[:MOST_UNITS])
        texts = [whole(contents[row]) for row in chosen.tolist()]
        table = WordTable.fit(bare_ids(tokens, texts), DIM, k1=k1, b=b)
        return table, WordEncoder(table, tokens, self.index.encoder(self.encoder))

    def write(self, table: WordTable, scale: float, folder: Path, name: str) -> None:
        """Write the encoder into a folder."""
        base, minilm = self.index.encoder(self.encoder), open_minilm()
        config = WordedConfig(name, self.encoder, base.fingerprint, base.dim + table.dim, scale)
        table.save(folder / config.words)
        shutil.copyfile(minilm.folder / minilm.config.tokenizer, folder / config.tokenizer)
        write_config(config, folder)


def adapt_words(
    pairs: Pairs, place: WordsOfIndex, folder: Path, name: str, *, seed: int = 0, progress: Progress = silent
) -> Adaptation:
    """Let generated queries choose the weight of the words and judge it, and write the encoder into `folder`.

    The words that are judged were fitted to the masked units of the pairs, those written to the units of the index.
    Where no weight helps, the smallest is written.
    """
    question = ask(pairs, seed)
    if question is None:
        return nothing(pairs)
    with progress("weighing words", len(PULLS) + 1) as advance:
        words = Words.of(
            place.fitted(pairs.contents)[1], pairs.texts, pairs.queries, pairs.contents, pairs.units
        )
        columns = []
        for pull in PULLS:
            columns.append(ranks_among(pairs, question.kept, *words.mixed(pull, question.kept)))
            advance(1)
        table = place.fitted(place.contents)[0]
        advance(1)
    found = answer(question, PULLS, np.stack(columns, axis=1), HELD_OUT)
    place.write(table, words.scale(found.pull or PULLS[0]), folder, name)
    return found


def teach_words(
    people: Judges,
    place: WordsOfIndex,
    folder: Path,
    name: str,
    *,
    seed: int = 0,
    progress: Progress = silent,
) -> Adaptation | None:
    """Let judged queries choose the weight of the words and judge it; None where they are too few."""
    rows = np.arange(len(people.names))
    if len(rows) < FEWEST:
        return None
    with progress("weighing words", len(PULLS)) as advance:
        contents = place.contents
        table, encoder = place.fitted(contents)
        words = Words.of(encoder, people.texts, people.queries, contents, people.units.vectors)
        columns = [people.untouched]
        for pull in PULLS:
            columns.append(people.values(rows, *words.mixed(pull, rows)))
            advance(1)
    found = concluded(people, np.stack(columns, axis=1), divided(people, seed), PULLS)
    place.write(table, words.scale(found.pull or PULLS[0]), folder, name)
    return found
