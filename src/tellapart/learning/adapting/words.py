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

from tellapart.corpus.types import Kind
from tellapart.encoders.minilm import open_minilm
from tellapart.encoders.protocol import Encoder, Vectors
from tellapart.encoders.tokens import Tokens
from tellapart.encoders.windows import UnitText, embed, whole
from tellapart.encoders.worded import WordedConfig, WordEncoder, bare_ids, beside
from tellapart.encoders.words import WordTable
from tellapart.engine import Index
from tellapart.index.lexical import defaults
from tellapart.learning.adapting.deciding import Adaptation, answer, ask, nothing
from tellapart.learning.adapting.judging import ranks_among
from tellapart.learning.adapting.pairs import Pairs
from tellapart.learning.adapting.units import contents_of, read_units
from tellapart.progress import Progress, silent

PULLS = (20.0, 10.0, 6.0, 4.0)
"""Weights of the vectors in units of the words': .95 to .8 of a mixture."""

DIM = 384
"""Of the words: as many as minilm has."""

SAMPLE = 2_000
"""Units on which the spread of scores is measured."""


@dataclass(frozen=True, slots=True)
class Words:
    """Words of n queries (n, k) and u units (u, k), and the `ratio` of the spread of scores, vectors to words."""

    queries: Vectors
    units: Vectors
    ratio: float

    def scale(self, pull: float) -> float:
        """Length of words beside vectors of length 1 when these shall weigh `pull` times as much."""
        return float(np.sqrt(self.ratio / pull))


def words_of(encoder: WordEncoder, pairs: Pairs) -> Words:
    """Give the words of pairs with texts."""
    queries, units = encoder.encode_query(pairs.texts), embed(encoder, pairs.contents)[0]
    sample = np.random.default_rng(0).permutation(len(units))[:SAMPLE]
    by_vectors, by_words = (
        (asked @ offered[sample].T).std(axis=1).mean()
        for asked, offered in ((pairs.queries, pairs.units), (queries, units))
    )
    return Words(queries, units, float(by_vectors / by_words) if by_words > 0 else 1.0)


def word_encoder(contents: Sequence[UnitText], kind: Kind, base: Encoder) -> tuple[WordTable, WordEncoder]:
    """Fit a table to units."""
    minilm = open_minilm()
    tokens = Tokens(minilm.folder / minilm.config.tokenizer)
    k1, b = defaults(kind)
    table = WordTable.fit(bare_ids(tokens, [whole(unit) for unit in contents]), DIM, k1=k1, b=b)
    return table, WordEncoder(table, tokens, base)


def adapt_words(
    pairs: Pairs,
    index: Index,
    encoder: str,
    folder: Path,
    name: str,
    *,
    seed: int = 0,
    progress: Progress = silent,
) -> Adaptation:
    """Choose the weight of the words, judge it, and write the encoder into `folder`.

    The words that are judged were fitted to the masked units of the pairs, those written to the units of the index.
    Where no weight helps, the smallest is written.
    """
    base = index.encoder(encoder)
    question = ask(pairs, seed)
    if question is None:
        return nothing(pairs)
    with progress("weighing words", len(PULLS)) as advance:
        words = words_of(word_encoder(pairs.contents, pairs.kind, base)[1], pairs)
        columns, kept = [], question.kept
        for pull in PULLS:
            scale = words.scale(pull)
            queries = beside(pairs.queries[kept], words.queries[kept], scale)
            columns.append(ranks_among(pairs, kept, queries, beside(pairs.units, words.units, scale)))
            advance(1)
    found = answer(question, PULLS, np.stack(columns, axis=1))
    table = word_encoder(contents_of(index, read_units(index, encoder, pairs.level), pairs.level), pairs.kind, base)[0]
    scale = words.scale(found.pull or PULLS[0])
    config = WordedConfig(name, encoder, base.fingerprint, base.dim + table.dim, scale)
    table.save(folder / config.words)
    minilm = open_minilm()
    shutil.copyfile(minilm.folder / minilm.config.tokenizer, folder / config.tokenizer)
    (folder / "config.json").write_text(config.to_json(), encoding="utf-8")
    return found
