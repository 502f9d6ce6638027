"""Rare terms of a unit -> the unit. Nothing can be blanked, so these are the most lexical queries of all."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator

from tellapart.corpus.types import LEVELS, Granularity
from tellapart.evaluation.generated.material import Material
from tellapart.evaluation.generated.types import Candidate, Source
from tellapart.evaluation.generated.words import LETTERS, PHRASE_WORDS
from tellapart.index.lexical import Analyser
from tellapart.index.snapshot import Snapshot

TERMS = 4
LEAST_LETTERS = 3
LEAST_UNITS = 2
"""Units that hold a term: one that stands in a single unit names it, and every lexical ranker finds that."""


class RareTerms:
    """Makes a query of the terms of a unit with the highest tf x idf."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._analyser = Analyser()

    def __call__(self, material: Material, count: int) -> Iterator[Candidate]:
        """Choose some paragraphs or functions that say enough, and their rarest terms as they are written."""
        level = material.finest
        if level not in self._snapshot.granularities:
            level = next((g for g in LEVELS[material.tree.kind] if g in self._snapshot.granularities), level)
        for unit in material.some_units(count):
            words = self._rarest(material, level, material.document.text[slice(*unit)])
            if len(words) >= PHRASE_WORDS:
                yield Candidate(Source.RARE_TERMS, " ".join(words), material.number, unit)

    def _rarest(self, material: Material, level: Granularity, text: str) -> list[str]:
        lexical = self._snapshot.lexical(level)
        counts = Counter(word.casefold() for word in LETTERS.findall(text) if len(word) >= LEAST_LETTERS)
        rated = []
        seen: set[str] = set()
        for word, count in sorted(counts.items()):
            terms = self._analyser.tokens(word, material.tree.kind).terms
            if len(terms) != 1 or terms[0] in seen:
                continue
            seen.add(terms[0])
            units = lexical.document_frequency(terms[0])
            if units >= LEAST_UNITS:
                rated.append((-count * math.log1p((lexical.n_units - units + 0.5) / (units + 0.5)), word))
        return [word for _, word in sorted(rated)[:TERMS]]
