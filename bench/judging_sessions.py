"""Simulated sessions of `judge`, by way of asking; shared by the benchmark and whoever tunes it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tellapart.experiments.judging.asking import Judging, JudgingQuestion, SequentialTest
from tellapart.experiments.judging.pools import DEPTH, Floats, Pools
from tellapart.experiments.judging.standing import Status, standing
from tellapart.experiments.statistics import ALPHA, compare

FLIPS = 2000
"""Sign patterns in the simulation, a fifth of what `judge` uses: 100 of them carry the error of 5 %."""

NOISES = (0.5, 1.0)
"""Deviation of the noise on reciprocal ranks that makes two systems out of one, in ranks of the logarithm."""

Ranked = NDArray[np.str_]


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


class Kept:
    """Pairs that were simulated, a line of JSON each in a file: a run that was stopped goes on after them."""

    def __init__(self, file: Path) -> None:
        """Read what is there; a line that was cut off by the stop is simulated again."""
        self._file = file
        self._pairs: dict[str, Pair] = {}
        for line in file.read_text(encoding="utf-8").splitlines() if file.is_file() else ():
            try:
                key, pair = json.loads(line)
            except json.JSONDecodeError:
                continue
            sessions = {way: [Spent(**spent) for spent in done] for way, done in pair.pop("sessions").items()}
            self._pairs[key] = Pair(**pair | {"names": tuple(pair["names"])}, sessions=sessions)

    def pair(self, key: str, simulated: Callable[[], Pair]) -> Pair:
        """Give the pair of this key, simulated where it is not known."""
        if key not in self._pairs:
            self._pairs[key] = simulated()
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with self._file.open("a", encoding="utf-8") as file:
                file.write(json.dumps([key, asdict(self._pairs[key])]) + "\n")
        return self._pairs[key]


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
            judging.answer(JudgingQuestion(query, int(slot)), float(gains[query, slot]))
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


NULLS = tuple((name, noise) for name in ("bm25", "minilm/knn", "lsa/hybrid") for noise in NOISES)


def null_pairs(
    rankings: Mapping[str, Ranked],
    queries: Sequence[str],
    grades: Sequence[Mapping[str, int]],
    seeds: int,
    kept: Kept,
) -> Iterator[Pair]:
    """Pairs that are one system with noise: whatever is decided between them is an error."""

    def simulated(number: int, seed: int) -> Pair:
        name, noise = NULLS[number]
        random = np.random.default_rng([number, seed])
        twins = {twin: noisy(rankings[name], noise, random) for twin in ("a", "b")}
        pools = pooled(twins, ("a", "b"), queries)
        gains = pools.gains(grades)
        pair = Pair((name, name), 0.0, 1.0, int(pools.sizes.sum()))
        pair.sessions["judge"] = [judge_way(pools, gains, seed)]
        pair.sessions["random"] = [random_way(pools, gains, seed)]
        return pair

    for number in range(len(NULLS)):
        for seed in range(seeds):
            yield kept.pair(f"twins {number} seed {seed}", partial(simulated, number, seed))
