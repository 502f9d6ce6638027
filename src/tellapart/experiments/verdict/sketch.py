"""How alike two corpora are, from a few numbers kept with an evaluation."""

from __future__ import annotations

from heapq import nsmallest

from tellapart.index.store import Store

HASHES = 128
"""Smallest hashes kept: the estimate of a similarity s is then off by sqrt(s (1 - s) / 128), at most .044."""

HASH_BYTES = 6
"""48 bits: JSON readers that know only doubles keep such a number."""


def corpus_sketch(store: Store) -> tuple[int, ...]:
    """Give the smallest hashes of the documents (id and content), ascending."""
    digests = store.connection.execute("SELECT digest FROM documents")
    return tuple(nsmallest(HASHES, (int.from_bytes(digest[:HASH_BYTES], "big") for (digest,) in digests)))


def resemblance(a: tuple[int, ...], b: tuple[int, ...]) -> float:
    """Estimate the Jaccard similarity of two corpora from their sketches (Broder 1997)."""
    if not a or not b:
        return 0.0
    smallest = sorted(set(a) | set(b))[:HASHES]
    both = set(a) & set(b)
    return sum(1 for each in smallest if each in both) / len(smallest)
