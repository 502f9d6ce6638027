"""What `hybrid` makes of other vectors, without an index of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tellapart.corpus.types import Kind
from tellapart.encoders.protocol import Vectors
from tellapart.engine import Index
from tellapart.experiments.judgements import Qrels
from tellapart.experiments.measures import evaluate_run
from tellapart.learning.adapting.judges import DEPTH, MEASURE, Judges
from tellapart.learning.adapting.units import of_documents
from tellapart.rankers.registry import WEIGHT
from tellapart.rankers.run import RankedDocuments, Run, rank_documents


def in_hybrid(
    index: Index, people: Judges, kind: Kind, asked: Vectors, offered: Vectors
) -> NDArray[np.float64]:
    """NDCG@10 (n,) of the weighted sum of z-scores over documents, BM25 and these vectors."""
    names, weight = people.units.names, WEIGHT[kind]
    place = {name: row for row, name in enumerate(names)}
    texts = dict(zip(people.names, people.texts, strict=True))
    lexical = index.run(texts, ranker="bm25", granularity=people.level, depth=len(names))
    rankings: dict[str, RankedDocuments] = {}
    for query, vector in zip(people.names, asked, strict=True):
        words, found = np.zeros(len(names)), lexical.rankings[query]
        words[[place[name] for name in found.documents]] = found.scores
        near = of_documents(vector[None], offered, people.units.starts)[0].astype(np.float64)
        fused = weight * standardised(near) + (1 - weight) * standardised(words)
        top = np.argpartition(-fused, min(DEPTH, len(names)) - 1)[:DEPTH]
        rankings[query] = rank_documents([names[row] for row in top], fused[top].tolist())
    qrels = Qrels(dict(zip(people.names, people.grades, strict=True)))
    return evaluate_run(Run(rankings), qrels, [MEASURE]).values[MEASURE]


def standardised(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    return (scores - scores.mean()) / (scores.std() or 1.0)
