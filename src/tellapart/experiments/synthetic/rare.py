"""Rare terms of a unit -> the unit. Nothing can be blanked, so these are the most lexical queries of all."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from tellapart.corpus.types import LEVELS, Granularity, Kind
from tellapart.experiments.synthetic.material import Material
from tellapart.experiments.synthetic.types import QueryCandidate, QuerySource, Span
from tellapart.experiments.synthetic.words import LETTERS, PHRASE_WORDS
from tellapart.index.lexical import Analyser
from tellapart.index.snapshot import Snapshot

TERMS, POOL = 4, 12
"""Terms of a query, and the rarest ones of a unit that they are drawn from. Our choice, not measured."""

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
