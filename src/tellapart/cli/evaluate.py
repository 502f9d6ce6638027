"""`tellapart evaluate`."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tellapart.cli import options
from tellapart.cli.app import FAILED
from tellapart.cli.images import asks_for_images, holds_only_images, image_verdict
from tellapart.cli.output import note, print_json
from tellapart.cli.progress import terminal_progress
from tellapart.engine import Index
from tellapart.errors import TellapartError
from tellapart.index.home import NAME, index_folder
from tellapart.index.latent import LSA

if TYPE_CHECKING:
    from tellapart.experiments.measures import Measure
    from tellapart.experiments.queries.gold import ReadGold
    from tellapart.experiments.verdict.gate import Regression
    from tellapart.experiments.verdict.verdict import Verdict

EXAMPLES = (
    "tellapart evaluate --index my.idx                # queries made from the corpus itself",
    "tellapart evaluate --index my.idx --queries log.jsonl     # made like the queries that users typed",
    "tellapart evaluate --index my.idx --queries queries.jsonl --qrels qrels.tsv --report report.html",
    "tellapart evaluate --index things.idx           # of images: those of one folder belong together",
    "tellapart evaluate --index my.idx --queries beir-folder --split dev --json > saved.json",
    "tellapart evaluate --index my.idx --queries beir-folder --split dev --against saved.json --gate",
)


def evaluate(
    path: Annotated[Path, typer.Argument(help="Folder that was indexed.")] = Path(),
    index: options.IndexFolder = None,
    queries: Annotated[
        Path | None,
        typer.Option(
            "--queries", metavar="FILE", help="queries.jsonl, id<TAB>text, a BEIR folder or annotations."
        ),
    ] = None,
    qrels: Annotated[
        Path | None,
        typer.Option("--qrels", metavar="FILE", help="Judgements of documents or units, BEIR or TREC."),
    ] = None,
    spans: Annotated[
        Path | None,
        typer.Option("--spans", metavar="FILE", help="Judged passages: query-id, corpus-id, start, end."),
    ] = None,
    split: Annotated[str | None, typer.Option("--split", help="Which judgements of a BEIR folder.")] = None,
    measure: Annotated[
        str | None,
        typer.Option("--measure", metavar="NAME", help="For example nDCG@10 (the default), RR@10, R@100."),
    ] = None,
    encoder: Annotated[
        list[str] | None, typer.Option("--encoder", metavar="NAME", help="Compare only this (repeatable).")
    ] = None,
    granularity: Annotated[
        list[str] | None,
        typer.Option("--granularity", metavar="NAME", help="Compare only this (repeatable)."),
    ] = None,
    ranker: Annotated[
        list[str] | None,
        typer.Option("--ranker", metavar="NAME", help="Compare only this [default: bm25, knn, svm, hybrid]."),
    ] = None,
    language_model: Annotated[
        str | None,
        typer.Option(
            "--language-model",
            metavar="MODEL[@URL]",
            help="Let a language model write queries too; it is sent parts of the corpus.",
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option("--report", metavar="FILE", help="Write a page of it all, to be read in a browser."),
    ] = None,
    runs: Annotated[
        Path | None,
        typer.Option("--runs", metavar="DIR", help="Write a TREC run of every configuration there."),
    ] = None,
    against: Annotated[
        Path | None, typer.Option("--against", metavar="FILE", help="Compare with what --json saved earlier.")
    ] = None,
    gate: Annotated[
        bool, typer.Option("--gate", help="With --against: exit 1 on a significant regression.")
    ] = False,
    keep: Annotated[
        bool, typer.Option("--keep/--no-keep", help="Let search follow the verdict, or only look.")
    ] = True,
    everything: Annotated[
        bool, typer.Option("--all", help="Show every configuration, not only the leading ones.")
    ] = False,
    seed: Annotated[int, typer.Option("--seed", help="Of folds and resampling.")] = 0,
    json: options.Json = False,
) -> int | None:
    """Compare encoders, granularities and rankers on queries with known answers, and keep what works."""
    from tellapart.experiments.evaluate import Wishes
    from tellapart.experiments.evaluate import evaluate as conclude
    from tellapart.experiments.verdict.gate import compare_with, read_saved

    if gate and against is None:
        raise TellapartError("--gate compares with a saved evaluation: name it with --against")
    saved = read_saved(against) if against else None
    opened = Index.open(index_folder(index, [path]))
    wishes = Wishes(
        tuple(encoder or ()),
        tuple(granularity or ()),
        tuple(ranker or Wishes().rankers),
        _measure(measure),
        seed,
        None,
        language_model,
    )
    judged: ReadGold | None = None
    if asks_for_images(opened, wishes.granularities):
        for_texts = {"--queries": queries, "--spans": spans, "--split": split, "--runs": runs}
        verdict = image_verdict(opened, qrels, wishes, for_texts, keep=keep)
        keep = _keeps_images(opened, keep=keep)
    else:
        judged = _gold(opened, queries, qrels, spans, split)
        _refuse_contradictions(judged, language_model, runs)
        if judged is None:
            wishes = replace(wishes, query_log=_log(queries))
        if keep and not encoder:
            _add_lsa(opened)
        gold, notes = (judged.gold, judged.notes) if judged else (None, ())
        verdict = conclude(opened, gold, wishes, notes=notes, progress=terminal_progress())
    regression = compare_with(saved, verdict, seed=seed) if saved else None
    _show(verdict, regression, json=json, everything=everything)
    if report is not None:
        _write_report(opened, judged, verdict, report)
    if runs is not None and judged is not None:
        _write_runs(opened, judged, verdict, runs)
    if keep:
        _keep(opened, verdict)
    return FAILED if gate and regression is not None and regression.significant else None


def _refuse_contradictions(judged: ReadGold | None, language_model: str | None, runs: Path | None) -> None:
    if judged is not None and language_model is not None:
        raise TellapartError("--language-model writes queries, but these are judged: leave out one of both")
    if runs is not None and judged is None:
        raise TellapartError("--runs answers judged queries: name them with --queries and --qrels")


def _keeps_images(index: Index, *, keep: bool) -> bool:
    """An index has one verdict: beside texts it is theirs."""
    if keep and not holds_only_images(index):
        note(f"not kept: the verdict of {index.folder} is for its texts")
        return False
    return keep


def _measure(spelling: str | None) -> Measure | None:
    from tellapart.experiments.measures import Measure

    return Measure.parse(spelling) if spelling else None


def _gold(
    index: Index, queries: Path | None, qrels: Path | None, spans: Path | None, split: str | None
) -> ReadGold | None:
    """Read judged queries; None where there is nothing but a log of queries, or nothing at all."""
    from tellapart.experiments.queries.gold import is_judged, read_gold

    if queries is None:
        for name, given in (("--qrels", qrels), ("--spans", spans), ("--split", split)):
            if given is not None:
                raise TellapartError(f"{name} judges queries: name them with --queries")
        return None
    if not is_judged(queries, qrels, spans, split):
        return None
    return read_gold(index, queries, qrels, spans, split)


def _log(queries: Path | None) -> Mapping[str, str] | None:
    """Read queries that users typed, which nobody judged."""
    from tellapart.experiments.queries.judgements import read_queries

    return None if queries is None else read_queries(queries).texts


def _add_lsa(index: Index) -> None:
    """Give the comparison an encoder fitted on the corpus itself, which costs seconds."""
    settings = index.settings
    if settings.words_only or LSA in settings.encoders:
        return
    index.add_encoder(LSA, progress=terminal_progress())
    note("added the encoder lsa, fitted on this corpus, to the index")


def _show(verdict: Verdict, regression: Regression | None, *, json: bool, everything: bool) -> None:
    from tellapart.cli.verdict_output import print_verdict
    from tellapart.experiments.verdict.gate import regression_json
    from tellapart.experiments.verdict.verdict_json import verdict_json

    if json:
        against = {"against": regression_json(regression)} if regression else {}
        print_json({**verdict_json(verdict), **against})
        return
    print_verdict(verdict, everything=everything)
    if regression:
        print(regression.sentence)


def _write_report(index: Index, judged: ReadGold | None, verdict: Verdict, path: Path) -> None:
    if not verdict.queries:
        note("no report: nothing was measured")
        return
    from tellapart.experiments.report.contents import Contents
    from tellapart.experiments.report.examples import worst_examples
    from tellapart.experiments.report.page import write_report
    from tellapart.experiments.report.settings import score_settings

    contents = Contents(
        verdict,
        index.folder.name if index.folder.name != NAME else index.folder.resolve().parent.name,
        shlex.join(["tellapart", *sys.argv[1:]]),
        score_settings(verdict),
        worst_examples(index, judged.gold, verdict) if judged else (),
        judged.gold.categories if judged else {},
    )
    write_report(contents, path)
    note(f"{path}: the report, for a browser")


def _write_runs(index: Index, judged: ReadGold, verdict: Verdict, folder: Path) -> None:
    from tellapart.experiments.runs import write_run

    folder.mkdir(parents=True, exist_ok=True)
    for finding in verdict.findings:
        configuration = finding.configuration
        run = index.run(
            judged.gold.queries,
            ranker=configuration.ranker,
            granularity=configuration.granularity,
            encoder=configuration.encoder,
            parameters=configuration.parameters,
            progress=terminal_progress(),
        )
        write_run(run, folder / f"{finding.name.replace('/', '.').replace(' ', '-').replace(':', '-')}.trec")
    note(f"{folder}: {len(verdict.findings)} runs over {len(judged.gold.queries):,} queries")


def _keep(index: Index, verdict: Verdict) -> None:
    from tellapart.experiments.verdict.keeping import keep_verdict

    try:
        keep_verdict(index, verdict)
    except TellapartError as error:
        raise TellapartError(f"the verdict above is not kept: {error}; --no-keep only looks") from None
    note(f"search in {index.folder} uses {verdict.chosen.configuration.name} from now on")
