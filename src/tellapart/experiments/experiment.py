"""An experiment: a query set asked of arms, with a value for every query, and what each arm costs.

Nothing is concluded here: `decide` does that. Whatever measures (the ranking of texts or images, an encoder adapted to
the corpus, your own program) ends in an `Experiment`, so that there is one place that decides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tellapart.arguments import need
from tellapart.engine.configuration import Configuration
from tellapart.errors import TellapartError
from tellapart.experiments.arms import Arm, Arms
from tellapart.experiments.qrels import Qrels
from tellapart.experiments.query_set import QuerySet

FOLDS = 5
"""Parts of the queries. The usual number (Hastie et al. 2009, 7.10): four fifths choose, and every query is scored
once. With 10, nine tenths choose, at the same cost."""

Values = NDArray[np.float64]
Folds = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Cost:
    """What an arm costs on this machine.

    `index_seconds` to encode its units (None: not known, 0: no vectors), `query_ms` for one query, `bytes` of
    the vectors and postings that it reads.
    """

    index_seconds: float | None
    query_ms: float
    bytes: int


@dataclass(frozen=True, slots=True)
class ArmValues:
    """What was measured of one arm over n queries, one column for each of its v variants.

    `values` (n, v) are in the experiment's measure. `spans` (n, v) are the shares of the judged passages that a
    reader sees within the reading budget, nan for queries without passages; None where no query has any.
    """

    arm: Arm
    values: Values
    spans: Values | None = None


@dataclass(frozen=True, slots=True)
class Experiment:
    """A query set asked of arms.

    Attributes:
        query_set: What was asked.
        queries: Ids of the n queries that count, in the order of all values.
        measure: Spelling of the measure, for example `nDCG@10`.
        arms: What was measured, by name of the arm.
        default: Name of the arm that is used unless another one is proven better.
        reference: Name of the arm that gains are shown against.
        costs: By name of the arm; empty where nobody asked.
        by_cost: Names of the arms, the cheapest first; empty means the order of `arms`.
        corpus: Fingerprint of the documents, "" where there is no index.
        corpus_sketch: Says how alike another corpus is (`gate.resemblance`).
        entropy_weights: Weight of the vectors (n,) that an entropy rule gives each query; empty where the default is no
            hybrid (`entropy.py`).
    """

    query_set: QuerySet
    queries: tuple[str, ...]
    measure: str
    arms: Mapping[str, ArmValues]
    default: str
    reference: str
    costs: Mapping[str, Cost] = field(default_factory=lambda: MappingProxyType({}))
    by_cost: tuple[str, ...] = ()
    corpus: str = ""
    corpus_sketch: tuple[int, ...] = ()
    entropy_weights: Values = field(default_factory=lambda: np.zeros(0))

    @classmethod
    def from_values(
        cls,
        values: Mapping[str, ArrayLike],
        *,
        default: str,
        reference: str | None = None,
        clusters: Sequence[str] | None = None,
        measure: str = "nDCG@10",
    ) -> Experiment:
        """Make an experiment of values that were measured elsewhere.

        Args:
            values: Value per query (n,), by the name of a configuration (`minilm/paragraph/hybrid`), queries in one
                order.
            default: Which of them is in use now.
            reference: Which of them gains are shown against; None = the default.
            clusters: Label (n,) of what depends on each other.
            measure: What the values are.

        Raises:
            TellapartError: Lengths differ, or `default` or `reference` has no values.
        """
        need(values, Mapping, "values", "a mapping from the name of a configuration to its values")
        try:
            columns = {name: np.asarray(of, dtype=np.float64) for name, of in values.items()}
        except (TypeError, ValueError) as error:
            raise TellapartError(f"values hold something that is no number: {error}") from error
        if not columns:
            raise TellapartError("values are empty: give those of two configurations or more")
        lengths = {len(column) for column in columns.values()}
        if len(lengths) != 1:
            raise TellapartError(
                f"every arm needs a value for each query, but the lengths are {sorted(lengths)}"
            )
        for name in (default, reference or default):
            if name not in columns:
                raise TellapartError(f"no values of {name!r}: give them, or name one of {', '.join(columns)}")
        queries = tuple(f"q{number}" for number in range(lengths.pop()))
        query_set = QuerySet(
            MappingProxyType(dict.fromkeys(queries, "")),
            Qrels(MappingProxyType({})),
            clusters=MappingProxyType(dict(zip(queries, clusters or queries, strict=True))),
        )
        arms = {
            name: ArmValues(Arm(name, (Configuration.parse(name),)), column[:, None])
            for name, column in columns.items()
        }
        return cls(query_set, queries, measure, MappingProxyType(arms), default, reference or default)

    @classmethod
    def without_queries(cls, query_set: QuerySet, arms: Arms, measure: object) -> Experiment:
        """Say what would have been compared; `query_set` holds no query, its notes say why."""
        nothing = {arm.name: ArmValues(arm, np.zeros((0, len(arm.variants)))) for arm in arms}
        return cls(
            query_set, (), str(measure or "nDCG@10"), MappingProxyType(nothing), arms.default, arms.reference
        )

    @property
    def clusters(self) -> tuple[str, ...]:
        """Label of each query's group of dependent queries (n,)."""
        return tuple(self.query_set.cluster(query) for query in self.queries)

    @property
    def independent(self) -> int:
        """Number of groups of dependent queries."""
        return len(set(self.clusters))

    @property
    def order(self) -> tuple[str, ...]:
        """Names of the arms, the cheapest first."""
        return self.by_cost or tuple(self.arms)

    @classmethod
    def joined(cls, parts: Sequence[Experiment]) -> Experiment:
        """Put experiments of the same arms on different queries together; what else they hold is the first one's."""
        arms = {}
        for name, first in parts[0].arms.items():
            own = [part.arms[name] for part in parts]
            spans = [each.spans for each in own if each.spans is not None]
            arms[name] = ArmValues(
                first.arm,
                np.concatenate([each.values for each in own]),
                np.concatenate(spans) if len(spans) == len(own) else None,
            )
        return replace(
            parts[0],
            query_set=QuerySet.joined([part.query_set for part in parts]),
            queries=tuple(query for part in parts for query in part.queries),
            arms=MappingProxyType(arms),
            entropy_weights=np.concatenate([part.entropy_weights for part in parts]),
        )


@dataclass(frozen=True, slots=True)
class CrossFitted:
    """An arm after cross-fitting: one value per query, scored with the variant that other queries chose.

    `values` (n,) are in the measure; `configuration` is the variant that all queries choose; `spans` (n,) belong to
    that variant.
    """

    arm: Arm
    configuration: Configuration
    values: Values
    spans: Values | None


def cross_fit(experiment: Experiment, *, seed: int = 0) -> Mapping[str, CrossFitted]:
    """Choose the variant of every arm on four fifths of the queries and score it on the last one, in turn."""
    folds = assign_folds(experiment.clusters, seed=seed)
    weights = experiment.query_set.weights_of(experiment.queries)
    fitted = {}
    for name, measured in experiment.arms.items():
        weighted = measured.values * weights[:, None]
        chosen = _first_best(weighted)
        # Weighted means choose, but each query keeps its own value.
        own = cross_fitted(weighted, folds) / np.where(weights > 0, weights, 1.0)
        spans = None if measured.spans is None else measured.spans[:, chosen]
        fitted[name] = CrossFitted(measured.arm, measured.arm.variants[chosen], own, spans)
    return MappingProxyType(fitted)


def assign_folds(clusters: Sequence[str], *, seed: int = 0) -> Folds:
    """Give each query (n,) a fold; queries of one cluster share theirs, folds are equally many clusters."""
    labels = sorted(set(clusters))
    order = np.random.default_rng(seed).permutation(len(labels))
    fold_of = {labels[label]: position % FOLDS for position, label in enumerate(order.tolist())}
    return np.array([fold_of[cluster] for cluster in clusters], dtype=np.int64)


def cross_fitted(values: Values, folds: Folds) -> Values:
    """Score each query with the column of `values` (n, m) that has the best mean on the other folds: (n,).

    Equal means go to the first column, the default. With a single fold the first column is all there is.
    """
    scored = values[:, 0].copy()
    for fold in np.unique(folds):
        held_out = folds == fold
        if not held_out.all():
            scored[held_out] = values[held_out, _first_best(values[~held_out])]
    return scored


def optimism(values: Values, folds: Folds) -> float:
    """How much the best mean of several columns overstates what choosing the best brings on other queries."""
    return float(values.mean(axis=0).max() - cross_fitted(values, folds).mean())


def _first_best(values: Values) -> int:
    """Column with the best mean over all queries; the first of equals."""
    means = values.mean(axis=0)
    return int(np.flatnonzero(means >= means.max() - 1e-12)[0])
