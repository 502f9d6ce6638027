"""Does scoring by cosine in the whitened space help the exemplar SVM's closed form? By words, examples and both.

    TELLAPART_DATA=... python bench/svm_whitened.py --indexes DIR --output docs/benchmarks/svm_whitened.md

DIR holds the collections as indexes (bench/development.py makes them); one vector a document. Examples are drawn
from the relevant documents of a query, one draw, the same for all rankers; they are left out of the ranking and of
the judgements. Settings are the defaults, lambda 10 mean eigenvalues, nothing is tuned here. k-NN is the query, the
mean of the examples, or the sum of both.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from judged import DEPTH, MEASURE, Judged, load, publish, table
from tellapart.corpus.types import Granularity
from tellapart.engine import Index
from tellapart.evaluation.measures import evaluate_run
from tellapart.evaluation.queries.judgements import Qrels
from tellapart.evaluation.statistics import compare
from tellapart.index.vectors import VectorIndex
from tellapart.rankers.examples import like_rows
from tellapart.rankers.query import Query
from tellapart.rankers.ridge import Ridge
from tellapart.rankers.rocchio import Rocchio
from tellapart.rankers.run import RankedDocuments, Run
from tellapart.rankers.svm import svm
from tellapart.rankers.vectors import VectorRanker
from tellapart.rankers.whitened import WhitenedSVM

SETS = (("cranfield", "test"), ("cisi", "test"), ("cacm", "test"), ("med", "test"), ("scifact", "train"))
ENCODERS = ("minilm", "lsa")
RANKERS = {
    "k-NN": VectorRanker("knn", Rocchio(1.0, 1.0, 0.0)),
    "ridge": VectorRanker("ridge", Ridge()),
    "closed": svm(),
    "whitened": WhitenedSVM(),
}
PAIRS = (("closed", "k-NN"), ("whitened", "k-NN"), ("whitened", "closed"), ("whitened", "ridge"))
SIZES = (0, 1, 3, 5)
SEED = 0


@dataclass(frozen=True)
class Asked:
    """A collection's queries of one kind, what is left to be found, and the index they are put to."""

    queries: dict[str, Query]
    left: Qrels
    index: VectorIndex
    documents: list[str]


def asked(judged: Judged, folder: Path, encoder: str) -> Iterator[tuple[str, Asked]]:
    """Give the searches of one collection by kind."""
    opened = Index.open(folder / judged.name.split()[0])
    with opened.reading() as snapshot:
        index, table_ = snapshot.vectors(encoder, Granularity.DOCUMENT), snapshot.units(Granularity.DOCUMENT)
        identifiers = opened.store.identifiers()
        documents = [identifiers[int(number)] for number in table_.locate(np.arange(table_.n_rows))[0]]
    rows = {document: row for row, document in enumerate(documents)}
    vectors = opened.encode_queries(encoder, list(judged.queries.values()))
    for size in SIZES:
        rng = np.random.default_rng([SEED, size])
        words: dict[str, Query] = {}
        examples: dict[str, Query] = {}
        left: dict[str, dict[str, int]] = {}
        for (qid, _), vector in zip(judged.queries.items(), vectors, strict=True):
            grades = judged.qrels.grades[qid]
            relevant = sorted(
                rows[document] for document, grade in grades.items() if grade > 0 and document in rows
            )
            if len(relevant) <= size:
                continue
            chosen = rng.choice(relevant, size, replace=False).tolist()
            words[qid] = like_rows(index, chosen, vector=vector) if size else Query(vector=vector)
            if size:
                examples[qid] = like_rows(index, chosen)
            taken = {documents[row] for row in chosen}
            left[qid] = {document: grade for document, grade in grades.items() if document not in taken}
        if size:
            yield f"{size} examples", Asked(examples, Qrels(left), index, documents)
        yield ("words" if not size else f"words and {size}"), Asked(words, Qrels(left), index, documents)


def values(ranker: VectorRanker | WhitenedSVM, searches: Asked) -> np.ndarray:
    """NDCG@10 per query."""
    rankings = {}
    for qid, query in searches.queries.items():
        allowed = np.ones(searches.index.n_rows, dtype=bool)
        allowed[list(query.own_rows)] = False
        found = ranker.search(query, searches.index, DEPTH, allowed=allowed)
        documents = tuple(searches.documents[row] for row in found.rows)
        rankings[qid] = RankedDocuments(documents, found.scores.astype(np.float64))
    return evaluate_run(Run(rankings), searches.left, [MEASURE]).values[MEASURE]


def lines(folder: Path) -> Iterator[list[str]]:
    for encoder in ENCODERS:
        pooled: dict[str, dict[str, list[np.ndarray]]] = {}
        for name, split in SETS:
            for kind, searches in asked(load(name, split), folder, encoder):
                if not searches.queries:
                    continue
                for ranker in RANKERS:
                    own = values(RANKERS[ranker], searches)
                    pooled.setdefault(kind, {}).setdefault(ranker, []).append(own)
        for kind, by_ranker in pooled.items():
            all_of = {ranker: np.concatenate(parts) for ranker, parts in by_ranker.items()}
            means = [f"{all_of[ranker].mean():.3f}" for ranker in RANKERS]
            differences = []
            for a, b in PAIRS:
                found = compare(all_of[a], all_of[b], seed=SEED)
                differences.append(
                    f"{found.difference:+.3f} [{found.low:+.3f}, {found.high:+.3f}] p {found.p:.3g}"
                )
            yield [encoder, f"{kind} ({len(all_of['k-NN'])})", *means, *differences]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--indexes", type=Path, metavar="DIR", required=True)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    head = ["encoder", "search (queries)", *RANKERS, *(f"{a} - {b}" for a, b in PAIRS)]
    text = (
        "# The closed-form SVM scored by cosine in the whitened space\n\n"
        f"Command: `python bench/svm_whitened.py --indexes DIR`. nDCG@10 pooled over {', '.join(n for n, _ in SETS)}; "
        f"seed {SEED}; differences with bootstrap-t intervals (95 %) and sign-flip p, uncorrected.\n\n"
    )
    publish(text + table(head, list(lines(arguments.indexes))), arguments.output)


if __name__ == "__main__":
    main()
