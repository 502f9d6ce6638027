"""From ranked units to hits: texts are fetched, and units with the same text become one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from tellapart.corpus.types import Granularity
from tellapart.engine.results import Hit, make_hit
from tellapart.engine.searching import Found
from tellapart.index.store import StoredDocument

SPARE = 20
"""Units ranked beyond those asked for, to take the places of copies. Our choice: more copies than this leave gaps."""

Fetch = Callable[[Sequence[int]], Mapping[int, StoredDocument]]
"""Fetches documents by number."""


def distinct_hits(rank: Callable[[int], Sequence[Found]], fetch: Fetch, k: int) -> tuple[Hit, ...]:
    """Make hits of the best k units, of which those with the same text are one; its copies are named.

    `rank` gives so many of the best. Spare ones are only asked for where there are copies to replace.
    """
    hits = _collapsed(rank(k + 1), fetch, k)
    return _collapsed(rank(k + SPARE), fetch, k) if any(hit.copies for hit in hits) else hits


def _collapsed(found: Sequence[Found], fetch: Fetch, k: int) -> tuple[Hit, ...]:
    texts: dict[tuple[Granularity, str], int] = {}
    hits: list[Hit] = []
    for each in found:
        hit = make_hit(
            len(hits) + 1,
            fetch([each.document])[each.document],
            each.granularity,
            each.ordinal,
            each.score,
            each.components,
            each.probability,
        )
        # The text of an image is its caption: equal captions are no copies.
        own = hit.id if each.granularity is Granularity.IMAGE else hit.text.strip()
        at = texts.setdefault((each.granularity, own), len(hits))
        if at < len(hits):
            hits[at] = replace(hits[at], copies=(*hits[at].copies, hit.id))
        elif len(hits) == k:
            break
        else:
            hits.append(hit)
    return tuple(hits)
