"""Comparing with a saved evaluation: did what `search` uses get worse?"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from heapq import nsmallest
from pathlib import Path
from typing import Any

import numpy as np

from tellapart.errors import TellapartError
from tellapart.experiments.query_set import Provenance
from tellapart.experiments.statistics import FEW_QUERIES, Comparison, compare
from tellapart.experiments.textfiles import read_text
from tellapart.experiments.verdict import Verdict
from tellapart.experiments.verdict_json import SCHEMA, SPELLED
from tellapart.index.reading import DocumentStore

SHARED_SHARE = 0.8
"""Share of the queries, then and now, that must be the same ones. The comparison is made on the shared ones
alone: at .8 it rests on nearly all that either run says, at .4 it would say nothing about most of them."""

LIKE_SHARE = 0.5
"""Share of the documents, then and now, that must be unchanged for a comparison to mean the system and not the
corpus. Where more than half changed, answers and competitors are mostly others."""


HASHES = 128
"""Smallest hashes kept: the estimate of a similarity s is then off by sqrt(s (1 - s) / 128), at most .044."""

HASH_BYTES = 6
"""48 bits: JSON readers that know only doubles keep such a number."""


@dataclass(frozen=True, slots=True)
class Saved:
    """What a gate needs of a saved evaluation."""

    measure: str
    source: str
    choice: str
    per_query: Mapping[str, float]
    corpus: str
    sketch: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Regression:
    """The choice now against the choice then, on the queries that both have; `shared` counts them."""

    then: str
    now: str
    shared: int
    comparison: Comparison

    @property
    def significant(self) -> bool:
        """Whether the choice is worse now, at 5 %, with an interval below 0."""
        return self.comparison.worse

    @property
    def sentence(self) -> str:
        """Say it in words."""
        each = self.comparison
        verdict = (
            "is significantly worse than" if self.significant else "shows no significant regression against"
        )
        few = f"; with fewer than {FEW_QUERIES} independent queries only a large one would show"
        return (
            f"{self.now} {verdict} {self.then} as saved: {each.difference:+.3f} [{each.low:+.3f}, {each.high:+.3f}],"
            f" p {each.p:.4f}, {self.shared:,} shared queries" + (few if each.n < FEW_QUERIES else "")
        )


def read_saved(path: Path) -> Saved:
    """Read what `evaluate --json` printed.

    Raises:
        TellapartError: The file is not such an output.
    """
    try:
        saved = json.loads(read_text(path))
        if saved["schema"] != SCHEMA:
            raise TellapartError(
                f"{path} has schema {saved['schema']}, not {SCHEMA}: save it anew with --json"
            )
        choice = next(each for each in saved["configurations"] if each["name"] == saved["choice"])
        per_query = {str(query): float(value) for query, value in choice["per_query"].items()}
        sketch = tuple(int(each) for each in saved["corpus_sketch"])
        return Saved(
            str(saved["measure"]),
            str(saved["source"]),
            str(saved["choice"]),
            per_query,
            str(saved["corpus"]),
            sketch,
        )
    except (ValueError, KeyError, TypeError, AttributeError, StopIteration):
        raise TellapartError(
            f"{path} is not a saved evaluation: make one with 'tellapart evaluate --json > {path}'"
        ) from None


def compare_with(saved: Saved, verdict: Verdict, *, seed: int = 0) -> Regression:
    """Compare the choices on shared queries.

    Raises:
        TellapartError: Measure, queries or corpus differ too much for a comparison to mean anything.
    """
    synthetic = SPELLED[Provenance.SYNTHETIC]
    if saved.source == synthetic or verdict.provenance is Provenance.SYNTHETIC:
        raise TellapartError(
            "synthetic queries are others whenever the corpus changes: compare on judged ones, with --queries"
        )
    if saved.measure != verdict.measure:
        raise TellapartError(
            f"the saved evaluation measured {saved.measure}, this one {verdict.measure}: give the same --measure"
        )
    shared = [query for query in verdict.queries if query in saved.per_query]
    share = len(shared) / max(len(verdict.queries), len(saved.per_query), 1)
    if share < SHARED_SHARE:
        raise TellapartError(
            f"only {len(shared):,} queries are in both evaluations ({share:.0%}; {SHARED_SHARE:.0%} are needed):"
            " give the same query set, or save a new evaluation to compare with"
        )
    likeness = unchanged_share(saved.sketch, verdict.corpus_sketch)
    if saved.corpus != verdict.corpus and likeness < LIKE_SHARE:
        raise TellapartError(
            f"some {likeness:.0%} of the documents are the same as in the saved evaluation"
            f" ({LIKE_SHARE:.0%} are needed): save a new one to compare with"
        )
    now = verdict.chosen.per_query
    comparison = compare(
        np.array([now[query] for query in shared]),
        np.array([saved.per_query[query] for query in shared]),
        clusters=np.array([verdict.clusters.get(query, query) for query in shared]),
        seed=seed,
    )
    return Regression(saved.choice, verdict.choice, len(shared), comparison)


def regression_json(regression: Regression) -> dict[str, Any]:
    """Give the documented shape."""
    each = regression.comparison
    return {
        "then": regression.then,
        "now": regression.now,
        "shared": regression.shared,
        "difference": each.difference,
        "low": each.low,
        "high": each.high,
        "p": each.p,
        "regression": regression.significant,
    }


def corpus_sketch(store: DocumentStore) -> tuple[int, ...]:
    """Give the smallest hashes of the documents (id and content), ascending."""
    digests = store.digests_by_id()
    return tuple(nsmallest(HASHES, (int.from_bytes(digest[:HASH_BYTES], "big") for _, digest in digests)))


def resemblance(a: tuple[int, ...], b: tuple[int, ...]) -> float:
    """Estimate the Jaccard similarity of two corpora from their sketches (Broder 1997)."""
    if not a or not b:
        return 0.0
    smallest = sorted(set(a) | set(b))[:HASHES]
    both = set(a) & set(b)
    return sum(1 for each in smallest if each in both) / len(smallest)


def unchanged_share(a: tuple[int, ...], b: tuple[int, ...]) -> float:
    """Estimate the share of the documents of two corpora that both have: one that changed counts once, not twice."""
    jaccard = resemblance(a, b)
    return 2 * jaccard / (1 + jaccard)
