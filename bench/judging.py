"""How many judgements `judge` needs until the verdict is settled, simulated on judged collections.

    TELLAPART_DATA=... python bench/judging.py --seeds 6 --nulls 30 --output docs/benchmarks/judging.md

The judgements of a collection play the person: a pooled document has its grade there, and 0 without one. For
every pair of nine configurations, nDCG@5 over the pool of both is compared. With --runs DIR a run that was stopped
goes on where it was.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import development
from judged import data_folder, publish, table
from judging_sessions import WAYS, Kept, Pair, Ranked, null_pairs, pooled, simulate
from tellapart.engine import Index
from tellapart.experiments.judging.pools import Floats
from tellapart.experiments.qrels import read_beir

CONFIGURATIONS = ("bm25", *(f"{e}/{r}" for e in ("minilm", "lsa") for r in ("knn", "svm", "hybrid", "rrf")))


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
    """Documents as the other benchmarks of the verdict index them; wikiqa by its sections."""
    if collection.granularity == "document":
        return development.build(development.Collection(collection.folder, collection.split), data, indexes)
    place = indexes / "sections" / collection.folder
    source = indexes / "sources" / collection.corpus
    source.mkdir(parents=True, exist_ok=True)
    (source / "corpus.jsonl").write_bytes((data / collection.folder / collection.corpus).read_bytes())
    return Index.build([source], place, encoders=development.ENCODERS, granularities=[collection.granularity])


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
    options.add_argument("--indexes", type=Path, metavar="DIR", help="keep the indexes there")
    options.add_argument("--runs", type=Path, metavar="DIR", help="keep the rankings and sessions there")
    options.add_argument("--only", action="append", metavar="FOLDER")
    options.add_argument("--seeds", type=int, default=6, help="sessions a pair")
    options.add_argument("--nulls", type=int, default=30, help="noisy twins a system and noise")
    options.add_argument("--output", type=Path, metavar="FILE")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        text = measured(chosen, chosen.indexes or place / "indexes", chosen.runs or place / "runs")
    publish(text, chosen.output)


def measured(chosen: argparse.Namespace, indexes: Path, runs: Path) -> str:
    data = data_folder()
    rows, ratios, errors = [], [], np.zeros((3, 2), dtype=np.int64)
    for collection in COLLECTIONS:
        if chosen.only and collection.folder not in chosen.only:
            continue
        started = time.perf_counter()
        queries, rankings = rankings_of(collection, data, indexes, runs)
        qrels = read_beir(data / collection.folder, collection.split).qrels
        grades = [qrels.grades[query] for query in queries]
        kept = Kept(runs / f"{collection.folder}-{chosen.seeds}.jsonl")
        pairs = []
        for names in combinations(CONFIGURATIONS, 2):
            pools = pooled(rankings, names, queries)
            gains = pools.gains(grades)
            if pools.differences(gains).any():
                sessions = partial(simulate, pools, gains, names, WAYS, chosen.seeds)
                pairs.append(kept.pair(" ".join(names), sessions))
        nulls = list(null_pairs(rankings, queries, grades, chosen.nulls, kept))
        row, ratio = row_of(collection, len(queries), pairs, nulls)
        rows.append(row)
        ratios.append(ratio)
        errors += _errors(pairs, nulls)
        sys.stderr.write(f"{' | '.join(row)}  {time.perf_counter() - started:.0f} s\n")
    return document(rows, np.array(ratios), errors, chosen)


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
        f"`python bench/judging.py {' '.join(arguments)}`\n\n"
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

Where the saving comes from: the first ranks of the two lists carry most of what can differ, so a few answers a
query tell nearly as much as its whole pool; queries on which both agree are hardly visited. Completing pools gives
it back. On small collections (cisi, med) the pairs that are separated at all are separated barely, and every way
has to judge nearly everything. Constants were chosen on cacm, cranfield, mbpp, wikiqa and cosqa; scifact, java-cs,
cisi and med were looked at but chose nothing. Seeds are 0, 1, 2, ...; the test draws 2,000 sign patterns here,
10,000 in `judge`.
"""


if __name__ == "__main__":
    main()
