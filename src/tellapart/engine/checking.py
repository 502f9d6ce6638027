"""What a search refuses before anything is read."""

from __future__ import annotations

from collections.abc import Sequence

from tellapart.errors import TellapartError

MAX_QUERY_CHARACTERS = 100_000
"""A longer query is refused: an encoder reads its first 256 tokens, and words beyond this only cost time."""


def check_search(query: str | None, like: Sequence[str], unlike: Sequence[str], k: int) -> None:
    """Refuse a search that nothing can be found for."""
    if query is None and not like:
        beside = " beside what it should be unlike" if unlike else ""
        raise TellapartError(f"nothing to search for: give a query or an example (--like){beside}")
    if query is not None and not query.strip():
        raise TellapartError("the query is empty: give some words to search for")
    if query is not None and len(query) > MAX_QUERY_CHARACTERS:
        raise TellapartError(
            f"the query has {len(query):,} characters: give at most {MAX_QUERY_CHARACTERS:,}"
        )
    if k < 1:
        raise TellapartError(f"k is {k}: ask for at least 1 hit")
