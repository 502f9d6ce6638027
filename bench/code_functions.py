"""Where people judged single functions: does anything that is here add to the hybrid? Fields of words, cross-fitted.

    TELLAPART_DATA=... python bench/code_functions.py --output docs/benchmarks/code_functions.md

Each function is a document. Its words are looked at as a whole and in fields: the names it defines, the text of its
docstrings, and the rest. Weights are a conditional logit over the candidates of a query (as in bench/code_fit.py),
fitted on four fifths of the queries and judged on the last; each score is standardised over the documents of a query.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from judged import MEASURE, Judged, load, publish, table
from tellapart.corpus.document import KIND_OF, Granularity
from tellapart.engine import Index
from tellapart.experiments.measures import evaluate_run
from tellapart.experiments.statistics import compare
from tellapart.index.lexical import analyse_query
from tellapart.rankers.run import Run, rank_documents

SETS = (("mbpp", "train"), ("cosqa", "dev"))
ENCODER, COSINE, WORDS = "minilm", "cosine", "words"
HYBRID = 0.9
"""Weight of the vectors in the product's hybrid for code."""

CANDIDATES, DEPTH, FOLDS, RIDGE = 50, 100, 5, 3.0
_DOCSTRING = re.compile(r'("""|\'\'\')(.*?)\1', re.DOTALL)
_DEFINED = re.compile(r"\b(?:def|class)\s+(\w+)")
FIELDS: Mapping[str, Callable[[str], str]] = {
    WORDS: lambda text: text,
    "without docstrings": lambda text: _DOCSTRING.sub(" ", text),
    "docstrings": lambda text: " ".join(match[1] for match in _DOCSTRING.findall(text)),
    "names": lambda text: " ".join(_DEFINED.findall(text)),
}
SETTINGS = ((1.2, 0.75), (2.0, 0.75), (0.9, 0.4))
"""k1 and b of BM25; the first is the default for code."""

Scores = NDArray[np.float64]


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--work", type=Path, default=Path("build") / "code_functions")
    options.add_argument("--only", action="append", default=[])
    options.add_argument("--output", type=Path)
    chosen = options.parse_args()
    sets = [each for each in SETS if not chosen.only or each[0] in chosen.only]
    only = "".join(f" --only {name}" for name in chosen.only)
    columns = [_measured(load(*each), chosen.work / each[0]) for each in sets]
    rows = [[name, *(column[name] for column in columns)] for name in columns[0]]
    heads = [f"{name} {split}" for name, split in sets]
    publish(
        f"# Fields of words where single functions were judged\n\n`python bench/code_functions.py{only}`: nDCG@10 of"
        " people's queries for functions. *Fitted* weights are judged on queries they were not fitted on, in brackets"
        " the difference to the hybrid, paired over queries, 95 %.\n\n" + table(["", *heads], rows),
        chosen.output,
    )


def _measured(judged: Judged, work: Path) -> dict[str, str]:
    """Measure every score alone, the hybrid, and fitted mixtures."""
    ids, queries = list(judged.documents), list(judged.queries.values())
    scores = {COSINE: _cosines(judged, work / "whole")}
    for name, field in FIELDS.items():
        settings = SETTINGS if name == WORDS else SETTINGS[:1]
        texts = [field(text) for text in judged.documents.values()]
        for (k1, b), found in zip(settings, _by_words(texts, queries, work / name, settings), strict=True):
            scores[name if (k1, b) == SETTINGS[0] else f"{name}, k1 {k1}, b {b}"] = found
        sys.stderr.write(f"{judged.name}: {name}\n")
    spread = {name: _standard(each) for name, each in scores.items()}
    hybrid = HYBRID * spread[COSINE] + (1 - HYBRID) * spread[WORDS]
    base = _values(judged, ids, hybrid)
    rows = {name: f"{_values(judged, ids, each).mean():.3f}" for name, each in scores.items()}
    rows[f"hybrid, {HYBRID} of vectors"] = f"{base.mean():.3f}"
    for kept in (
        (COSINE, WORDS),
        (COSINE, WORDS, "names"),
        (COSINE, "without docstrings", "docstrings"),
        tuple(scores),
    ):
        values = _values(judged, ids, _cross_fitted(judged, ids, [spread[name] for name in kept]))
        gap = compare(values, base)
        name = "all" if len(kept) == len(scores) else " + ".join(kept)
        rows[f"fitted: {name}"] = (
            f"{values.mean():.3f} ({gap.difference:+.3f} [{gap.low:+.3f}, {gap.high:+.3f}])"
        )
    return rows


def _index(texts: Sequence[str], folder: Path, encoders: Sequence[str] = ()) -> Index:
    """Index texts as files of Python, whose names are their numbers."""
    corpus = folder / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for number, text in enumerate(texts):
        (corpus / f"f{number:05d}.py").write_text(text or "\n", encoding="utf-8")
    return Index.build([corpus], folder / "index", encoders=tuple(encoders))


def _by_words(
    texts: Sequence[str], queries: Sequence[str], folder: Path, settings: Sequence[tuple[float, float]]
) -> list[Scores]:
    """Score all documents by BM25, once for each setting."""
    level = Granularity.FILE
    found = [np.zeros((len(queries), len(texts))) for _ in settings]
    with _index(texts, folder) as index, index.reading() as snapshot:
        places = _places(index, snapshot.units(level).documents)
        for at, query in enumerate(queries):
            terms = analyse_query(query, KIND_OF[level])
            for (k1, b), into in zip(settings, found, strict=True):
                into[at, places] = snapshot.lexical(level).scores(terms, k1=k1, b=b)
    return found


def _cosines(judged: Judged, folder: Path) -> Scores:
    """Score each document by its nearest function."""
    level = Granularity.FUNCTION
    with _index(list(judged.documents.values()), folder, [ENCODER]) as index, index.reading() as snapshot:
        places, table_ = _places(index, snapshot.units(level).documents), snapshot.units(level)
        vectors = index.encode_queries(ENCODER, list(judged.queries.values()))
        reader = snapshot.vectors(ENCODER, level)
        found = np.full((len(vectors), len(judged.documents)), -1.0)
        for at, vector in enumerate(vectors):
            found[at, places] = np.maximum.reduceat(reader.scores(vector), table_.offsets[:-1])
    return found


def _places(index: Index, documents: NDArray[np.int64]) -> NDArray[np.int64]:
    """Say which text each indexed document is: files of nothing are not indexed."""
    names = index.store.identifiers()
    return np.array([int(Path(names[number]).stem[1:]) for number in documents.tolist()], np.int64)


def _standard(scores: Scores) -> Scores:
    spread: Scores = scores - scores.mean(axis=1, keepdims=True)
    return spread / np.maximum(scores.std(axis=1, keepdims=True), 1e-9)


def _values(judged: Judged, ids: Sequence[str], scores: Scores) -> Scores:
    rankings = {}
    for query, own in zip(judged.queries, scores, strict=True):
        top = np.argpartition(-own, DEPTH)[:DEPTH]
        rankings[query] = rank_documents([ids[row] for row in top], own[top].tolist())
    values: Scores = evaluate_run(Run(rankings), judged.qrels, [MEASURE]).values[MEASURE]
    return values


def _cross_fitted(judged: Judged, ids: Sequence[str], parts: Sequence[Scores]) -> Scores:
    """Mix scores by weights fitted without a query's own fold; only candidates keep a score."""
    stacked = np.stack(parts, axis=-1)
    place = {identifier: at for at, identifier in enumerate(ids)}
    relevant = [
        {place[document] for document, grade in judged.qrels.grades[query].items() if grade > 0}
        for query in judged.queries
    ]
    candidates = [
        np.unique(np.concatenate([np.argpartition(-own, CANDIDATES)[:CANDIDATES] for own in each.T[:2]]))
        for each in stacked
    ]
    fold = np.random.default_rng(0).permutation(len(stacked)) % FOLDS
    mixed = np.full(stacked.shape[:2], -1e9)
    for number in range(FOLDS):
        known = [
            (stacked[at][candidates[at]], np.isin(candidates[at], list(relevant[at])))
            for at in np.flatnonzero(fold != number).tolist()
        ]
        weights = _fitted([each for each in known if each[1].any()])
        for at in np.flatnonzero(fold == number).tolist():
            mixed[at, candidates[at]] = stacked[at][candidates[at]] @ weights
    return mixed


def _fitted(known: Sequence[tuple[Scores, NDArray[np.bool_]]]) -> Scores:
    """Maximise the sum over queries of log P(some relevant document), P = softmax of X w over the candidates."""

    def loss(w: Scores) -> tuple[float, Scores]:
        value, gradient = RIDGE / 2 * float(w @ w), RIDGE * w
        for x, relevant in known:
            p = np.exp(x @ w - (x @ w).max())
            p /= p.sum()
            found = float(p[relevant].sum())
            value -= float(np.log(found))
            gradient = gradient + x.T @ (p - p * relevant / found)
        return value, gradient

    weights: Scores = minimize(loss, np.zeros(known[0][0].shape[1]), jac=True, method="L-BFGS-B").x
    return weights


if __name__ == "__main__":
    main()
