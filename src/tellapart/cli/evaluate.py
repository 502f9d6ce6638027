"""`tellapart evaluate`."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypedDict

import typer

from tellapart.cli import options
from tellapart.cli.app import FAILED
from tellapart.cli.cluster import grid_runner
from tellapart.cli.output import note, print_json
from tellapart.cli.progress import terminal_progress
from tellapart.encoders.load import PIXELS
from tellapart.engine import Index
from tellapart.engine.opened import folder_store, is_published
from tellapart.errors import TellapartError
from tellapart.index.latent import LSA
from tellapart.progress import Progress

if TYPE_CHECKING:
    from tellapart.experiments import QuerySet, Verdict
    from tellapart.experiments.gate import Regression
    from tellapart.experiments.running import GridRunner

EXAMPLES = (
    "tellapart evaluate --index my.idx                # queries made from the corpus itself",
    "tellapart evaluate --index my.idx --queries log.jsonl     # made like the queries that users typed",
    "tellapart evaluate --index my.idx --queries queries.jsonl --qrels qrels.tsv --report report.html",
    "tellapart evaluate --index my.idx --compress     # what 256, 128 or 64 dimensions, int8 or binary cost here",
    "tellapart evaluate --index things.idx           # of images: those of one folder belong together",
    "tellapart evaluate --index my.idx --queries beir-folder --split dev --json > saved.json",
    "tellapart evaluate --index my.idx --queries beir-folder --split dev --against saved.json --gate",
)


def evaluate(
    path: options.PathIn = None,
    index: options.IndexPlace = None,
    queries: options.Queries = None,
    qrels: options.Qrels = None,
    spans: options.Spans = None,
    split: options.Split = None,
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
    rerank: Annotated[
        list[str] | None,
        typer.Option(
            "--rerank",
            metavar="NAME",
            help="Cross-encoder to compare as a second look, however long it takes (repeatable); 'none' compares"
            " none [default: those of 'tellapart models' that are here, if that is done within ten minutes].",
            show_default=False,
        ),
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
    ignore_same_id: Annotated[
        bool,
        typer.Option(
            "--ignore-same-id", help="Leave out the document whose id is the query's, as BEIR does."
        ),
    ] = False,
    gate: Annotated[
        bool, typer.Option("--gate", help="With --against: exit 1 on a significant regression.")
    ] = False,
    compress: Annotated[
        bool,
        typer.Option(
            "--compress", help="Compare fewer dimensions and bits of the vectors with whole ones, too."
        ),
    ] = False,
    keep: Annotated[
        bool, typer.Option("--keep/--no-keep", help="Let search follow the verdict, or only look.")
    ] = True,
    everything: Annotated[
        bool, typer.Option("--all", help="Show every configuration, not only the leading ones.")
    ] = False,
    details: Annotated[
        bool, typer.Option("--details", help="Show the statistics behind the sentence and the table.")
    ] = False,
    cluster: Annotated[
        str | None,
        typer.Option(
            "--cluster",
            metavar="ADDRESS",
            help="Compare on a Ray cluster whose nodes see this index: ray://HOST:10001, or 'local' (docs/scale.md).",
        ),
    ] = None,
    seed: options.Seed = 0,
    json: options.Json = False,
) -> int | None:
    """Compare encoders, granularities and rankers on queries with known answers, and keep what works."""
    from tellapart.experiments.arms import COMPARED
    from tellapart.experiments.evaluation import asks_for_images, holds_only_images
    from tellapart.experiments.evaluation import evaluate as compared
    from tellapart.experiments.gate import compare_with, read_saved

    if gate and against is None:
        raise TellapartError("--gate compares with a saved evaluation: name it with --against")
    saved = read_saved(against) if against else None
    opened = Index.open(options.whole_index(index, path))
    _note_changes(opened)
    judged: QuerySet | None = None
    with grid_runner(cluster) as runner:
        wanted: _Compared = {
            "encoders": tuple(encoder or ()),
            "granularities": tuple(granularity or ()),
            "rankers": tuple(ranker or COMPARED),
            "rerank": tuple(rerank) if rerank else None,
            "measure": measure,
            "compress": compress,
            "seed": seed,
            "progress": terminal_progress(),
            "runner": runner,
        }
        if asks_for_images(opened, granularity or ()):
            _refuse_for_images({"--queries": queries, "--spans": spans, "--split": split, "--runs": runs})
            if keep and not encoder:
                _add_encoder(opened, PIXELS, "what every other has to beat")
            verdict = compared(opened, None, qrels, **wanted)
            if keep and not holds_only_images(opened):
                note(f"not kept: the verdict of {opened.place} is for its texts")
                keep = False
        else:
            judged = _judged(opened, queries, qrels, spans, split, ignore_same_id=ignore_same_id)
            _refuse_contradictions(judged, language_model, runs)
            if keep and not encoder and not opened.settings.words_only:
                _add_encoder(opened, LSA, "fitted on this corpus")
            log = _log(queries) if judged is None else None
            verdict = compared(opened, judged, query_log=log, language_model=language_model, **wanted)
    regression = compare_with(saved, verdict, seed=seed) if saved else None
    _show(verdict, regression, opened.place, json=json, everything=everything, details=details)
    if report is not None:
        _write_report(opened, judged, verdict, report)
    if runs is not None and judged is not None:
        _write_runs(opened, judged, verdict, runs)
    if keep:
        _keep(opened, verdict)
    return FAILED if gate and regression is not None and regression.significant else None


def _note_changes(index: Index) -> None:
    """Say that the index does not show the files as they are now: it is evaluated as it is."""
    from tellapart.index.freshness import differences, sources_are_there, unseen_files

    if is_published(index.store):
        return
    with index.reading():
        if not sources_are_there(index.settings, index.folder):
            return
        found = differences(index.folder, folder_store(index.store))
        changed = unseen_files(index.folder, folder_store(index.store), found) if found else 0
    if changed:
        files = "1 file" if changed == 1 else f"{changed:,} files"
        note(
            f"{files} changed since this index was made, which is evaluated as it is:"
            f" 'tellapart index --index {index.place}' first takes them over"
        )


class _Compared(TypedDict):
    encoders: tuple[str, ...]
    granularities: tuple[str, ...]
    rankers: tuple[str, ...]
    rerank: tuple[str, ...] | None
    measure: str | None
    compress: bool
    seed: int
    progress: Progress
    runner: GridRunner


def _refuse_contradictions(judged: QuerySet | None, language_model: str | None, runs: Path | None) -> None:
    if judged is not None and language_model is not None:
        raise TellapartError("--language-model writes queries, but these are judged: leave out one of both")
    if runs is not None and judged is None:
        raise TellapartError("--runs answers judged queries: name them with --queries and --qrels")


def _refuse_for_images(given: Mapping[str, object]) -> None:
    for name, value in given.items():
        if value is not None:
            raise TellapartError(
                f"{name} is for texts: images are asked for by images, and judged by their folders or --qrels"
            )


def _judged(
    index: Index,
    queries: Path | None,
    qrels: Path | None,
    spans: Path | None,
    split: str | None,
    *,
    ignore_same_id: bool,
) -> QuerySet | None:
    """Read judged queries; None where there is nothing but a log of queries, or nothing at all."""
    from tellapart.experiments.query_files import is_judged, read_query_set

    if queries is None:
        for name, given in (("--qrels", qrels), ("--spans", spans), ("--split", split)):
            if given is not None:
                raise TellapartError(f"{name} judges queries: name them with --queries")
        return None
    if not is_judged(queries, qrels, spans, split):
        return None
    return read_query_set(index, queries, qrels, spans, split, ignore_same_id=ignore_same_id)


def _log(queries: Path | None) -> Mapping[str, str] | None:
    """Read queries that users typed, which nobody judged."""
    from tellapart.experiments.qrels import read_queries

    return None if queries is None else read_queries(queries).texts


def _add_encoder(index: Index, name: str, why: str) -> None:
    """Give the comparison an encoder that costs seconds."""
    if name in index.settings.encoders:
        return
    if is_published(index.store):
        note(
            f"{name} is not compared: add it in the folder ('tellapart index --encoder {name}') and publish again"
        )
    else:
        index.add_encoder(name, progress=terminal_progress())
        note(f"added the encoder {name} to the index: {why}")


def _show(
    verdict: Verdict,
    regression: Regression | None,
    place: str,
    *,
    json: bool,
    everything: bool,
    details: bool,
) -> None:
    from tellapart.cli.verdict_output import print_compressions, print_verdict
    from tellapart.experiments.gate import regression_json

    if json:
        against = {"against": regression_json(regression)} if regression else {}
        print_json({**verdict.to_json(), **against})
        return
    print_verdict(verdict, everything=everything, details=details)
    print_compressions(verdict, place)
    if regression:
        print(regression.sentence)


def _write_report(index: Index, judged: QuerySet | None, verdict: Verdict, path: Path) -> None:
    if not verdict.queries:
        note("no report: nothing was measured")
        return
    from tellapart.experiments.report.page import contents_of, write_report

    command = shlex.join(["tellapart", *map(options.shown, sys.argv[1:])])
    write_report(contents_of(index, verdict, judged, command=command), path)
    note(f"{path}: the report, for a browser")


def _write_runs(index: Index, judged: QuerySet, verdict: Verdict, folder: Path) -> None:
    from tellapart.experiments.trec import write_run

    folder.mkdir(parents=True, exist_ok=True)
    for finding in verdict.findings:
        configuration = finding.configuration
        run = index.run(
            judged.queries,
            ranker=configuration.ranker,
            granularity=configuration.granularity,
            encoder=configuration.encoder,
            parameters=configuration.parameters,
            progress=terminal_progress(),
        )
        write_run(run, folder / f"{finding.name.replace('/', '.').replace(' ', '-').replace(':', '-')}.trec")
    note(f"{folder}: {len(verdict.findings)} runs over {len(judged.queries):,} queries")


def _keep(index: Index, verdict: Verdict) -> None:
    try:
        verdict.keep(index)
    except TellapartError as error:
        raise TellapartError(f"the verdict above is not kept: {error}; --no-keep only looks") from None
    note(
        f"search in {index.place} uses {verdict.chosen.configuration.described} from now on (--no-keep: only look)"
    )
