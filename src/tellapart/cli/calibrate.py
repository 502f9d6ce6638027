"""`tellapart calibrate`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from tellapart.cli import options
from tellapart.cli.output import note, print_json
from tellapart.cli.progress import terminal_progress
from tellapart.engine import Index
from tellapart.errors import TellapartError

if TYPE_CHECKING:
    from tellapart.scores.calibrating import CalibrationReport
    from tellapart.scores.calibration import CalibrationQuality

EXAMPLES = (
    "tellapart calibrate --index my.idx                # from queries made from the corpus, marked so",
    "tellapart calibrate --index my.idx --queries queries.jsonl --qrels qrels.tsv",
    "tellapart calibrate --index my.idx --queries beir-folder --split dev --answered .95",
)


def calibrate(
    path: options.PathIn = None,
    index: options.IndexPlace = None,
    queries: options.Queries = None,
    qrels: options.Qrels = None,
    spans: options.Spans = None,
    split: options.Split = None,
    method: Annotated[
        str, typer.Option("--method", metavar="NAME", help="logistic, or isotonic (a monotone map after it).")
    ] = "logistic",
    answered: Annotated[
        float,
        typer.Option(
            "--answered",
            metavar="SHARE",
            help="Of queries with an answer, so many are not told that nothing answers.",
        ),
    ] = 0.9,
    keep: Annotated[
        bool, typer.Option("--keep/--no-keep", help="Let search give probabilities, or only look.")
    ] = True,
    seed: options.Seed = 0,
    json: options.Json = False,
) -> None:
    """Learn what the scores of 'search' mean: the probability of each hit, and when nothing here answers."""
    from tellapart.experiments.query_files import is_judged, read_query_set
    from tellapart.scores.calibrating import calibrate as calibrated

    opened = Index.open(options.whole_index(index, path))
    judged = None
    if queries is None and (qrels or spans or split):
        raise TellapartError("judgements need their queries: name them with --queries")
    if queries is not None:
        if not is_judged(queries, qrels, spans, split):
            raise TellapartError(
                f"{queries} has no judgements: name them with --qrels or --spans, or leave out --queries"
            )
        judged = read_query_set(opened, queries, qrels, spans, split)
    report = calibrated(
        opened, judged, method=method, answered=answered, keep=keep, seed=seed, progress=terminal_progress()
    )
    for each in (*(judged.notes if judged else ()), *report.notes):
        note(each)
    if json:
        print_json(report.to_json())
    else:
        _print(report)


def _print(report: CalibrationReport) -> None:
    kept = report.calibration
    print(
        f"{kept.configuration.name}: {kept.queries:,} {kept.provenance} queries,"
        f" {report.independent:,} of them independent; figures are of queries that were left out of the fit"
    )
    print(f"first hit        {_figures(report.first)}")
    print(f"first ten hits   {_figures(report.first_ten)}")
    if kept.answer_threshold is None:
        return
    shares = (
        ("near misses", report.refused),
        ("those without an answer", report.unanswered_refused),
        ("queries about something else", report.foreign_refused),
    )
    refused = "".join(f", {share:.0%} of {which}" for which, share in shares if share is not None)
    print(
        f"no answer        below P {kept.answer_threshold:.2f}:"
        f" turns away at most {100 * (1 - report.answered):.3g}% of queries with an answer{refused}"
    )


def _figures(quality: CalibrationQuality) -> str:
    return (
        f"{quality.relevant:.0%} relevant; calibration error {quality.ece:.3f} (perfect probabilities of so few:"
        f" {quality.ece_by_chance:.3f}, seldom over {quality.ece_by_chance_high:.3f}),"
        f" Brier score {quality.brier:.3f}, skill {quality.skill:.2f}"
    )
