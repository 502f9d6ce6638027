"""Words of an identifier -> its body: the name blanked wherever it stands in the document."""

from __future__ import annotations

from collections.abc import Iterator

from tellapart.experiments.synthetic.material import Material
from tellapart.experiments.synthetic.types import QueryCandidate, QuerySource
from tellapart.index.lexical.tokens import identifier_parts

MIN_TELLING = 2
TESTS = "test"
"""Nobody looks for a test by its name."""

_VAGUE = """
add and as at by do for from get has in init is make new not of on or run set to with
"""
VAGUE = frozenset(_VAGUE.split())
"""Parts of names that say how something is used rather than what it is about. Our choice, not measured."""


def identifiers(material: Material) -> Iterator[QueryCandidate]:
    """Give the words of each function's name, if two or more of them say what it is about."""
    for function in material.functions:
        parts = [part.lower() for part in identifier_parts(function.name) if part.isalpha()]
        telling = {part for part in parts if len(part) > 2} - VAGUE
        special = function.name.startswith("__") or TESTS in parts[:1]
        if not special and len(telling) >= MIN_TELLING and material.says_more(function.unit):
            query = " ".join(parts)
            yield QueryCandidate(
                QuerySource.IDENTIFIER, query, material.number, function.unit, name=function.name
            )
