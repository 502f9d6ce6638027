"""`decide`: from an experiment to a verdict. The only place that concludes from a comparison."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from tellapart.arguments import need
from tellapart.experiments.comparisons import Evidence
from tellapart.experiments.entropy import entropy_rule
from tellapart.experiments.experiment import Cost, Experiment, assign_folds, optimism
from tellapart.experiments.posterior.choice import LEAST_JUDGED, RISK, Decision, ExpectedGain, choose
from tellapart.experiments.posterior.evidence import weigh
from tellapart.experiments.posterior.model import Models, load_models
from tellapart.experiments.query_set import Provenance, QuerySet
from tellapart.experiments.statistics import DRAWS, MARGIN, Comparison
from tellapart.experiments.verdict import Difference, Finding, LengthBin, SourceFinding, Verdict, described

LENGTH_EDGES = (0, 200, 400, 800, 1600, 3200)
"""Characters where bins of passage length begin, the last one open: some 50 tokens, doubling. They
only group what a report shows."""

UNKNOWN_COST = Cost(None, math.nan, 0)


def decide(
    experiment: Experiment,
    synthetic: Experiment | None = None,
    *,
    models: Models | None = None,
    seed: int = 0,
    draws: int = DRAWS,
) -> Verdict:
    """Compare the arms of an experiment and say which one to use.

    One computation for any number of judged queries, none included: what other collections, synthetic queries and
    judged ones say of each arm's gain over the default becomes a posterior, and the default is left where the expected
    gain is above .01 and the probability of losing more than .01 at most 10 %. Beside it stand the comparisons that
    these queries alone allow: parameters cross-fitted, differences paired, p values Holm-corrected.

    Args:
        experiment: What was measured.
        synthetic: Synthetic queries asked of the same arms, where `experiment` holds few judged ones.
        models: What is known of other collections; None = what the package ships.
        seed: Random seed of folds and resampling.
        draws: Resamples behind each interval and each p.

    Returns:
        The verdict, with a finding for each arm.
    """
    need(
        experiment,
        Experiment,
        "experiment",
        "an Experiment, as run_texts or Experiment.from_values makes one",
    )
    if synthetic is not None:
        need(synthetic, Experiment, "synthetic", "an Experiment, as run_synthetic makes one")
    evidence = Evidence.of(experiment, seed=seed, draws=draws)
    weighed = weigh(experiment, models or load_models(), synthetic)
    decision = choose(weighed, experiment.default, experiment.arms[experiment.default].arm.variants[0])
    query_set = experiment.query_set
    values = {name: each.values for name, each in evidence.fitted.items()}
    contenders = [name for name, each in evidence.fitted.items() if each.arm.contender]
    folds = assign_folds(experiment.clusters, seed=seed)
    rival = evidence.standings[evidence.rival].vs_default
    ahead = decision.ahead
    comparisons = max(len(contenders) - 1, 1)
    synthetic_only = query_set.provenance is Provenance.SYNTHETIC
    return Verdict(
        measure=experiment.measure,
        provenance=query_set.provenance,
        sources=tuple(sorted({query_set.source(query) for query in experiment.queries})),
        corpus=experiment.corpus,
        corpus_sketch=experiment.corpus_sketch,
        queries=experiment.queries,
        independent=experiment.independent,
        findings=tuple(_finding(evidence, decision, name) for name in experiment.arms),
        choice=decision.choice,
        default=experiment.default,
        reference=experiment.reference,
        suggested=decision.rival if decision.choice == experiment.default and ahead is not None else None,
        optimism=optimism(evidence.weighted(contenders), folds),
        transfer_error=None if ahead is None or not synthetic_only else (ahead.half[1] - ahead.half[0]) / 2,
        detectable_difference=rival.detectable_among(comparisons),
        needed_for_half=_needed(rival, comparisons),
        reason=reason_of(evidence, decision),
        notes=query_set.notes,
        by_source=_by_source(query_set, experiment.queries, values),
        clusters=MappingProxyType(dict(zip(experiment.queries, experiment.clusters, strict=True))),
        weights=decision.weights,
        contenders=decision.contenders,
        entropy=entropy_rule(experiment, seed=seed),
    )


def _finding(evidence: Evidence, decision: Decision, name: str) -> Finding:
    experiment, fitted, standing = evidence.experiment, evidence.fitted[name], evidence.standings[name]
    spans = {} if fitted.spans is None else _known(experiment.queries, fitted.spans)
    itself = name == experiment.reference, name == experiment.default
    return Finding(
        name=name,
        configuration=decision.variants.get(name, fitted.configuration),
        mean=standing.mean.mean,
        low=standing.mean.low,
        high=standing.mean.high,
        vs_bm25=None if itself[0] else _difference(standing.vs_reference, standing.p_reference),
        vs_default=None if itself[1] else _difference(standing.vs_default, standing.p_default),
        tied_with_best=standing.tied_with_best,
        non_inferior=standing.non_inferior,
        per_query=MappingProxyType(dict(zip(experiment.queries, fitted.values.tolist(), strict=True))),
        cost=experiment.costs.get(name, UNKNOWN_COST),
        span_recall=sum(spans.values()) / len(spans) if spans else None,
        per_query_spans=MappingProxyType(spans),
        lengths=_length_bins(experiment.query_set, experiment.queries, fitted.values),
        gain=decision.gains.get(name),
    )


def _difference(comparison: Comparison, p: float) -> Difference:
    return Difference(comparison.difference, comparison.low, comparison.high, p)


def _known(queries: Sequence[str], values: NDArray[np.float64]) -> dict[str, float]:
    pairs = zip(queries, values.tolist(), strict=True)
    return {query: value for query, value in pairs if not math.isnan(value)}


def _needed(comparison: Comparison, comparisons: int) -> int:
    """Independent queries that would show half of what these show."""
    if math.isnan(comparison.detectable) or comparison.detectable <= 0:
        return comparison.n
    return comparison.needed(comparison.detectable_among(comparisons) / 2, among=comparisons)


def _by_source(
    query_set: QuerySet, queries: Sequence[str], values: Mapping[str, NDArray[np.float64]]
) -> tuple[SourceFinding, ...]:
    """Average each arm's values (n,) over the queries of every source, since some sources favour some rankers."""
    sources = np.array([query_set.source(query) for query in queries])
    found = []
    for source in sorted(set(sources.tolist())):
        own = sources == source
        shares = [
            query_set.overlap[query]
            for query, mine in zip(queries, own, strict=True)
            if mine and query in query_set.overlap
        ]
        means = {name: float(of[own].mean()) for name, of in values.items()}
        overlap = sum(shares) / len(shares) if shares else None
        found.append(SourceFinding(source, int(own.sum()), overlap, MappingProxyType(means)))
    return tuple(found)


def _length_bins(
    query_set: QuerySet, queries: Sequence[str], values: NDArray[np.float64]
) -> tuple[LengthBin, ...]:
    """Mean value per bin of the length of a query's first passage; nothing where no query has one."""
    lengths = np.array(
        [spans[0].end - spans[0].start if (spans := query_set.spans.get(q)) else 0 for q in queries],
        dtype=np.int64,
    )
    bins = []
    for low, high in zip(LENGTH_EDGES, (*LENGTH_EDGES[1:], None), strict=True):
        inside = (lengths > low) & (lengths <= high if high is not None else True)
        if inside.any():
            shortest, longest = int(lengths[inside].min()), int(lengths[inside].max())
            bins.append(LengthBin(shortest, longest, int(inside.sum()), float(values[inside].mean())))
    return tuple(bins)


def undecided(experiment: Experiment, costs: Mapping[str, Cost]) -> Verdict:
    """Keep the default without a figure, where no query could be made of a corpus.

    Args:
        experiment: Without queries; names default and reference.
        costs: What these two cost, by name of the arm.
    """
    findings = [
        Finding(
            name=name,
            configuration=experiment.arms[name].arm.variants[0],
            mean=math.nan,
            low=math.nan,
            high=math.nan,
            vs_bm25=None,
            vs_default=None,
            tied_with_best=True,
            non_inferior=True,
            per_query=MappingProxyType({}),
            cost=cost,
        )
        for name, cost in costs.items()
    ]
    return Verdict(
        measure=experiment.measure,
        provenance=Provenance.SYNTHETIC,
        sources=(),
        corpus=experiment.corpus,
        corpus_sketch=experiment.corpus_sketch,
        queries=(),
        independent=0,
        findings=tuple(findings),
        choice=experiment.default,
        default=experiment.default,
        reference=experiment.reference,
        suggested=None,
        optimism=0.0,
        transfer_error=None,
        detectable_difference=math.nan,
        needed_for_half=0,
        reason=f"no query could be made from this corpus, so the default {experiment.default} stays; give judged"
        " queries with --queries and --qrels",
        notes=experiment.query_set.notes,
    )


FEW_TO_JUDGE = 20
"""Queries that a person is asked to judge first: bench/verdict.py shows what that many bring."""


def reason_of(evidence: Evidence, decision: Decision) -> str:
    """Say why this arm was chosen."""
    name = evidence.experiment.default
    default = described(name, evidence.experiment.arms[name].arm.variants[0])
    if decision.choice != evidence.experiment.default:
        return _left(evidence, decision, default)
    stays = f"the default {default} stays"
    ahead = decision.ahead
    if ahead is None or decision.rival is None:
        return f"{stays}: there is nothing else to choose"
    if 0 < decision.judged < LEAST_JUDGED:
        return f"{stays}: {_queries(evidence, decision)} say too little{_more(evidence, decision)}"
    if ahead.expected <= 0:
        asked = _queries(evidence, decision)
        return f"{stays}: on {asked} nothing else is expected to gain anything{_more(evidence, decision)}"
    rival = described(decision.rival, decision.variants[decision.rival])
    lead = f"{rival} is expected to gain {_interval(ahead)} {evidence.experiment.measure} over it"
    if ahead.expected <= MARGIN and ahead.loss <= RISK:
        return (
            f"{stays}: by {_queries(evidence, decision)} {lead}, and less than {MARGIN:g} counts for nothing"
        )
    return (
        f"{stays}: {lead}, but would lose more than {MARGIN:g} with a probability of {_percent(ahead.loss)}"
        f" ({_percent(RISK)} are allowed), by {_queries(evidence, decision)}{_more(evidence, decision)}"
    )


def _left(evidence: Evidence, decision: Decision, default: str) -> str:
    gain = decision.gains[decision.choice]
    verb = (
        "is better than" if gain.low > 0 else "is chosen over"
    )  # never better with an interval that includes 0
    sentence = (
        f"{described(decision.choice, decision.variants[decision.choice])} {verb} the default {default}: by"
        f" {_queries(evidence, decision)} it is expected to gain {_interval(gain)} {evidence.experiment.measure}, and"
        f" loses more than {MARGIN:g} with a probability of {_percent(gain.loss)}"
    )
    return (
        f"{sentence}; it is the cheapest of {decision.as_good} that are as good"
        if decision.as_good > 1
        else sentence
    )


def _more(evidence: Evidence, decision: Decision) -> str:
    """What to do where people have judged little."""
    if evidence.experiment.query_set.provenance is Provenance.EXAMPLES or decision.judged > FEW_TO_JUDGE:
        return ""
    return f". Judge {FEW_TO_JUDGE} queries that people ask to know more: tellapart judge --complete --queries FILE"


def _queries(evidence: Evidence, decision: Decision) -> str:
    """Name what was asked."""
    asked, provenance = len(evidence.experiment.queries), evidence.experiment.query_set.provenance
    if provenance is Provenance.SYNTHETIC:
        return f"{asked:,} synthetic {_plural(asked)}"
    kind = "example" if provenance is Provenance.EXAMPLES else "judged"
    counted = f"{asked:,} {kind} {_plural(asked)}"
    return f"{counted} and {decision.synthetic:,} synthetic ones" if decision.synthetic else counted


def _plural(count: int) -> str:
    return "query" if count == 1 else "queries"


def _percent(probability: float) -> str:
    return "under 1 %" if probability < 0.01 else f"{100 * probability:.0f} %"


def _interval(gain: ExpectedGain) -> str:
    return f"{gain.expected:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}]"
