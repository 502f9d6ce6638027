"""The verdict in a terminal: the sentence first, then what it rests on."""

from __future__ import annotations

import math
from collections.abc import Sequence, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tellapart.experiments.arms import TUNED
from tellapart.experiments.statistics import MARGIN
from tellapart.experiments.verdict import Finding, SourceFinding, Verdict, described

if TYPE_CHECKING:
    from rich.table import Table

    from tellapart.experiments.verdict import CompressionFinding, Verdict

WIDE = 120
"""Columns where no terminal says how many it has."""

TIED, AS_GOOD, BEHIND = "tied", "as good", ""


def print_verdict(verdict: Verdict, *, everything: bool = False, details: bool = False) -> None:
    """Print the sentence and the table to standard output, and the statistics behind them if asked.

    The table holds the best of each kind, or `everything`.
    """
    from rich.console import Console

    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = WIDE
    first = verdict.reason.split(" ", 1)[0]
    # The name of a configuration stays as it is typed.
    reason = verdict.reason if "/" in first else verdict.reason[0].upper() + verdict.reason[1:]
    console.print(f"{reason}.", style="bold", soft_wrap=True, markup=False)
    ranked = sorted(verdict.findings, key=lambda each: (-each.mean, each.name))
    listed = ranked if everything else leaders(ranked, {verdict.choice, verdict.default, verdict.reference})
    if verdict.queries:
        console.print(_table(listed, verdict, console.width))
    if len(listed) < len(ranked):
        hidden = len(ranked) - len(listed)
        more = "1 more is" if hidden == 1 else f"{hidden} more are"
        console.print(f"  {more} behind others of their kind (--all)", style="dim", markup=False)
    if any(each.name.endswith(TUNED) for each in listed):
        shown = "tuned, or with parameters in brackets: each query is scored with those that the other queries choose"
        console.print(f"  {shown}", style="dim", soft_wrap=True, markup=False)
    for line in _caveats(verdict) if details or not verdict.queries else verdict.notes:
        console.print(line, soft_wrap=True, markup=False)
    if verdict.queries and not details:
        counted = _queries(len(verdict.queries), verdict.provenance)
        console.print(f"{counted}; --details shows the statistics", style="dim", markup=False)


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


@dataclass(frozen=True, slots=True)
class _Column:
    """A column of the table; the lowest `rank` is given up first where the screen is narrow, 0 never."""

    head: str
    cells: Sequence[str]
    rank: int = 0

    @property
    def width(self) -> int:
        """Characters, the gap before the next column included."""
        return max(map(len, (self.head, *self.cells))) + 1


def _table(listed: Sequence[Finding], verdict: Verdict, width: int) -> Table:
    """Lay out the figures that fit."""
    from rich.table import Table

    columns = _columns(listed, verdict)
    for spare in sorted((each for each in columns if each.rank), key=lambda each: each.rank):
        if sum(each.width for each in columns) > width + 1:
            columns.remove(spare)
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 1, 0, 0))
    table.add_column(columns[0].head, overflow="fold")
    for column in columns[1:]:
        table.add_column(column.head, justify="right", no_wrap=True)
    for position, finding in enumerate(listed):
        style = "bold" if finding.name == verdict.choice else None
        table.add_row(*(column.cells[position] for column in columns), style=style)
    return table


def _columns(listed: Sequence[Finding], verdict: Verdict) -> list[_Column]:
    marks = ["* " if each.name == verdict.choice else "  " for each in listed]
    names = [described(each.name, each.configuration) for each in listed]
    gains = [each.vs_bm25 for each in listed]
    columns = [
        _Column("  configuration", [mark + name for mark, name in zip(marks, names, strict=True)]),
        _Column(verdict.measure, [short(each.mean) for each in listed]),
        _Column("95 %", [interval_text(each.low, each.high) for each in listed], rank=1),
        _Column(
            f"minus {_short_name(verdict)}",
            ["" if gain is None else signed_text(gain.difference) for gain in gains],
        ),
        _Column(
            "95 %",
            ["" if gain is None else interval_text(gain.low, gain.high, signed=True) for gain in gains],
            2,
        ),
        _Column("best?", [_standing(each) for each in listed]),
        _Column(
            "gain", ["" if each.gain is None else signed_text(each.gain.expected) for each in listed], rank=5
        ),
        _Column(
            "90 %",
            [
                "" if each.gain is None else interval_text(each.gain.low, each.gain.high, signed=True)
                for each in listed
            ],
            rank=3,
        ),
        _Column("query", [f"{each.cost.query_ms:.1f} ms" for each in listed], rank=3),
    ]
    if any(each.span_recall is not None for each in listed):
        columns.insert(-1, _Column("read", [_share(each.span_recall) for each in listed], rank=4))
    return columns


def _short_name(verdict: Verdict) -> str:
    """What the reference is called in the table: its encoder, or bm25."""
    reference = verdict.finding(verdict.reference).configuration
    return reference.encoder or reference.ranker


def _standing(finding: Finding) -> str:
    if finding.tied_with_best:
        return AS_GOOD if finding.non_inferior else TIED
    return BEHIND


def interval_text(low: float, high: float, *, signed: bool = False) -> str:
    """Write an interval; empty where there is none."""
    if math.isnan(low) or math.isnan(high):
        return ""
    write = signed_text if signed else short
    return f"[{write(low)}, {write(high)}]"


def _share(recall: float | None) -> str:
    return "" if recall is None else short(recall)


def short(value: float) -> str:
    """Three decimals, no zero before the point."""
    return f"{value:.3f}".replace("0.", ".", 1)


def signed_text(value: float) -> str:
    """Three decimals with a sign, no zero before the point."""
    return f"{value:+.3f}".replace("0.", ".", 1)


def _caveats(verdict: Verdict) -> list[str]:
    if not verdict.queries:
        return list(verdict.notes)
    lines = [f"{_queries(len(verdict.queries), verdict.provenance)}, {verdict.independent:,} independent"]
    if not math.isnan(verdict.detectable_difference):
        lines[0] += (
            f": a difference of {verdict.detectable_difference:.3f} between the default and its closest rival would be"
            f" significant; for half of that {verdict.needed_for_half:,} are needed"
        )
    if verdict.optimism > 0:
        lines.append(
            f"the best mean overstates what choosing it brings on new queries by some {verdict.optimism:.3f}"
        )
    if any(finding.gain is not None for finding in verdict.findings):
        lines.append(
            "gain: expected over the default on people's queries, from these queries and what is known of other"
            " collections, with its 90 % interval"
        )
    if (rule := verdict.entropy) is not None:
        lines.append(
            f"weight of the vectors: an entropy rule, which looks at scores alone, would give them {rule.weight:.2f} on"
            f" average: {signed_text(rule.difference)} {interval_text(rule.low, rule.high, signed=True)}"
            f" {verdict.measure} against the default's weight"
        )
    if verdict.transfer_error is not None:
        lines.append(
            "for people's queries the expected gain of the configuration ahead is off by more than"
            f" {verdict.transfer_error:.3f} in half of all cases"
        )
        lines += [_source(each, verdict) for each in verdict.by_source]
    lines.append(
        f"best?: tied = these queries cannot tell it from the best; as good = nor is it more than {MARGIN:g} behind"
    )
    if any(finding.span_recall is not None for finding in verdict.findings):
        lines.append("read: share of the passages asked for within the first 1,000 tokens of results")
    lines += verdict.notes
    return lines


def _source(source: SourceFinding, verdict: Verdict) -> str:
    shared = "" if source.overlap is None else f", {source.overlap:.0%} of their words in the answer"
    means = f"{short(source.means[verdict.choice])} against bm25's {short(source.means[verdict.reference])}"
    return f"  {_queries(source.queries, source.name)}{shared}: {means}"


def _queries(count: int, kind: str) -> str:
    return f"{count:,} {kind} {'query' if count == 1 else 'queries'}"


def print_compressions(verdict: Verdict, index: str) -> None:
    """Print the table of compressions, and which is the smallest that is as good; nothing where none was compared."""
    if not verdict.compressions:
        return
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = WIDE
    names = list(verdict.compressions[0].means)
    heads = [head for name in names for head in (name.rpartition("/")[2], "minus whole")]
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 1, 0, 0))
    table.add_column("  kept as", no_wrap=True)
    for head in (*heads, "on disk", "read", "vectors", "query", "found"):
        table.add_column(head, justify="right", no_wrap=True)
    smallest = verdict.smallest
    for each in verdict.compressions:
        table.add_row(
            *_cells(each, names, chosen=each is smallest), style="bold" if each is smallest else None
        )
    console.print()
    console.print(table)
    console.print(sentence_of(verdict, index), soft_wrap=True, markup=False)


def sentence_of(verdict: Verdict, index: str) -> str:
    """Say which compression may be used, and how."""
    whole, smallest = verdict.compressions[0], verdict.smallest
    if smallest is None or smallest is whole:
        return "No compression is sure to lose at most 0.01 here: keep the vectors whole."
    share = smallest.bytes_kept / max(whole.bytes_kept, 1)
    return (
        f"{smallest.spec} loses at most 0.01 (95 %) with {share:.0%} of the bytes:"
        f" tellapart index --compress {smallest.spec} --index {index}"
    )


def _cells(each: CompressionFinding, names: list[str], *, chosen: bool) -> list[str]:
    cells = [("* " if chosen else "  ") + each.spec]
    for name in names:
        difference = each.differences.get(name)
        less = ""
        if difference is not None:
            less = f"{signed_text(difference.difference)} {interval_text(difference.low, difference.high, signed=True)}"
        cells += [short(each.means[name]), less]
    return [
        *cells,
        f"{each.bytes_kept / 1e6:,.2f} MB",
        f"{each.bytes_read / 1e6:,.2f} MB",
        f"{each.vectors_ms:.2f} ms",
        f"{each.query_ms:.1f} ms",
        f"{each.found:.1%}",
    ]
