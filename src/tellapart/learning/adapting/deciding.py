"""How strongly to adapt, and whether at all.

Generated queries approve harmful maps when a map is fitted and judged on queries of one kind: it learns the kind.
So every query is judged by a map that saw neither its document (nor a near-duplicate) nor its kind: fitted to the
other sources of the other half. The strength is chosen on one half and judged on the other.

That is still no judgement by people. Over code it failed (docs/benchmarks/adaptation.md), so over code a map is
recommended only on judged queries.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tellapart.corpus.types import Kind
from tellapart.encoders.maps import VectorMap
from tellapart.experiments.statistics import ALPHA, Comparison, compare
from tellapart.learning.adapting.components import Components
from tellapart.learning.adapting.judging import ranks, values
from tellapart.learning.adapting.pairs import Pairs

PULLS = (30.0, 10.0, 3.0, 1.0)
"""Pulls to the identity that are tried, strongest first; weaker ones lose what these gain (bench/adaptation.py)."""

FEWEST = 50
"""Queries of a source that make it count (our choice)."""

HALVES = 2

OTHER_KINDS = "held-out queries of other kinds"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What held-out queries of one source (or all, "all") say: adapted minus untouched, and minus BM25."""

    source: str
    queries: int
    untouched: float
    adapted: float
    bm25: float
    against_untouched: Comparison
    against_bm25: Comparison


@dataclass(frozen=True, slots=True)
class Adaptation:
    """A map, the pull it was made with (None: none helped), the evidence, and the conclusion in words.

    The map is None where the encoder is something else than a map: then it stands in a folder.
    """

    map: VectorMap | None
    pull: float | None
    evidence: tuple[Evidence, ...]
    recommended: bool
    reason: str


class Fitted(Protocol):
    """What was fitted to pairs: a map for every pull to the identity."""

    def map(self, pull: float) -> VectorMap:
        """Give the map; a large pull is the identity."""
        ...


Learner = Callable[[Pairs, NDArray[np.int64]], Fitted]
"""Fits to some rows of the pairs."""


def linear(pairs: Pairs, rows: NDArray[np.int64]) -> Components:
    """Fit the linear map."""
    return Components.of(pairs.queries[rows], pairs.units[pairs.answer[rows]])


def adapt(pairs: Pairs, *, learner: Learner = linear, seed: int = 0) -> Adaptation:
    """Choose the pull, judge it, and fit the map to all pairs."""
    question = ask(pairs, seed)
    if question is None:
        return nothing(pairs)
    found = answer(question, PULLS, _table(question, learner))
    chosen: VectorMap = np.eye(pairs.units.shape[1], dtype=np.float32)
    if found.pull is not None:
        chosen = learner(pairs, question.kept).map(found.pull)
    return replace(found, map=chosen)


@dataclass(frozen=True, slots=True)
class Question:
    """Which queries decide: `kept` (k,) of the pairs, the `half` (k,) each stands in, their kinds `sources`.

    `untouched` (k,) are the ranks of their answers as the encoder is.
    """

    pairs: Pairs
    kept: NDArray[np.int64]
    half: NDArray[np.int64]
    sources: tuple[str, ...]
    untouched: NDArray[np.int64]

    @property
    def of(self) -> NDArray[np.str_]:
        """The kind of each query (k,)."""
        return self.pairs.sources[self.kept]


def ask(pairs: Pairs, seed: int) -> Question | None:
    """Divide the queries that count; None where there are too few."""
    sources = counting_sources(pairs)
    if not sources:
        return None
    kept = np.flatnonzero(np.isin(pairs.sources, sources))
    return Question(pairs, kept, halves(pairs.groups[kept], seed), sources, ranks(pairs, kept, None))


def answer(
    question: Question, pulls: tuple[float, ...], table: NDArray[np.int64], unseen: str = OTHER_KINDS
) -> Adaptation:
    """Choose a pull on one half of the queries, judge it on the other, and conclude; no map is made.

    Args:
        question: Which queries decide.
        pulls: Strongest first.
        table: Rank of every query's answer under every pull (k, pulls), by what did not see the query.
        unseen: Which queries judge, in words.
    """
    untouched, half = question.untouched, question.half
    chosen = [_best(table, question, half == other) for other in range(HALVES)]
    judged = np.where(half == 0, _column(table, untouched, chosen[1]), _column(table, untouched, chosen[0]))
    evidence = gather_evidence(
        question.pairs, question.kept, values(judged), values(untouched), question.sources
    )
    best = _best(table, question, np.ones(len(half), dtype=bool))
    recommended, reason = conclusion(question.pairs.kind, evidence, helped=best is not None, unseen=unseen)
    return Adaptation(None, None if best is None else pulls[best], evidence, recommended, reason)


def nothing(pairs: Pairs) -> Adaptation:
    """Conclude that there is too little to go by."""
    identity = np.eye(pairs.units.shape[1], dtype=np.float32)
    return Adaptation(identity, None, (), False, f"fewer than {FEWEST} queries of any kind could be made")


def counting_sources(pairs: Pairs) -> tuple[str, ...]:
    """Kinds of queries of which there are enough."""
    names, counts = np.unique(pairs.sources, return_counts=True)
    return tuple(str(name) for name, count in zip(names, counts, strict=True) if count >= FEWEST)


def halves(groups: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Put whole groups of near-duplicate documents into one half or the other."""
    names, members = np.unique(groups, return_inverse=True)
    order = np.random.default_rng(seed).permutation(len(names))
    return (order % HALVES)[members]


def _table(question: Question, learner: Learner) -> NDArray[np.int64]:
    """Rank for every query under every pull (k, pulls), by maps fitted to other sources of the other half."""
    pairs, kept, half = question.pairs, question.kept, question.half
    table = np.empty((len(kept), len(PULLS)), dtype=np.int64)
    for side in range(HALVES):
        for source in question.sources:
            asked = (half == side) & (question.of == source)
            others = (question.of != source) | (len(question.sources) == 1)
            learned = kept[(half != side) & others]
            if not asked.any():
                continue
            fitted = learner(pairs, learned)
            for column, pull in enumerate(PULLS):
                table[asked, column] = ranks(pairs, kept[asked], fitted.map(pull))
    return table


def _best(table: NDArray[np.int64], question: Question, rows: NDArray[np.bool_]) -> int | None:
    """Column of the strongest pull that is within a standard error of the best one; None where none gains.

    The gain is in log2 of the right document's rank, which also moves where nDCG@10 is 0 or near 1, averaged over
    sources, so that a frequent kind of query does not decide alone. The error is that of the paired shortfall.
    """
    gains = np.log2(question.untouched)[:, None] - np.log2(table)
    of = question.of
    parts = [part for source in question.sources if len(part := gains[rows & (of == source)]) > 1]
    if not parts:
        return None
    means = np.mean([part.mean(axis=0) for part in parts], axis=0)
    best = int(np.argmax(means))
    if means[best] <= 0:
        return None
    short = [part[:, [best]] - part for part in parts]
    errors = np.sqrt(np.sum([each.var(axis=0, ddof=1) / len(each) for each in short], axis=0)) / len(parts)
    return int(np.argmax((means[best] - means <= errors) & (means > 0)))


def _column(table: NDArray[np.int64], untouched: NDArray[np.int64], column: int | None) -> NDArray[np.int64]:
    return untouched if column is None else table[:, column]


def gather_evidence(
    pairs: Pairs,
    kept: NDArray[np.int64],
    judged: NDArray[np.float64],
    untouched: NDArray[np.float64],
    sources: tuple[str, ...],
) -> tuple[Evidence, ...]:
    """Compare values (k,) of the queries `kept` (k,) with the untouched encoder's and BM25's, whole and by kind."""
    of, groups, bm25 = pairs.sources[kept], pairs.groups[kept], pairs.bm25[kept]
    found = []
    for source in ("all", *sources):
        rows = np.ones(len(kept), dtype=bool) if source == "all" else of == source
        clusters = groups[rows]
        found.append(
            Evidence(
                source=source,
                queries=int(rows.sum()),
                untouched=float(untouched[rows].mean()),
                adapted=float(judged[rows].mean()),
                bm25=float(bm25[rows].mean()),
                against_untouched=compare(judged[rows], untouched[rows], clusters=clusters),
                against_bm25=compare(judged[rows], bm25[rows], clusters=clusters),
            )
        )
    return tuple(found)


def conclusion(
    kind: Kind, evidence: tuple[Evidence, ...], *, helped: bool, unseen: str = OTHER_KINDS
) -> tuple[bool, str]:
    """Recommend or not, and say why; `helped` is whether any strength was better than none."""
    whole, parts = evidence[0].against_untouched, evidence[1:]
    seen = f"{whole.difference:+.3f} [{whole.low:+.3f}, {whole.high:+.3f}] nDCG@10 on {unseen}"
    if not helped or whole.p > ALPHA or whole.low <= 0:
        return False, f"not separated from the untouched encoder ({seen})"
    if len(parts) == 1:
        return (
            False,
            f"better ({seen}), but all queries are of one kind, {parts[0].source}: whether it holds for others"
            " is unknown",
        )
    losing = [part.source for part in parts if part.against_untouched.difference < 0]
    if losing:
        return False, f"better on the whole ({seen}), but worse for {', '.join(losing)}"
    if kind is Kind.CODE:
        return False, (
            f"generated queries approve it ({seen}), but over code they approved maps that judged queries did not:"
            " give judged queries (--queries, --qrels)"
        )
    return True, f"better than the untouched encoder ({seen}), for every kind of query"
