"""What a search loses when prose and code share an index: nDCG@10 of each side alone, and mixed with the other.

    TELLAPART_DATA=... python bench/mixed.py --output docs/benchmarks/mixed.md

Each pair of collections is indexed together, and each side by itself, at the default granularities (paragraph and
function; `--indexes DIR` keeps the indexes). Queries of either side are asked with the default granularities. Rules:
`before` takes idf and z-scores inside each granularity; `pooled` takes both over all units; `now` is what `search`
does (engine/searching.py, joint_spreads). What is lost is mixed minus alone, paired by query.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from judged import MEASURE, data_folder, publish, table
from mixed_sets import ENCODER, PAIRS, Judged, Side, build, judged_side, records
from tellapart.corpus.document import KIND_OF
from tellapart.engine import Index
from tellapart.engine.asking import terms_of
from tellapart.experiments.measures import evaluate_run
from tellapart.experiments.qrels import Qrels
from tellapart.experiments.statistics import compare
from tellapart.index.lexical import defaults
from tellapart.rankers.query import Spread
from tellapart.rankers.registry import WEIGHT
from tellapart.rankers.run import Run, rank_documents

DEPTH = 100
LEAN = 50
"""Units of the pooled population that `before` mixed each spread with."""

Values = NDArray[np.float64]
Scores = NDArray[np.float32]


def _spread(scores: Scores) -> Spread:
    return Spread(len(scores), float(scores.mean()), float(scores.std()))


def _pooled(spreads: Sequence[Spread]) -> Spread:
    n = sum(each.n for each in spreads)
    mean = sum(each.n * each.mean for each in spreads) / n
    square = sum(each.n * (each.std**2 + each.mean**2) for each in spreads) / n
    return Spread(n, mean, max(square - mean * mean, 0.0) ** 0.5)


def _common(spreads: Sequence[Spread], *, own: bool) -> list[Spread]:
    if len(spreads) < 2:
        return list(spreads)
    pooled = _pooled(spreads)
    lean = Spread(LEAN, pooled.mean, pooled.std)
    return [_pooled([each, lean]) if own else pooled for each in spreads]


def by_rule(index: Index, judged: Judged, ranker: str, *, own: bool) -> Values:
    """Value per query of `before` (`own` statistics of each granularity) or `pooled`."""
    vectors = index.encode_queries(ENCODER, list(judged.texts.values()))
    rankings = {}
    with index.reading() as snapshot:
        levels = snapshot.granularities
        names = index.store.identifiers()
        words = [snapshot.lexical(level) for level in levels] if own else snapshot.lexical_together(levels)
        near = [snapshot.vectors(ENCODER, level) for level in levels]
        tables = [snapshot.units(level) for level in levels]
        rows = [table.locate(np.arange(table.n_rows))[0] for table in tables]
        documents = np.unique(np.concatenate(rows))
        columns = [np.searchsorted(documents, numbers) for numbers in rows]
        for vector, (query, text) in zip(vectors, judged.texts.items(), strict=True):
            dense, cosines = [], []
            for level, lexical, index_of in zip(levels, words, near, strict=True):
                k1, b = defaults(KIND_OF[level])
                dense.append(lexical.scores(terms_of(text, KIND_OF[level]), k1=k1, b=b))
                cosines.append(index_of.scores(vector))
            of_words = _common([_spread(each) for each in dense], own=own)
            of_vectors = _common([_spread(each) for each in cosines], own=own)
            best = np.full(len(documents), -np.inf, dtype=np.float32)
            for at, level in enumerate(levels):
                scores = of_words[at].standardise(dense[at])
                if ranker == "hybrid":
                    weight = np.float32(WEIGHT[KIND_OF[level]])
                    scores = weight * of_vectors[at].standardise(cosines[at]) + (1 - weight) * scores
                else:
                    scores = np.where(dense[at] > 0, scores, np.float32(-np.inf))
                np.maximum.at(best, columns[at], scores)
            top = np.argsort(-best, kind="stable")[:DEPTH]
            top = top[best[top] > -np.inf]
            rankings[query] = rank_documents([names[documents[row]] for row in top], best[top].tolist())
    return _values(Run(rankings), judged)


def now(index: Index, judged: Judged, ranker: str) -> Values:
    """Value per query of what `search` does."""
    return _values(index.run(judged.texts, ranker=ranker, depth=DEPTH), judged)


def _values(run: Run, judged: Judged) -> Values:
    return evaluate_run(run, Qrels(judged.grades), [MEASURE]).values[MEASURE]


RULES: Mapping[str, Callable[[Index, Judged, str], Values]] = {
    "before": lambda index, judged, ranker: by_rule(index, judged, ranker, own=True),
    "pooled": lambda index, judged, ranker: by_rule(index, judged, ranker, own=False),
    "now": now,
}


def measure(pair: tuple[Side, Side], folder: Path, data: Path) -> list[list[str]]:
    """Rows of the table for one pair."""
    judged = [judged_side(data, side) for side in pair]
    given = [(records, side, own) for side, own in zip(pair, judged, strict=True)]
    together = build(folder / "+".join(side.name for side in pair), (read(data, *of) for read, *of in given))
    rows = []
    for side, own in zip(pair, judged, strict=True):
        alone = build(folder / side.name, [records(data, side, own)])
        for ranker in ("bm25", "hybrid"):
            for rule, ask in RULES.items():
                apart, mixed = ask(alone, own, ranker), ask(together, own, ranker)
                lost = compare(mixed, apart)
                interval = f"{lost.difference:+.3f} [{lost.low:+.3f}, {lost.high:+.3f}], p {lost.p:.3f}"
                shown = [f"{apart.mean():.3f}", f"{mixed.mean():.3f}", interval]
                rows.append([f"{side.name} ({side.kind}, {len(own.texts)} queries)", ranker, rule, *shown])
            print(*rows[-1], file=sys.stderr)
    return rows


def main() -> None:
    """Measure all pairs and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path)
    parser.add_argument("--indexes", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.indexes or Path(scratch)
        rows = [row for pair in PAIRS for row in measure(pair, folder, data_folder())]
    head = ["side", "ranker", "rule", "alone", "mixed", "mixed - alone"]
    publish(HEAD + table(head, rows) + TAIL, arguments.output)


HEAD = """# Prose and code in one index

Command: `python bench/mixed.py`. nDCG@10 of one side's queries in an index of that side alone and in one that it
shares with the other side of the pair (cacm + humaneval, wikiqa sections + mbpp, scifact + cosqa; development queries).
Sampled to bound the encoding: 1,400 wikiqa sections and 400 queries, 2,000 scifact abstracts, 2,500 cosqa functions and
300 queries each; the others whole. `before` takes idf and z-scores inside each granularity, `pooled` takes both over
all units, `now` is what `search` does: BM25 with the idf and average length of all units; in `hybrid` vectors are
measured from the mean of all units plus the nearness of the kind, words weigh as within their kind but never more than
among all units. Paired intervals of 95 %, p by sign flips, uncorrected.

"""
TAIL = """
`now` was chosen on the first two pairs and tried on the third afterwards. Tried and lost more: pooled idf with the
average length of each kind (bm25), a prior of the kind by how often the query's words occur in it, BM25 as a share of
what is attainable, merging the two lists as CORI does. `hybrid` with the statistics of its own kind and kinds compared
by vectors only lost as little here, but lets a stray remark in long notes beat the function that is asked for.
"""

if __name__ == "__main__":
    main()
