"""A second look by a cross-encoder: what it adds, what it costs, what it knows about questions without an answer.

    TELLAPART_DATA=... python bench/rerank.py --work build/rerank --output docs/benchmarks/rerank.md

Needs `tellapart models add ms-marco-minilm`. Scores of pairs are kept in the work folder, so that a run that was
stopped (`--seconds`) goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calibration_figures import refusal_figures
from judged import MEASURE, data_folder, publish, table
from tellapart.encoders.pairs import CrossEncoder, open_cross_encoder
from tellapart.engine import Index
from tellapart.engine.asking import QueryBuilder
from tellapart.engine.request import SearchRequest
from tellapart.engine.searching import Found, rank_units
from tellapart.engine.second_look import SecondLook, fused
from tellapart.experiments.measures import Measure, evaluate_run
from tellapart.experiments.qrels import read_beir
from tellapart.experiments.statistics import compare
from tellapart.rankers.run import RankedDocuments, Run

MODEL = "ms-marco-minilm"
DEPTH = 6
LISTED = 100
SHARES = (1.0, 0.7, 0.5)
FIRST = Measure.parse("RR@6")
DRAWS = 500
KEPT_EVERY = 50
ANSWER_DEPTHS = (1, 3, 6, 10, 15)


@dataclass(frozen=True)
class Collection:
    """A judged collection; `queries` are drawn of it (seed 0), `depth` hits of each are looked at."""

    name: str
    split: str
    queries: int = 80
    depth: int = DEPTH


COLLECTIONS = (
    Collection("wikiqa", "dev", 1000, 15),
    Collection("scifact", "train"),
    Collection("cosqa", "dev"),
    Collection("cranfield", "test"),
    Collection("cranfield", "test_src"),
    Collection("med", "test"),
    Collection("cacm", "test"),
    Collection("cisi", "test"),
    Collection("mbpp", "train"),
    Collection("npl", "test"),
    Collection("xquad-en", "paragraph"),
    Collection("humaneval", "test"),
    Collection("java-cs", "valid"),
)


class KeptScores:
    """A cross-encoder whose scores are kept in a file, with the processor time (s) that each took."""

    name = MODEL

    def __init__(self, encoder: CrossEncoder, place: Path, seconds: float) -> None:
        self.encoder = encoder
        self.place = place
        self.left = seconds
        self.known: dict[str, list[float]] = json.loads(place.read_text()) if place.exists() else {}
        self.took: list[float] = []
        """Of each pair of the latest call."""

    def scores(self, query: str, texts: Sequence[str]) -> NDArray[np.float32]:
        """Score texts (n,), those known from before out of the file."""
        found = []
        for text in texts:
            key = blake2b(f"{query}\0{text}".encode(), digest_size=12).hexdigest()
            if key not in self.known:
                if self.left <= 0:
                    self.keep()
                    sys.exit("the time is over: run it again to go on")
                started, worked = time.perf_counter(), time.process_time()
                score = float(self.encoder.scores(query, [text])[0])
                self.known[key] = [score, time.process_time() - worked]
                self.left -= time.perf_counter() - started
                if len(self.known) % KEPT_EVERY == 0:
                    self.keep()
            found.append(self.known[key])
        self.took = [took for _, took in found]
        return np.array([score for score, _ in found], dtype=np.float32)

    def keep(self) -> None:
        """Write the file."""
        self.place.write_text(json.dumps(self.known))


@dataclass(frozen=True)
class Looked:
    """First hits of one query, before the second look; the cross-encoder's scores of some and what they took (s)."""

    query: str
    found: tuple[Found, ...]
    cosine: float
    logits: NDArray[np.float64]
    took: tuple[float, ...]

    def order(self, share: float | None, depth: int) -> list[int]:
        """Positions of the hits in their order after a look at `depth`; share None = as the default gives them."""
        every = list(range(len(self.found)))
        if share is None:
            return every
        logits = self.logits[:depth]
        head = len(logits)
        scores = fused(np.array([each.score for each in self.found[:head]]), logits, share)
        return [*np.argsort(-scores, kind="stable").tolist(), *every[head:]]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--output", type=Path)
    parser.add_argument("--work", type=Path, default=Path("build") / "rerank")
    parser.add_argument("--only", action="append", metavar="NAME")
    parser.add_argument("--seconds", type=float, default=3600.0, help="of new scores at most")
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    kept = KeptScores(open_cross_encoder(MODEL), arguments.work / "scores.json", arguments.seconds)
    gains, answers, pairs = [], "", 0
    for collection in COLLECTIONS:
        if arguments.only and collection.name not in arguments.only:
            continue
        looked, qrels, unanswered = look(collection, arguments.work, kept)
        kept.keep()
        pairs += sum(len(each.took) for each in looked.values())
        gains += gain_rows(collection, looked, qrels)
        if collection.name == "wikiqa":
            answers = no_answer(looked, unanswered)
    left = [each.name for each in COLLECTIONS if arguments.only and each.name not in arguments.only]
    publish(page(gains, answers, pairs, left), arguments.output)


def look(collection: Collection, work: Path, kept: KeptScores):  # noqa: ANN201
    """Search the queries, answerable first, and let the cross-encoder score the first hits of each."""
    data = data_folder()
    folder = work / collection.name
    corpus = data / collection.name / "corpus.jsonl"
    index = Index.build([corpus], folder, granularities=("paragraph", "function"))
    judged = read_beir(data / collection.name, collection.split)
    texts = judged.queries.texts
    order = np.random.default_rng(0).permutation(sorted(judged.qrels.grades)).tolist()
    has = {query: any(grade > 0 for grade in judged.qrels.grades[query].values()) for query in order}
    chosen = [query for query in order if has[query]][: collection.queries]
    unanswered = [query for query in order if not has[query]] if collection.name == "wikiqa" else []
    looked = {}
    with index.reading() as snapshot:
        plan = index.planner(snapshot).default(SearchRequest(ranker="hybrid"))
        builder = QueryBuilder(snapshot, index.store, index._encoder, plan)
        names = index.store.identifiers()
        second = SecondLook(index.store, snapshot, kept, collection.depth)  # type: ignore[arg-type]
        for query, asked in builder.for_texts({query: texts[query] for query in (*chosen, *unanswered)}):
            found = [each for each in rank_units(asked, LISTED) if names[each.document] != query]
            places = [(each.document, each.granularity, each.ordinal) for each in found[: collection.depth]]
            logits = second.logits(texts[query], places)
            cosine = max(each.components["knn"] for each in found)
            named = tuple(Found(names[each.document], *_rest(each)) for each in found)  # type: ignore[arg-type]
            looked[query] = Looked(query, named, cosine, logits, tuple(kept.took))
    index.close()
    return looked, judged.qrels, unanswered


def _rest(each: Found) -> tuple[object, ...]:
    return each.granularity, each.ordinal, each.score, each.components


def gain_rows(collection: Collection, looked, qrels):  # noqa: ANN001, ANN201
    """One row for each depth and share of the cross-encoder: gain over the default, whether it pays, time."""
    queries = [query for query in looked if any(grade > 0 for grade in qrels.grades[query].values())]
    judged = type(qrels)({query: qrels.grades[query] for query in queries})
    rows = []
    before = _values(looked, queries, judged, None, 0)
    for measure in (MEASURE, FIRST) if collection.name == "wikiqa" else (MEASURE,):
        for depth, share in [
            (depth, share) for depth in sorted({DEPTH, collection.depth}) for share in SHARES
        ]:
            after = _values(looked, queries, judged, share, depth)
            found = compare(after[measure], before[measure])
            took = [1000 * sum(looked[query].took[:depth]) for query in queries]
            rows.append(
                [
                    f"{collection.name} {collection.split} ({len(queries)})",
                    str(measure),
                    f"{before[measure].mean():.3f}",
                    str(depth),
                    f"{share:g}",
                    f"{after[measure].mean():.3f}",
                    f"{found.difference:+.3f} [{found.low:+.3f}, {found.high:+.3f}]",
                    f"{found.p:.3f}",
                    "pays" if found.low > 0 else "loses" if found.high < 0 else "",
                    f"{np.median(took):.0f}",
                ]
            )
    return rows


def _values(looked, queries, judged, share, depth):  # noqa: ANN001, ANN202
    rankings = {}
    for query in queries:
        own = looked[query]
        names = list(dict.fromkeys(own.found[position].document for position in own.order(share, depth)))
        rankings[query] = RankedDocuments(tuple(names), -np.arange(len(names), dtype=np.float64))
    return evaluate_run(Run(rankings), judged, [MEASURE, FIRST]).values


def no_answer(looked, unanswered) -> str:  # noqa: ANN001
    """How well scores tell questions that have an answer in the corpus from those that have none."""
    without = set(unanswered)
    labels = np.array([query not in without for query in looked])
    every = list(looked.values())
    features = {
        "best cosine": np.array([each.cosine for each in every]),
        "best score of the hybrid": np.array([each.found[0].score for each in every]),
    } | {
        f"best cross-encoder score of {depth}": np.array([each.logits[:depth].max() for each in every])
        for depth in ANSWER_DEPTHS
    }
    cosine = features["best cosine"]
    rows = [
        [name, *refusal_figures(labels, values, None if values is cosine else cosine, DRAWS)]
        for name, values in features.items()
    ]
    head = ["by", "AUROC", "minus that of the cosine", "refused at 90 % of answerable kept"]
    return (
        f"\n## Questions without an answer: wikiqa dev\n\n{labels.sum()} questions with an answer among 26,270"
        f" sentences and {len(unanswered)} without.\n\n" + table(head, rows)
    )


def page(gains: Sequence[Sequence[str]], answers: str, pairs: int, left: Sequence[str]) -> str:
    head = [
        "collection (queries)",
        "measure",
        "default",
        "depth",
        "share",
        "second look",
        "gain",
        "p",
        "",
        "ms",
    ]
    return (
        "# A second look\n\n"
        f"The first hits of the default (minilm/paragraph/hybrid), *depth* of them, are scored again by the\n"
        f"cross-encoder `{MODEL}`; *share* is its part of the new order, 1 = it alone; `search --rerank` uses .7.\n"
        "Queries are drawn (seed 0); intervals 95 %, paired. It *pays* where the interval lies above 0 and *loses*\n"
        "where it lies below. Time: processor time of a query's pairs on one core without VNNI, median; a\n"
        f"search with as many cores divides it by them. {pairs:,} pairs.\n\n"
        + table(head, gains)
        + answers
        + (f"\nNot run this time: {', '.join(left)}.\n" if left else "")
    )


if __name__ == "__main__":
    main()
