"""Whether a search found anything that belongs to its query: one place decides, for MCP, HTTP and context."""

from __future__ import annotations

from weakref import WeakKeyDictionary

import numpy as np

from tellapart.corpus.document import KIND_OF, Granularity
from tellapart.engine import Index, SearchResult
from tellapart.engine.asking import terms_of
from tellapart.engine.request import SearchRequest
from tellapart.engine.searching import WORDS
from tellapart.index.lexical.tokens import STOP_WORDS
from tellapart.index.lexical.variants import PUNCTUATION
from tellapart.index.snapshot import Snapshot
from tellapart.rankers.structure_places import named_files, spoken_places, without_places

LEAST_PROBABILITY = 0.2
"""Where hits have a probability, the best must reach it: one in five is worth a look. Not measured at half or twice."""

GIVEN_AN_ANSWER = "structure"
"""This ranker's probabilities were fitted on queries that have an answer: they say which file, not whether any."""

PAIRS = 2_000
"""Pairs of units drawn at random: their 99th percentile is then known to a tenth of the spread."""

UNRELATED_SHARE = 0.99
"""A similarity that one in a hundred pairs of unrelated units reaches says nothing among thousands of units."""


def nothing_relevant(index: Index, result: SearchResult) -> str | None:
    """Say why nothing here answers the query, or None where something may.

    Calibrated hits are judged by the threshold that `tellapart calibrate` found, or by none where it found none; hits
    with another probability by `LEAST_PROBABILITY`. Without a calibration this says so only where it is certain:
    no word of the query occurs in any searched unit, and no vector is nearer than those of unrelated units are to
    each other.
    """
    if not result.hits:
        return why_no_hits(index, result.request)
    if result.calibration is not None:
        return _below(
            result.calibration.answer_threshold, result.answered, "that the index holds an answer has"
        )
    known = [hit.probability for hit in result.hits if hit.probability is not None]
    if known and result.configuration.ranker != GIVEN_AN_ANSWER:
        return _below(LEAST_PROBABILITY, max(known), "the best hit is relevant with")
    query = result.request.query
    if query is None or result.request.examples:
        return None
    chosen = result.configuration
    if any(hit.components.get(WORDS, 0.0) > 0 for hit in result.hits):
        return None  # a word of the query occurs
    with index.reading() as snapshot:
        if any(_occurs(snapshot, level, query) for level in chosen.granularities):
            return None
        if chosen.encoder is None:
            return "no word of the query occurs here"
        vector = index.encode_queries(chosen.encoder, [query])[0]
        for level in chosen.granularities:
            vectors = snapshot.vectors(chosen.encoder, level)
            _, scores = vectors.search(vector[None], 1)
            if len(scores[0]) and scores[0, 0] > unrelated_cosine(snapshot, chosen.encoder, level):
                return None
    return (
        "no word of the query occurs here, and nothing is nearer to it than unrelated texts are to each other"
    )


def why_no_hits(index: Index, request: SearchRequest) -> str:
    """Say why a search found nothing at all."""
    if request.where:
        with index.reading():
            if not index.store.matching(request.where):
                return f"no document meets the filter {' and '.join(request.where)}"
    inside = " in a document that meets the filter" if request.where else ""
    if request.regex is not None:
        return f"the pattern matches nowhere{inside}"
    asked = "the example" if request.examples else "the query"
    return f"no unit{inside} shares a word with {asked}"


def _below(threshold: float | None, probability: float | None, what: str) -> str | None:
    if threshold is None or probability is None or probability >= threshold:
        return None
    return f"{what} probability {probability:.2f} only (answers start at {threshold:.2f})"


def _occurs(snapshot: Snapshot, level: Granularity, query: str) -> bool:
    lexical = snapshot.lexical(level)
    return any(lexical.document_frequency(term) for term in terms_of(query, KIND_OF[level]))


_measured: WeakKeyDictionary[Snapshot, dict[tuple[str, Granularity], float]] = WeakKeyDictionary()


def unrelated_cosine(snapshot: Snapshot, encoder: str, level: Granularity) -> float:
    """Cosine that one in a hundred pairs of units, drawn at random, exceeds; -1 where there are no pairs.

    Measured once per generation.
    """
    measured = _measured.setdefault(snapshot, {})
    if (encoder, level) not in measured:
        measured[encoder, level] = _measure(snapshot, encoder, level)
    return measured[encoder, level]


def _measure(snapshot: Snapshot, encoder: str, level: Granularity) -> float:
    vectors = snapshot.vectors(encoder, level)
    alive = snapshot.units(level).alive
    rows = np.arange(snapshot.units(level).n_rows) if alive is None else np.flatnonzero(alive)
    if len(rows) < 2:
        return -1.0
    draw = np.random.default_rng(0)
    left = draw.integers(len(rows), size=PAIRS)
    right = (left + draw.integers(1, len(rows), size=PAIRS)) % len(rows)
    wanted = rows[np.concatenate([left, right])]
    taken = vectors.take(wanted)
    cosines = np.einsum("ij,ij->i", taken[:PAIRS], taken[PAIRS:])
    return float(np.quantile(cosines, UNRELATED_SHARE))


def missing_words(index: Index, result: SearchResult) -> str | None:
    """Say which words of a query occur nowhere in what was searched, where they are half of its words or more.

    What is found then answers the rest. Of a query that is nothing but the place of a file it says that no such file
    is here. None where vectors decide, which need no word of the query.
    """
    chosen, query = result.configuration, result.request.query
    if query is None or result.request.examples or (chosen.encoder and chosen.ranker != GIVEN_AN_ANSWER):
        return None
    said: list[str] = []
    missing: list[str] = []
    with index.reading() as snapshot:
        if not without_places(query).strip() and not named_files(query, snapshot.names):
            return f"no document here is called {spoken_places(query)[0].path}: these hits share words with that name"
        for word in dict.fromkeys(query.split()):
            of_kind = {kind: terms_of(word, kind) for kind in map(KIND_OF.__getitem__, chosen.granularities)}
            if not any(of_kind.values()) or word.lower() in STOP_WORDS:
                continue
            said.append(word)
            if not any(_occurs(snapshot, level, word) for level in chosen.granularities):
                missing.append(word.strip(PUNCTUATION))
    if len(said) < 2 or 2 * len(missing) < len(said):
        return None
    return f"not a word of this corpus: {', '.join(missing)}; what was found answers the rest of the query"
