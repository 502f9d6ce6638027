"""A run: what a ranker answered to a query set, by document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tellapart.errors import TellapartError


@dataclass(frozen=True, slots=True)
class RankedDocuments:
    """Documents of one query, best first, each once; `scores` (n,) float64 never increase.

    The order is the ranking: whoever makes it has already broken the ties.
    """

    documents: tuple[str, ...]
    scores: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.documents)


@dataclass(frozen=True, slots=True)
class Run:
    """Rankings by query id, in the order of the query set; `tag` names the system."""

    rankings: Mapping[str, RankedDocuments]
    tag: str = "tellapart"

    def __post_init__(self) -> None:
        for query, ranking in self.rankings.items():
            _validate(query, ranking)

    def without_same_id(self, depth: int) -> Run:
        """Leave out the document that has the id of its query (BEIR's `ignore_identical_ids`), and cut at `depth`."""
        kept: dict[str, RankedDocuments] = {}
        for query, ranking in self.rankings.items():
            places = [at for at, document in enumerate(ranking.documents) if document != query][:depth]
            kept[query] = RankedDocuments(
                tuple(ranking.documents[at] for at in places), ranking.scores[places].astype(np.float64)
            )
        return Run(kept, self.tag)

    @classmethod
    def from_scores(cls, scores: Mapping[str, Mapping[str, float]], *, tag: str = "tellapart") -> Run:
        """Rank documents by score as trec_eval does.

        Scores are compared in single precision; equal ones go by document id, descending.
        """
        return cls({query: rank_documents(list(of), list(of.values())) for query, of in scores.items()}, tag)


def rank_documents(documents: Sequence[str], scores: Sequence[float]) -> RankedDocuments:
    """Order documents by single-precision score, ties by document id descending (trec_eval's order)."""
    with np.errstate(over="ignore"):  # a score beyond float32 becomes inf and is refused by Run
        single = np.asarray(scores, dtype=np.float64).astype(np.float32).astype(np.float64)
    ranked = sorted(zip(single.tolist(), documents, strict=True), reverse=True)
    return RankedDocuments(
        tuple(document for _, document in ranked), np.array([score for score, _ in ranked], dtype=np.float64)
    )


def _validate(query: str, ranking: RankedDocuments) -> None:
    documents, scores = ranking.documents, ranking.scores
    if scores.shape != (len(documents),):
        raise ValueError(f"query {query!r}: {len(documents)} documents but scores of shape {scores.shape}")
    if not np.isfinite(scores).all():
        worst = documents[int(np.flatnonzero(~np.isfinite(scores))[0])]
        raise TellapartError(
            f"query {query!r}: document {worst!r} has a score that is not a number; compute it again"
        )
    if (scores[1:] > scores[:-1]).any():
        raise ValueError(f"query {query!r}: the scores increase down the ranking")
    if len(set(documents)) < len(documents):
        seen: set[str] = set()
        twice = next(document for document in documents if document in seen or seen.add(document))  # type: ignore[func-returns-value]
        raise TellapartError(f"query {query!r} ranks document {twice!r} twice; keep its best rank only")
