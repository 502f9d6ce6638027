"""What is known of the hits of one search, and of their list as a whole: what probabilities are learned from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tellapart.corpus.document import KIND_OF, Granularity
from tellapart.engine.asking import LevelQuery
from tellapart.engine.searching import Found
from tellapart.index.lexical.bm25 import defaults

Floats = NDArray[np.float64]

FEATURES = (
    "score",
    "relative",
    "lead",
    "tail",
    "coverage",
    "density",
    "words",
    "rank",
    "cosine",
    "agreement",
    "second look",
    "best second look",
    "cosine lead",
    "length",
    "company",
    "all words",
    "spread",
)
"""What is known of a hit; `hit_features` says what each is. docs/benchmarks/calibration.md has what they are worth."""

ANSWER_FEATURES = (
    "best relevance",
    "best cosine",
    "coverage",
    "best coverage",
    "density",
    "best density",
    "length",
    "length of the nearest",
    "words",
    "all words",
    "best second look",
)
"""What is known of a list of hits as a whole; `answer_features` says what each is."""

COMPARED_HITS = 10
"""Hits that are described at least, so that the features of a hit do not depend on how many were asked for."""

SPREAD_HITS = 50
"""Hits that are ranked at least, for the spread of their scores, which is one of the features."""


def hit_features(
    ranked: Sequence[Found],
    queries: Sequence[LevelQuery],
    looked_by: str | None = None,
    *,
    described: int | None = None,
) -> Floats:
    """Describe the hits of one search, best first, (n, 17) in the order of `FEATURES`.

    score: as the ranker gives it. relative: its share of the top hit's score. lead: for the first hit, how far the
    second is behind, as a share of the top score; 0 for the others. tail: `relative` of the tenth hit, 0 where there
    are fewer. coverage: share of the query's words that stand in the unit, rare ones weighing more (idf). density:
    BM25 of the unit, as a share of the most that the query's words can give. words: ln(1 + distinct words of the
    query). rank: ln(rank). cosine: that with the query, 0 without vectors. agreement: the mean share of the other first
    ten that words and vectors, asked apart, put behind this one. second look: the cross-encoder's score, 0 without one;
    a hit that it did not look at gets the lowest that it gave. best second look: the highest that it gave. cosine lead:
    how far its cosine is above the best of the other first ten. length: ln(1 + words of the unit). company: ln(1 + how
    many of the other first ten are of the same document). all words: share of the query's words (idf) that stand in any
    of the first ten. spread: standard deviation of the first 50 scores, the normalised query commitment of Shtok et al.
    (2012) for scores that need no normalising.

    Args:
        ranked: The hits, 50 of them where there are as many.
        queries: What was asked, of each granularity.
        looked_by: Name of the cross-encoder that took a second look.
        described: How many of the first are described; None = all.
    """
    found = ranked[:described]
    if not found:
        return np.zeros((0, len(FEATURES)))
    first = found[:COMPARED_HITS]
    scores = np.array([each.score for each in found], dtype=np.float64)
    texts = _words_in(found, queries)
    lexical = np.array([(each.coverage, each.density) for each in texts])
    words = math.log1p(max(len(set(each.query.terms)) for each in queries))
    ranks = np.log(np.arange(1, len(found) + 1))
    there = {word: share for each in texts[:COMPARED_HITS] for word, share in each.shares.items()}
    documents = [each.document for each in first]
    company = np.array(
        [documents.count(each.document) - (at < COMPARED_HITS) for at, each in enumerate(found)]
    )
    return np.column_stack(
        [
            score_features(scores),
            lexical,
            np.full(len(found), words),
            ranks,
            *_component_features(found, looked_by),
            np.log1p([each.length for each in texts]),
            np.log1p(company),
            np.full(len(found), sum(there.values())),
            np.full(len(found), np.std([each.score for each in ranked[:SPREAD_HITS]])),
        ]
    )


def answer_features(features: Floats, log_odds: Floats) -> Floats:
    """Describe the list of the first ten hits as a whole (11,), in the order of `ANSWER_FEATURES`.

    Coverage, density and length are those of the first hit; the length of the nearest is that of the hit with the best
    cosine; the best relevance (log odds), cosine, coverage, density and second look are the highest of the ten.

    Args:
        features: Of the hits (n, 17).
        log_odds: Of their relevance (n,), as the map learned from the same queries gives them.
    """
    of = {name: features[:, at] for at, name in enumerate(FEATURES)}
    values = {
        "best relevance": log_odds.max(),
        "best cosine": of["cosine"].max(),
        "coverage": of["coverage"][0],
        "best coverage": of["coverage"].max(),
        "density": of["density"][0],
        "best density": of["density"].max(),
        "length": of["length"][0],
        "length of the nearest": of["length"][int(of["cosine"].argmax())],
        "words": of["words"][0],
        "all words": of["all words"][0],
        "best second look": of["best second look"][0],
    }
    return np.array([values[name] for name in ANSWER_FEATURES], dtype=np.float64)


def _component_features(found: Sequence[Found], looked_by: str | None) -> tuple[Floats, ...]:
    """Cosine, agreement, second look, the best of it, and the lead of the cosine, (n,) each."""
    cosine, words = (np.array([each.components.get(name, 0.0) for each in found]) for name in ("knn", "bm25"))
    agreement = (_share_behind(cosine) + _share_behind(words)) / 2
    lead = _lead(cosine)
    given = (
        [each.components[looked_by] for each in found if looked_by in each.components] if looked_by else []
    )
    if not given:
        return cosine, agreement, np.zeros(len(found)), np.zeros(len(found)), lead
    second = np.array([each.components.get(str(looked_by), min(given)) for each in found])
    return cosine, agreement, second, np.full(len(found), max(given)), lead


def _share_behind(values: Floats) -> Floats:
    """Share of the other ones of the first ten that each value (n,) exceeds."""
    others = min(len(values), COMPARED_HITS) - (np.arange(len(values)) < COMPARED_HITS)
    behind = (values[:, None] > values[None, :COMPARED_HITS]).sum(axis=1)
    return np.asarray(behind / np.maximum(others, 1), dtype=np.float64)


def _lead(values: Floats) -> Floats:
    """How far each value (n,) is above the best of the other ones of the first ten; 0 for a single one."""
    if len(values) < 2:
        return np.zeros(len(values))
    first = values[:COMPARED_HITS]
    best = int(first.argmax())
    others: Floats = np.full(len(values), first[best])
    others[best] = np.delete(first, best).max()
    lead: Floats = values - others
    return lead


def score_features(scores: Floats) -> Floats:
    """Give score, relative, lead and tail (n, 4) of a list of falling scores (n,)."""
    top = scores[0]
    relative = 1 - (top - scores) / max(abs(top), 1e-9)
    lead = np.zeros(len(scores))
    lead[0] = 1 - relative[1] if len(scores) > 1 else 1.0
    tail = relative[COMPARED_HITS - 1] if len(scores) >= COMPARED_HITS else 0.0
    return np.column_stack([scores, relative, lead, np.full(len(scores), tail)])


@dataclass(frozen=True, slots=True)
class _WordsIn:
    """A query's words in one hit: coverage, density, the share (idf) of each that stands there; words of the unit."""

    coverage: float
    density: float
    shares: Mapping[str, float]
    length: int


def _words_in(found: Sequence[Found], queries: Sequence[LevelQuery]) -> list[_WordsIn]:
    """Describe the words of hits, in their order; all of one granularity are looked up together."""
    described: dict[int, _WordsIn] = {}
    for own in queries:
        at = [place for place, each in enumerate(found) if each.granularity == own.granularity]
        rows = np.array(
            [own.table.row(found[place].document, found[place].ordinal) for place in at], dtype=np.int64
        )
        order = np.argsort(rows)
        described |= zip(
            np.array(at, dtype=np.int64)[order].tolist(), _words_at(own, rows[order]), strict=True
        )
    return [described[place] for place in range(len(found))]


def _words_at(own: LevelQuery, rows: NDArray[np.int64]) -> list[_WordsIn]:
    """Describe the words of units in ascending rows."""
    if own.granularity is Granularity.IMAGE or not len(rows):
        return [_WordsIn(0.0, 0.0, {}, 0)] * len(rows)
    words, lexical = sorted(set(own.query.terms)), own.units.lexical
    lengths = [lexical.length(row) for row in rows.tolist()]
    if not words:
        return [_WordsIn(0.0, 0.0, {}, length) for length in lengths]
    units = own.table.n_alive
    idf = {}
    for word in words:
        frequency = lexical.document_frequency(word)
        idf[word] = math.log1p((units - frequency + 0.5) / (frequency + 0.5))
    total = sum(idf.values())
    k1, b = defaults(KIND_OF[own.granularity])
    given = lexical.weights(words, rows.tolist(), k1=k1, b=b)
    found = []
    for at, length in enumerate(lengths):
        shares = {word: idf[word] / total for word, weights in given.items() if weights[at] > 0}
        density = sum(float(weights[at]) for weights in given.values()) / total
        found.append(_WordsIn(sum(shares.values()), density, shares, length))
    return found
