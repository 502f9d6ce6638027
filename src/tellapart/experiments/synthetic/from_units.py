"""Queries that any unit would do for: its rare terms, or the question of a language model that is shown it."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from tellapart.corpus.document import LEVELS, Granularity, Kind
from tellapart.encoders.endpoint import EXCERPT, Client, Endpoint
from tellapart.experiments.synthetic.material import Material
from tellapart.experiments.synthetic.phrases import LETTERS, PHRASE_WORDS, content_words, plain
from tellapart.experiments.synthetic.queries import QueryCandidate, QuerySource, Span
from tellapart.index.lexical import Analyser
from tellapart.index.snapshot import Snapshot

TERMS, POOL = 4, 12
"""Terms of a query, and the rarest ones of a unit that they are drawn from. Not measured;
12 terms leave 495 ways to draw 4."""

LEAST_LETTERS = 3
LEAST_UNITS = 2
"""Units that hold a term: one that stands in a single unit names it, and every lexical ranker finds that."""


class RareTerms:
    """Makes a query of terms of a unit, drawn from those with the highest tf x idf."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._analyser = Analyser()

    def __call__(self, material: Material, count: int) -> Iterator[QueryCandidate]:
        """Choose some paragraphs or functions that say enough, and their rarest terms as they are written."""
        level = material.finest
        if level not in self._snapshot.granularities:
            level = next((g for g in LEVELS[material.tree.kind] if g in self._snapshot.granularities), level)
        for unit in material.some_units(count):
            words = self._rarest(material, level, unit)
            if len(words) >= PHRASE_WORDS:
                yield QueryCandidate(QuerySource.RARE_TERMS, " ".join(words), material.number, unit)

    def _rarest(self, material: Material, level: Granularity, unit: Span) -> list[str]:
        text = material.document.text[slice(*unit)]
        lexical = self._snapshot.lexical(level)
        counts = Counter(word.casefold() for word in LETTERS.findall(text) if len(word) >= LEAST_LETTERS)
        words = sorted(counts)
        term_of = self._terms(words, material.tree.kind)
        first = {term: word for word, term in reversed(term_of.items())}
        rated = []
        for term, word in first.items():
            units = lexical.document_frequency(term)
            if units >= LEAST_UNITS:
                idf = math.log1p((lexical.n_units - units + 0.5) / (units + 0.5))
                rated.append((-counts[word] * idf, word))
        pool = [word for _, word in sorted(rated)[:POOL]]
        drawn = np.random.default_rng([material.seed, material.number, unit[0]]).permutation(len(pool))[
            :TERMS
        ]
        return [pool[place] for place in sorted(drawn.tolist())]

    def _terms(self, words: list[str], kind: Kind) -> dict[str, str]:
        """Give the term of each word that is one term; all are analysed together, as each call costs."""
        tokens = self._analyser.tokens("\n".join(words), kind)
        begins = np.cumsum([0, *(len(word) + 1 for word in words)])
        owner = np.searchsorted(begins, tokens.starts, side="right") - 1
        terms = [
            tokens.terms[first:last]
            for first, last in pairwise(np.searchsorted(owner, range(len(words) + 1)))
        ]
        return {word: own[0] for word, own in zip(words, terms, strict=True) if len(own) == 1}


PATH = "chat/completions"
SHOWN = 4_000
"""Characters of a unit that the model sees: some 1,000 tokens, longer than nearly all paragraphs and functions."""

ANSWER_TOKENS = 200
MIN_CONTENT, MAX_WORDS = 2, 40

PROMPT = """Somebody needs the text below but does not have it and does not know how it is worded. Write the one \
search query that this person would type. Ask for what the text is about or what it does, in your own words; do not \
copy phrases or names from it. Between three and fifteen words, on one line, nothing else.

TEXT:
{text}"""


class QueryWriter:
    """Asks a model for one query per unit."""

    def __init__(self, model: str) -> None:
        """Name MODEL[@BASE-URL]; see `Endpoint.parse` for the environment that is read."""
        self._client = Client(Endpoint.parse(model, what="language model"))

    def __call__(self, material: Material, count: int) -> Iterator[QueryCandidate]:
        """Show the model some units of a document; what it answers beyond a query is left out.

        Raises:
            TellapartError: The endpoint refuses, or answers something else than a chat completion.
        """
        for unit in material.some_units(count):
            query = self._query(material.document.text[slice(*unit)])
            if content_words(query) >= MIN_CONTENT and len(query.split()) <= MAX_WORDS:
                yield QueryCandidate(QuerySource.MODEL, query, material.number, unit)

    def _query(self, text: str) -> str:
        message = {"role": "user", "content": PROMPT.format(text=text.strip()[:SHOWN])}
        body = self._client.ask(PATH, {"messages": [message], "temperature": 0, "max_tokens": ANSWER_TOKENS})
        try:
            answer = json.loads(body)["choices"][0]["message"]["content"]
        except (ValueError, KeyError, TypeError, IndexError):
            answer = None
        if not isinstance(answer, str):
            raise self._client.failure(
                PATH, f"not a chat completion: {body[:EXCERPT].decode('utf-8', 'replace')!r}"
            )
        return _bare(answer)


def _bare(answer: str) -> str:
    """Take the last line that says something out of quotes: a model may think aloud first."""
    lines = [plain(line) for line in answer.split("\n") if line.strip()]
    query = lines[-1] if lines else ""
    return query.removeprefix("Query:").strip().strip("\"'`").strip()
