"""The verdict in a terminal: the sentence first, then what it rests on."""

from __future__ import annotations

import math
from collections.abc import Sequence, Set

from tellapart.evaluation.verdict.verdict import Difference, Finding, SourceFinding, Verdict, described

WIDE = 120
"""Columns where no terminal says how many it has."""

TIED, AS_GOOD, BEHIND = "tied", "as good", ""


def print_verdict(verdict: Verdict, *, everything: bool = False) -> None:
    """Print sentence, table and caveats to standard output; the table holds the leaders or `everything`."""
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = WIDE
    first = verdict.reason.split(" ", 1)[0]
    # The name of a configuration stays as it is typed.
    reason = verdict.reason if "/" in first else verdict.reason[0].upper() + verdict.reason[1:]
    console.print(f"{reason}.", style="bold", soft_wrap=True, markup=False)
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("configuration", overflow="fold")
    read = any(finding.span_recall is not None for finding in verdict.findings)
    for column in (verdict.measure, "95 %", "minus bm25", "best?", *(["read"] if read else []), "query"):
        table.add_column(column, justify="right", no_wrap=True)
    ranked = sorted(verdict.findings, key=lambda each: (-each.mean, each.name))
    listed = ranked if everything else leaders(ranked, {verdict.choice, verdict.default, verdict.reference})
    for finding in listed:
        style = "bold" if finding.name == verdict.choice else None
        table.add_row(*_row(finding, verdict, read=read), style=style)
    if verdict.queries:
        console.print(table)
    if len(listed) < len(ranked):
        hidden = len(ranked) - len(listed)
        console.print(
            f"  {hidden} more are behind others of their kind: --all shows them", style="dim", markup=False
        )
    for line in _caveats(verdict):
        console.print(line, soft_wrap=True, markup=False)


def leaders(ranked: Sequence[Finding], always: Set[str]) -> list[Finding]:
    """Keep the first with each ranker, encoder and granularity, and those that are named."""
    seen: set[str] = set()
    kept = []
    for finding in ranked:
        configuration = finding.configuration
        marks = {configuration.ranker, f"{configuration.encoder}/", configuration.name.split("/")[-2]}
        if finding.name in always or not marks <= seen:
            kept.append(finding)
        seen |= marks
    return kept


def _row(finding: Finding, verdict: Verdict, *, read: bool) -> tuple[str, ...]:
    marked = "* " if finding.name == verdict.choice else "  "
    return (
        marked + described(finding.name, finding.configuration),
        _short(finding.mean),
        _interval(finding.low, finding.high),
        _against(finding.vs_bm25),
        _standing(finding),
        *([_share(finding.span_recall)] if read else []),
        f"{finding.cost.query_ms:.1f} ms",
    )


def _standing(finding: Finding) -> str:
    if finding.tied_with_best:
        return AS_GOOD if finding.non_inferior else TIED
    return BEHIND


def _against(difference: Difference | None) -> str:
    if difference is None:
        return ""
    return f"{_signed(difference.difference)} {_interval(difference.low, difference.high, signed=True)}"


def _interval(low: float, high: float, *, signed: bool = False) -> str:
    if math.isnan(low) or math.isnan(high):
        return ""
    write = _signed if signed else _short
    return f"[{write(low)}, {write(high)}]"


def _share(recall: float | None) -> str:
    return "" if recall is None else _short(recall)


def _short(value: float) -> str:
    """Three decimals, no zero before the point."""
    return f"{value:.3f}".replace("0.", ".", 1)


def _signed(value: float) -> str:
    return f"{value:+.3f}".replace("0.", ".", 1)


def _caveats(verdict: Verdict) -> list[str]:
    if not verdict.queries:
        return list(verdict.notes)
    lines = [
        f"{len(verdict.queries):,} {verdict.source} queries, {verdict.independent:,} of them independent"
    ]
    if not math.isnan(verdict.detectable_difference):
        lines[0] += (
            f": they show differences of {verdict.detectable_difference:.3f} or more; for half of that"
            f" {verdict.needed_for_half:,} are needed"
        )
    if verdict.optimism > 0:
        lines.append(
            f"the best mean overstates what choosing it brings on new queries by some {verdict.optimism:.3f}"
        )
    if verdict.transfer_error is not None:
        lines.append(f"generated queries may mislead about human ones by {verdict.transfer_error:.3f}")
        lines += [_source(each, verdict) for each in verdict.by_source]
    if any(finding.span_recall is not None for finding in verdict.findings):
        lines.append("read: share of the passages asked for within the first 1,000 tokens of results")
    lines += verdict.notes
    return lines


def _source(source: SourceFinding, verdict: Verdict) -> str:
    shared = "" if source.overlap is None else f", {source.overlap:.0%} of their words in the answer"
    means = f"{_short(source.means[verdict.choice])} against bm25's {_short(source.means[verdict.reference])}"
    return f"  {source.name}: {source.queries:,} queries{shared}: {means}"
