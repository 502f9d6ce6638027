"""The sentence that says what was concluded, for people without statistics."""

from __future__ import annotations

from tellapart.experiments.comparisons import Evidence
from tellapart.experiments.posterior.choice import LEAST_JUDGED, RISK, Decision, ExpectedGain
from tellapart.experiments.query_set import Provenance
from tellapart.experiments.statistics import MARGIN
from tellapart.experiments.verdict import described

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
