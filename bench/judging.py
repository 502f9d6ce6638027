"""How many judgements `judge` needs until the verdict is settled, simulated on judged collections.

    TELLAPART_DATA=... python bench/judging.py --indexes DIR --runs DIR --output docs/benchmarks/judging.md

The judgements of a collection play the person: a pooled document has its grade there, and 0 without one. For
every pair of nine configurations, nDCG@5 over the pool of both is compared.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from judged import data_folder, publish, table
from tellapart.engine import Index
from tellapart.evaluation.judgements import read_beir
from tellapart.evaluation.judging.asking import Judging, Question
from tellapart.evaluation.judging.evidence import SequentialTest
from tellapart.evaluation.judging.pools import DEPTH, Floats, Pools
from tellapart.evaluation.judging.standing import Status, standing
from tellapart.evaluation.statistics import ALPHA, compare

CONFIGURATIONS = ("bm25", *(f"{e}/{r}" for e in ("minilm", "lsa") for r in ("knn", "svm", "hybrid", "rrf")))
ENCODERS = ("minilm", "lsa")
FLIPS = 2000
"""Sign patterns in the simulation, a fifth of what `judge` uses: 100 of them carry the error of 5 %."""

NOISES = (0.5, 1.0)
"""Deviation of the noise on reciprocal ranks that makes two systems out of one, in ranks of the logarithm."""

Ranked = NDArray[np.str_]


@dataclass(frozen=True)
class Collection:
    """Where a set's documents and judgements are."""

    folder: str
    split: str
    corpus: str = "corpus.jsonl"
    granularity: str = "document"


COLLECTIONS = (
    Collection("scifact", "train"),
    Collection("cosqa", "dev"),
    Collection("mbpp", "train"),
    Collection("java-cs", "valid"),
    Collection("wikiqa", "section-dev", "sections.jsonl", "section"),
    Collection("cranfield", "test"),
    Collection("cisi", "test"),
    Collection("cacm", "test"),
    Collection("med", "test"),
)


@dataclass(frozen=True)
class Spent:
    """One simulated session: who was decided to be better (1, -1, 0), and the judgements it took."""

    decided: int
    judgements: int
    completed: int = 0


@dataclass
class Pair:
    """One pair of configurations of a set, and its sessions by way of judging."""

    names: tuple[str, str]
    difference: float
    p: float
    total: int
    sessions: dict[str, list[Spent]] = field(default_factory=dict)

    @property
    def separated(self) -> bool:
        """Whether all judgements together separate the two."""
        return self.p <= ALPHA

    def mean(self, way: str) -> float:
        """Average judgements until settled, all there are where it never was."""
        return float(np.mean([spent.judgements for spent in self.sessions[way]]))

    def wrong(self, way: str) -> int:
        """Sessions that settled for the one that is not better."""
        return sum(
            spent.decided * self.difference < 0 or (spent.decided != 0 and self.difference == 0)
            for spent in self.sessions[way]
        )


WAYS = ("random", "complete", "judge")


def judge_way(pools: Pools, gains: Floats, seed: int) -> Spent:
    """As `judge` asks: the document worth most, until the standing is no longer open."""
    judging = Judging(pools, seed=seed, flips=FLIPS)
    while (question := judging.question()) is not None:
        judging.answer(question, float(gains[question.query, question.slot]))
        if judging.test.decided.any() and standing(judging).status is Status.BETTER:
            break
    completed = int(pools.sizes[judging.entered].sum())
    return Spent(_decided(judging), judging.answers, completed)


def complete_way(pools: Pools, gains: Floats, seed: int) -> Spent:
    """As `judge --complete` asks: the same queries, each pool to its end before the next."""
    judging = Judging(pools, seed=seed, flips=FLIPS)
    while (question := judging.question()) is not None:
        query = question.query
        for slot in np.flatnonzero(~judging.known[query]):
            judging.answer(Question(query, int(slot)), float(gains[query, slot]))
        if judging.test.decided.any() and standing(judging).status is Status.BETTER:
            break
    return Spent(_decided(judging), judging.answers, judging.answers)


def _decided(judging: Judging) -> int:
    pair = standing(judging).pairs[0]
    return 0 if pair.better is None else (1 if pair.better == pair.first else -1)


def random_way(pools: Pools, gains: Floats, seed: int) -> Spent:
    """Queries in random order, each pool complete, looked at with the same test after every query."""
    random = np.random.default_rng(seed)
    test = SequentialTest(len(pools.pairs), flips=FLIPS, seed=seed)
    differences, sizes = pools.differences(gains), pools.sizes
    spent = begun = 0
    for query in random.permutation(len(sizes)):
        spent, begun = spent + int(sizes[query]), begun + 1
        test.put(int(query), differences[query])
        test.look((spent / sizes.sum() + begun / len(sizes)) / 2)
        if test.decided[0]:
            break
    return Spent(int(test.decided[0]), spent, spent)


def simulate(pools: Pools, gains: Floats, names: tuple[str, str], ways: Sequence[str], seeds: int) -> Pair:
    run = {"random": random_way, "complete": complete_way, "judge": judge_way}
    difference = pools.differences(gains)[:, 0]
    compared = compare(difference, np.zeros(len(difference)))
    pair = Pair(names, compared.difference, compared.p, int(pools.sizes.sum()))
    for way in ways:
        pair.sessions[way] = [run[way](pools, gains, seed) for seed in range(seeds)]
    return pair


def pooled(rankings: Mapping[str, Ranked], names: tuple[str, str], queries: Sequence[str]) -> Pools:
    lists = [
        tuple(tuple(str(d) for d in rankings[name][row, :DEPTH] if d) for name in names)
        for row in range(len(queries))
    ]
    return Pools.of(queries, names, lists)


def noisy(ranking: Ranked, deviation: float, random: np.random.Generator) -> Ranked:
    """The same system with noise: ranks are shuffled a little, more of it further down."""
    ranks = np.log(np.arange(1, ranking.shape[1] + 1)) + deviation * random.normal(size=ranking.shape)
    ranks[ranking == ""] = np.inf
    return np.take_along_axis(ranking, np.argsort(ranks, axis=1, kind="stable"), axis=1)


def null_pairs(
    rankings: Mapping[str, Ranked], queries: Sequence[str], grades: Sequence[Mapping[str, int]], seeds: int
) -> Iterator[Pair]:
    """Pairs that are one system with noise: whatever is decided between them is an error."""
    for number, (name, deviation) in enumerate(
        (name, deviation) for name in ("bm25", "minilm/knn", "lsa/hybrid") for deviation in NOISES
    ):
        for seed in range(seeds):
            random = np.random.default_rng([number, seed])
            twins = {twin: noisy(rankings[name], deviation, random) for twin in ("a", "b")}
            pools = pooled(twins, ("a", "b"), queries)
            gains = pools.gains(grades)
            pair = Pair((name, name), 0.0, 1.0, int(pools.sizes.sum()))
            pair.sessions["judge"] = [judge_way(pools, gains, seed)]
            pair.sessions["random"] = [random_way(pools, gains, seed)]
            yield pair


def rankings_of(
    collection: Collection, data: Path, indexes: Path, kept: Path
) -> tuple[list[str], dict[str, Ranked]]:
    """First 20 documents of every configuration, from the folder `kept` or by searching the index."""
    file = kept / f"{collection.folder}.npz"
    if file.is_file():
        with np.load(file) as stored:
            return stored["queries"].tolist(), {name: stored[name] for name in CONFIGURATIONS}
    judged = read_beir(data / collection.folder, collection.split)
    index = _index(collection, data, indexes)
    found = {}
    for name in CONFIGURATIONS:
        encoder, _, ranker = name.rpartition("/")
        run = index.run(
            judged.queries.texts,
            depth=20,
            ranker=ranker,
            granularity=collection.granularity,
            encoder=encoder or None,
        )
        rows = [list(run.rankings[query].documents) for query in judged.queries.texts]
        found[name] = np.array([row + [""] * (20 - len(row)) for row in rows])
    index.close()
    file.parent.mkdir(parents=True, exist_ok=True)
    np.savez(file, queries=np.array(list(judged.queries.texts)), **found)
    return list(judged.queries.texts), found


def _index(collection: Collection, data: Path, indexes: Path) -> Index:
    place = indexes / collection.folder / collection.corpus
    if (place / "store.sqlite").is_file():
        return Index.open(place)
    source = indexes / "sources" / collection.folder / collection.corpus
    source.mkdir(parents=True, exist_ok=True)
    (source / "corpus.jsonl").write_bytes((data / collection.folder / collection.corpus).read_bytes())
    levels = sorted({collection.granularity, "file"} if collection.granularity == "document" else {"section"})
    return Index.build([source], place, encoders=ENCODERS, granularities=levels)


HEAD = (
    "set", "queries", "pairs separated", "random order", "judge --complete", "judge", "judge, pools completed",
    "ratio --complete", "**ratio judge**", "ratio completed", "settled the wrong way",
    "settled where all judgements do not separate", "same system with noise: settled",
)  # fmt: skip


def row_of(
    collection: Collection, queries: int, pairs: Sequence[Pair], nulls: Sequence[Pair]
) -> tuple[list[str], Floats]:
    separated = [pair for pair in pairs if pair.separated]
    others = [pair for pair in pairs if not pair.separated]
    needed = np.array(
        [
            [*(pair.mean(way) for way in WAYS), np.mean([s.completed for s in pair.sessions["judge"]])]
            for pair in separated
        ]
    )
    ratios = np.median(needed[:, 1:] / needed[:, :1], axis=0)
    medians = np.median(needed, axis=0)
    wrong = sum(pair.wrong("judge") for pair in pairs)
    sessions = sum(len(pair.sessions["judge"]) for pair in pairs)
    early = sum(s.decided != 0 for pair in others for s in pair.sessions["judge"])
    settled = sum(s.decided != 0 for pair in nulls for s in pair.sessions["judge"])
    return [
        collection.folder, str(queries), f"{len(separated)} of {len(pairs)}", *(f"{m:.0f}" for m in medians),
        f"{ratios[0]:.2f}", f"**{ratios[1]:.2f}**", f"{ratios[2]:.2f}",
        f"{wrong} of {sessions} ({wrong / max(sessions, 1):.1%})",
        f"{early} of {sum(len(pair.sessions['judge']) for pair in others)}",
        f"{settled} of {len(nulls)} ({settled / max(len(nulls), 1):.1%})",
    ], ratios  # fmt: skip


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--indexes", type=Path, required=True, metavar="DIR", help="keep the indexes there")
    options.add_argument("--runs", type=Path, required=True, metavar="DIR", help="keep the rankings there")
    options.add_argument("--only", action="append", metavar="FOLDER")
    options.add_argument("--seeds", type=int, default=10, help="sessions a pair")
    options.add_argument("--nulls", type=int, default=60, help="noisy twins a system and noise")
    options.add_argument("--output", type=Path, metavar="FILE")
    chosen = options.parse_args()
    data = data_folder()
    rows, ratios, errors = [], [], np.zeros((3, 2), dtype=np.int64)
    for collection in COLLECTIONS:
        if chosen.only and collection.folder not in chosen.only:
            continue
        started = time.perf_counter()
        queries, rankings = rankings_of(collection, data, chosen.indexes, chosen.runs)
        qrels = read_beir(data / collection.folder, collection.split).qrels
        grades = [qrels.grades[query] for query in queries]
        pairs = []
        for names in combinations(CONFIGURATIONS, 2):
            pools = pooled(rankings, names, queries)
            gains = pools.gains(grades)
            if not pools.differences(gains).any():
                continue
            pairs.append(simulate(pools, gains, names, WAYS, chosen.seeds))
        nulls = list(null_pairs(rankings, queries, grades, chosen.nulls))
        row, ratio = row_of(collection, len(queries), pairs, nulls)
        rows.append(row)
        ratios.append(ratio)
        errors += _errors(pairs, nulls)
        sys.stderr.write(f"{' | '.join(row)}  {time.perf_counter() - started:.0f} s\n")
    publish(document(rows, np.array(ratios), errors, chosen), chosen.output)


def _errors(pairs: Sequence[Pair], nulls: Sequence[Pair]) -> NDArray[np.int64]:
    """Wrong ways over all pairs, and decisions between twins by `judge` and in random order: count and of how many."""
    return np.array([
        [sum(pair.wrong("judge") for pair in pairs), sum(len(pair.sessions["judge"]) for pair in pairs)],
        [sum(pair.wrong("judge") for pair in nulls), len(nulls)],
        [sum(pair.wrong("random") for pair in nulls), len(nulls)],
    ])  # fmt: skip


def document(
    rows: Sequence[Sequence[str]], ratios: Floats, errors: NDArray[np.int64], chosen: argparse.Namespace
) -> str:
    medians = np.median(ratios, axis=0)
    arguments = [f"--only {name}" for name in chosen.only or []] + [
        f"--seeds {chosen.seeds}",
        f"--nulls {chosen.nulls}",
    ]
    shares = [f"{count} of {of} ({count / max(of, 1):.1%})" for count, of in errors.tolist()]
    return (
        "# Judging by hand\n\n"
        f"`python bench/judging.py --indexes DIR --runs DIR {' '.join(arguments)}`\n\n"
        + TEXT
        + "\n"
        + table(HEAD, rows)
        + f"\nMedian over sets of the ratio to random order: **`judge` {medians[1]:.2f}**, `judge --complete`"
        f" {medians[0]:.2f}, `judge` and then every pool begun completed {medians[2]:.2f}. Settled the wrong way:"
        f" {shares[0]} of all sessions. Settled between twins, where any decision is an error: `judge` {shares[1]},"
        f" random order {shares[2]}.\n"
    )


TEXT = """\
The judgements of a collection play the person. Nine configurations (bm25; knn, svm, hybrid and rrf with minilm
and with lsa; every parameter at its default) make 36 pairs a set. A judgement is one document graded for one
query. The measure is nDCG@5 with the ideal taken from the pool of the pair; documents without a judgement count as
not relevant.

* **random order** draws queries at random and judges the pool of both top fives in full before the next.
* **judge** asks for the document whose grade takes most variance out of the difference; most queries are left
  half judged. A query stands in the qrels only when its pool is complete, and completing what was begun is offered
  once the verdict is settled: *pools completed* counts those judgements too.
* **judge --complete** draws the same queries and judges each pool in full before the next.

All three are decided by the same test after every query (random order) or answer: sign flips with the error of 5 %
spent as judging goes on; `judge` also wants its weighted estimate to agree. The three counts are medians over the
pairs that all judgements separate (sign-flip p <= .05, uncorrected); a session that is never settled counts with
all judgements there are. Ratios are medians over these pairs. Where a pair is not separated by all judgements, to
settle for the one that is ahead is no error but may be luck: counted apart. *Same system with noise*: one ranking
shuffled twice, where whatever is decided is an error.

Where the saving comes from: the first ranks of the two lists carry most of what can differ, so two or three answers
a query tell nearly as much as nine; queries on which both agree are hardly visited. Completing pools gives it back.
On small collections (cisi, med) the pairs that are separated at all are separated barely, and every way has to judge
nearly everything. Constants were chosen on cacm, cranfield, mbpp, wikiqa and cosqa; scifact, java-cs, cisi and med
were looked at but chose nothing. Seeds are 0, 1, 2, ...; the test draws 2,000 sign patterns here, 10,000 in `judge`.
"""


if __name__ == "__main__":
    main()
