"""How an English question begins says nothing about what it asks for."""

from __future__ import annotations

import re
from functools import lru_cache

_FOLLOWS = r"(?:\s+(?:do|does|did|can|could|should|would|is|are|was|were|i|you|we|it|there|my|your|our|the|a|an|to)\b)"
_BEGINNING = re.compile(
    rf"(?:^|(?<=[.?!]\s))\s*"
    rf"(?:(?:how|what|why)\b{_FOLLOWS}*"
    rf"|(?:when|where|which|who|whom|whose)\b{_FOLLOWS}+"
    rf"|(?:can|could|should|would|do|does|did)\s+(?:i|you|we|it|there)\b{_FOLLOWS}*)",
    re.IGNORECASE,
)
_WORD = re.compile(r"\w")


@lru_cache(maxsize=64)  # asked for prose and for code
def without_beginning(query: str) -> str:
    """Leave out "how do I", "what is the", "can we" at the beginning of each sentence of a query.

    In a small corpus such words are rare, and would count as much as what is asked for. The same words further on stay
    (a `where` clause), and so does a query that is nothing else. What it gains: bench/questions.py.
    """
    rest = _BEGINNING.sub(" ", query)
    return rest if _WORD.search(rest) else query
