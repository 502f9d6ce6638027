"""The sentence that says what was concluded, for people without statistics."""

from __future__ import annotations

import math

from tellapart.experiments.policies import Case, Decision, Evidence
from tellapart.experiments.query_set import Provenance
from tellapart.experiments.statistics import FEW_QUERIES, Comparison
from tellapart.experiments.verdict import described


def reason_of(evidence: Evidence, decision: Decision) -> str:
    """Say why this arm was chosen."""
    default = _name(evidence, evidence.experiment.default)
    if decision.case is Case.FEW:
        return _few(evidence, default)
    if decision.case is Case.BETTER:
        return _better(evidence, decision, default)
    stays = f"the default {default} stays"
    rival = evidence.standings[decision.rival].vs_default
    lead = (
        f"{_name(evidence, decision.rival)} is ahead by {rival.difference:.3f} {evidence.experiment.measure}"
    )
    if decision.case is Case.SYNTHETIC:
        return f"{stays}: synthetic queries alone do not change it. {_shown(evidence, decision)}"
    if decision.case is Case.ONE_SOURCE:
        return f"{stays}: {lead}, but all queries are of one kind ({decision.sources[0]}); judge some queries"
    if decision.case is Case.WORSE_SOMEWHERE:
        return f"{stays}: {lead}, but is behind on queries of these kinds: {', '.join(decision.sources)}"
    if decision.case is Case.CODE:
        return (
            f"{stays}: {lead} on synthetic queries, but over code these approved encoders that people's queries did"
            " not; give judged queries (--queries, --qrels)"
        )
    return _tied(evidence, decision, default, lead)


def _few(evidence: Evidence, default: str) -> str:
    few = evidence.experiment.independent
    return (
        f"{few} independent {'query is' if few == 1 else 'queries are'} too few to leave the default"
        f" ({FEW_QUERIES} are needed): {default} stays"
    )


def _better(evidence: Evidence, decision: Decision, default: str) -> str:
    gain = evidence.standings[decision.choice].vs_default
    kind = "synthetic queries" if _synthetic(evidence) else "queries"
    tied = sum(
        each.tied_with_best and evidence.fitted[n].arm.contender for n, each in evidence.standings.items()
    )
    sentence = (
        f"{_name(evidence, decision.choice)} is better than the default {default} by"
        f" {_interval(gain)} {evidence.experiment.measure} on {len(evidence.experiment.queries):,} {kind}"
    )
    return f"{sentence}; it is the cheapest of {tied} that are tied for best" if tied > 1 else sentence


def _tied(evidence: Evidence, decision: Decision, default: str, lead: str) -> str:
    arms = [name for name, each in evidence.fitted.items() if each.arm.contender]
    queries = f"{len(evidence.experiment.queries):,} {'synthetic ' if _synthetic(evidence) else ''}queries"
    if evidence.best == evidence.experiment.default:
        return f"the default {default} is the best of {len(arms)} configurations on {queries}"
    rival = evidence.standings[decision.rival].vs_default
    detectable = rival.detectable_among(len(arms) - 1)
    needs = f"; on {queries} a difference must be about {detectable:.3f} to be significant"
    return (
        f"the default {default} stays: {lead}, which is not significant among {len(arms)} configurations"
        + ("" if math.isnan(detectable) else needs)
    )


def _shown(evidence: Evidence, decision: Decision) -> str:
    """Say what synthetic queries show, and how far they may be off."""
    experiment = evidence.experiment
    rival = evidence.standings[decision.rival]
    name, count = _name(evidence, decision.rival), f"{len(experiment.queries):,}"
    if decision.rival == experiment.default or rival.vs_default.difference <= 0:
        shown = f"On {count} of them nothing is ahead of it"
    else:
        significant = "" if rival.better_than_default else ", which is not significant"
        shown = f"On {count} of them {name} is ahead by {_interval(rival.vs_default)} {experiment.measure}{significant}"
    if decision.transfer_error is not None:
        shown += f"; on real user queries the difference may be off by about {decision.transfer_error:.3f}"
    return f"{shown}. To be sure, judge some queries: tellapart judge"


def _name(evidence: Evidence, arm: str) -> str:
    return described(arm, evidence.fitted[arm].configuration)


def _interval(comparison: Comparison) -> str:
    return f"{comparison.difference:.3f} [{comparison.low:.3f}, {comparison.high:.3f}]"


def _synthetic(evidence: Evidence) -> bool:
    return evidence.experiment.query_set.provenance is Provenance.SYNTHETIC
