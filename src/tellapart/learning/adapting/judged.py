"""What people's judgements say about a map; they are not learned from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tellapart.corpus.types import Granularity
from tellapart.encoders.maps import VectorMap
from tellapart.encoders.protocol import Encoder, Vectors
from tellapart.encoders.windows import embed
from tellapart.engine import Index
from tellapart.evaluation.measures import Measure, evaluate_run
from tellapart.evaluation.queries.querysets import JUDGED, QueryGold
from tellapart.evaluation.statistics import compare
from tellapart.learning.adapting.deciding import Evidence
from tellapart.learning.adapting.judging import mapped
from tellapart.learning.adapting.units import Units, contents_of, of_documents, read_units
from tellapart.rankers.run import RankedDocuments, Run, rank_documents

MEASURE = Measure.parse("nDCG@10")
DEPTH = 100
BLOCK = 256


def judge(
    index: Index, encoder: str, level: Granularity, changed: VectorMap | Encoder, gold: QueryGold
) -> Evidence:
    """Compare a map, or another encoder, with none and with BM25 over documents, each scoring as its best unit."""
    texts = dict(gold.queries)
    queries = index.encode_queries(encoder, list(texts.values()))
    units = read_units(index, encoder, level)
    if isinstance(changed, Encoder):
        asked = changed.encode_query(list(texts.values()))
        offered = embed(changed, contents_of(index, units, level))[0]
    else:
        asked, offered = mapped(queries, changed), mapped(units.vectors, changed)
    runs = [_run(list(texts), asked, replace(units, vectors=offered)), _run(list(texts), queries, units)]
    runs.append(index.run(texts, ranker="bm25", granularity=level, depth=DEPTH))
    found = [evaluate_run(run, gold.qrels, [MEASURE]) for run in runs]
    adapted, untouched, bm25 = (each.values[MEASURE] for each in found)
    clusters = [gold.cluster(query) for query in found[0].queries]
    return Evidence(
        source=JUDGED,
        queries=len(adapted),
        untouched=float(untouched.mean()),
        adapted=float(adapted.mean()),
        bm25=float(bm25.mean()),
        against_untouched=compare(adapted, untouched, clusters=clusters),
        against_bm25=compare(adapted, bm25, clusters=clusters),
    )


def _run(asked: list[str], queries: Vectors, units: Units) -> Run:
    rankings: dict[str, RankedDocuments] = {}
    depth = min(DEPTH, len(units.names))
    for start in range(0, len(asked), BLOCK):
        scores = of_documents(queries[start : start + BLOCK], units.vectors, units.starts)
        for query, row in zip(asked[start : start + BLOCK], scores, strict=True):
            top = np.argpartition(-row, depth - 1)[:depth]
            rankings[query] = rank_documents([units.names[place] for place in top], row[top].tolist())
    return Run(rankings)
