"""Words of an identifier -> its body: the name blanked wherever it stands in the document."""

from __future__ import annotations

from collections.abc import Iterator

from tellapart.evaluation.generated.material import Material
from tellapart.evaluation.generated.types import Candidate, Source
from tellapart.evaluation.generated.words import content_words
from tellapart.index.lexical.tokens import identifier_parts

MIN_PARTS = 2
TESTS = "test"
"""Nobody looks for a test by its name."""


def identifiers(material: Material) -> Iterator[Candidate]:
    """Give the words of each function's name, if they are two or more."""
    for function in material.functions:
        parts = [part.lower() for part in identifier_parts(function.name) if part.isalpha()]
        query = " ".join(parts)
        special = function.name.startswith("__") or TESTS in parts[:1]
        if special or len(parts) < MIN_PARTS or content_words(query) < MIN_PARTS:
            continue
        if material.says_more(function.unit):
            yield Candidate(Source.IDENTIFIER, query, material.number, function.unit, name=function.name)
