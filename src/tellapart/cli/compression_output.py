"""What compressions of the vectors cost, in a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tellapart.cli.verdict_output import WIDE, interval_text, short, signed_text

if TYPE_CHECKING:
    from tellapart.experiments.verdict import CompressionFinding, Verdict


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
