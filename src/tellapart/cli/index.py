"""`tellapart index`."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from tellapart.cli import options
from tellapart.cli.cluster import dataset_address, fill_dataset, index_of_dataset
from tellapart.cli.output import SCHEMA, note, print_json
from tellapart.cli.progress import terminal_progress
from tellapart.cli.search import confirm, made_anew
from tellapart.corpus.document import Granularity, Kind
from tellapart.encoders.compressed import compression_setting
from tellapart.encoders.load import check_encoder
from tellapart.engine import DEFAULT_ENCODERS, Index, build_index
from tellapart.errors import StaleIndexError, TellapartError
from tellapart.index.build import BuildReport
from tellapart.index.home import NAME, exists, find_home, names_of, reads
from tellapart.index.migration import drop_encoder as drop_from_index
from tellapart.index.settings import STDIN, Settings, located, portable, recovered_settings

NO_ENCODER = "none"

EXAMPLES = (
    "tellapart index ~/src/project",
    "tellapart index docs/ paper.pdf src/ --index my.idx",
    "tellapart index --encoder lsa --index my.idx        # adds an encoder; the sources stay",
    "tellapart index --drop-encoder lsa --index my.idx   # does without it",
    "tellapart index --compress 128-int8 --index my.idx  # vectors of a sixth of the size",
    "tellapart index s3://bucket/docs --cluster ray://head:10001 --output s3://bucket/my.lance",
    "tellapart index --from s3://bucket/my.lance --index my.idx",
    "cat notes.txt | tellapart index - --index my.idx",
)


def index(
    places: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[PATH]...",
            help="Files and folders; '-' is standard input. With --cluster also URLs such as s3://bucket/docs.",
        ),
    ] = None,
    index: options.IndexFolder = None,
    encoder: Annotated[
        list[str] | None,
        typer.Option(
            "--encoder",
            metavar="NAME",
            help="minilm, lsa, pixels (of images), folder:DIR, hub:ORG/MODEL, ... or none (repeatable).",
        ),
    ] = None,
    granularity: Annotated[
        list[Granularity] | None,
        typer.Option("--granularity", help="Index only this (repeatable) [default: all]."),
    ] = None,
    encode: Annotated[
        list[Granularity] | None,
        typer.Option(
            "--encode",
            help="Encode these units by themselves, too; by default only paragraphs and functions are, and the"
            " vectors of others are pooled from theirs (repeatable).",
        ),
    ] = None,
    kind: Annotated[
        Kind | None, typer.Option("--kind", help="Say what the documents are, instead of guessing.")
    ] = None,
    include: Annotated[
        list[str] | None,
        typer.Option("--include", metavar="GLOB", help="Index these although ignored (repeatable)."),
    ] = None,
    vectors_for: Annotated[
        list[str] | None,
        typer.Option(
            "--vectors-for",
            metavar="GLOB",
            help="Only these documents get vectors, e.g. 'src/' or '*.md'; others are found by words (repeatable, kept"
            " until given again; '*' is all).",
        ),
    ] = None,
    compress: Annotated[
        str | None,
        typer.Option(
            "--compress",
            metavar="SPEC",
            help="Keep vectors smaller: dimensions (128), int8 or binary (one-bit codes, ranked by int8), or both"
            " (128-int8); kept until given again, none undoes it. 'evaluate --compress' shows what that costs here.",
        ),
    ] = None,
    max_bytes: Annotated[int | None, typer.Option("--max-bytes", help="Skip larger files.", min=1)] = None,
    comments: Annotated[
        bool | None,
        typer.Option(
            "--comments/--no-comments",
            help="Read headers, footers and comments of Word files too.",
        ),
    ] = None,
    drop_encoder: Annotated[
        list[str] | None,
        typer.Option(
            "--drop-encoder",
            metavar="NAME",
            help="Do without this encoder from now on, made or failed (repeatable).",
        ),
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(
            "--cluster",
            metavar="ADDRESS",
            help="Read and encode on a Ray cluster, ray://HOST:10001, or 'local' for all cores of this machine; into"
            " the dataset that --output names (docs/scale.md).",
        ),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option("--output", metavar="PLACE", help="With --cluster: folder or URL of a Lance dataset."),
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="PLACE", help="Make the index of such a dataset, without reading or encoding."
        ),
    ] = None,
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Read everything again.")] = False,
    yes: options.Yes = False,
    json: options.Json = False,
) -> None:
    """Read, split and index; a second run does only what changed, and without PATH uses the same sources."""
    started = time.perf_counter()
    if cluster is not None:
        fill_dataset(
            places or [],
            cluster,
            output,
            () if encoder == [NO_ENCODER] else encoder,
            Settings(
                kind=kind,
                include=tuple(include or ()),
                max_bytes=max_bytes,
                comments=bool(comments),
                granularities=tuple(granularity or ()),
                encoded=tuple(encode or ()),
            ),
            {
                "--index": index,
                "--from": dataset,
                "--vectors-for": vectors_for,
                "--compress": compress,
                "--drop-encoder": drop_encoder,
            },
            rebuild=rebuild,
            json=json,
        )
        return
    if dataset is not None:
        dataset = dataset_address(
            dataset,
            {
                "--kind": kind,
                "--include": include,
                "--max-bytes": max_bytes,
                "--comments": comments,
                "--granularity": granularity,
            },
        )
    paths = _paths(places or [], dataset, output)
    folder = _folder(index, paths, yes=yes)
    for name in drop_encoder or []:
        drop_from_index(folder, name)
        note(f"{folder}: {name} is dropped")
    settings, stale = _settings(folder, paths, index is not None, dataset, rebuild=rebuild)
    settings = replace(
        settings,
        kind=kind or settings.kind,
        include=tuple(dict.fromkeys([*settings.include, *(include or [])])),
        max_bytes=max_bytes or settings.max_bytes,
        comments=settings.comments if comments is None else comments,
        granularities=tuple(granularity or settings.granularities),
        vectors_for=_globs(vectors_for, settings.vectors_for),
        compress=settings.compress if compress is None else compression_setting(compress),
        encoders=_encoders(settings, encoder or []),
        encoded=tuple(dict.fromkeys([*settings.encoded, *(encode or [])])),
        words_only=NO_ENCODER in (encoder or []) or (settings.words_only and not encoder),
    )
    if settings.dataset:
        report = index_of_dataset(settings.dataset, folder, settings, rebuild=rebuild or stale)
    else:
        report = build_index(folder, settings, progress=terminal_progress(), fresh=rebuild or stale)
    seconds = time.perf_counter() - started
    if json:
        print_json(_json(folder, report, seconds))
    else:
        _print(folder, report, seconds)


def _paths(places: list[str], dataset: str | None, output: str | None) -> list[Path]:
    """Take places as paths; what only goes with a cluster or a dataset is refused."""
    if output is not None:
        raise TellapartError(
            "--output goes with --cluster: 'tellapart index PATH --cluster local --output my.lance'"
        )
    if dataset is not None and places:
        raise TellapartError(
            f"{places[0]}: with --from the documents come from {dataset}: leave the path out"
        )
    if urls := [place for place in places if "://" in place]:
        raise TellapartError(
            f"{urls[0]} is no path: read it with 'tellapart index {urls[0]} --cluster local --output my.lance'"
        )
    return [Path(place) for place in places]


def _folder(index: Path | None, paths: list[Path], *, yes: bool) -> Path:
    """Choose the folder of the index: one around the paths only if it reads all of them."""
    if index is not None:
        return find_home(index).folder
    homes = [find_home(None, path) for path in paths if str(path) != STDIN or len(paths) == 1]
    if homes and homes[0].where and len({home.folder for home in homes}) > 1:
        raise TellapartError(
            f"{paths[0]} has the index {homes[0].folder}, which does not hold the other paths: say which with --index"
        )
    folder = homes[0].folder if homes else find_home(None).folder
    if not (paths or yes or exists(folder)):
        confirm(Path())
    return folder


def _settings(
    folder: Path, paths: list[Path], asked: bool, dataset: str | None, *, rebuild: bool
) -> tuple[Settings, bool]:
    """Take what the index holds already and add the new paths; say whether another version made it."""
    kept, stale = Settings(), False
    if exists(folder):
        try:
            kept = Index.open(folder).settings
        except TellapartError as error:
            stale = isinstance(error, StaleIndexError)
            if not (rebuild or stale):
                raise
            kept = recovered_settings(folder) or _around(folder, paths)
            if stale:
                note(made_anew(folder))
    elif not paths and asked and dataset is None:
        raise TellapartError(
            f"no index in {folder} yet: say what to index, as in 'tellapart index PATH --index {folder}'"
        )
    if dataset is not None and (kept.sources or kept.dataset not in ("", dataset)):
        made_of = kept.dataset or ", ".join(kept.sources)
        raise TellapartError(f"{folder} is the index of {made_of}: name another folder with --index")
    if dataset is not None or kept.dataset:
        if paths:
            raise TellapartError(
                f"{folder} is made from {kept.dataset}, not from files: name another with --index"
            )
        return replace(kept, dataset=dataset or kept.dataset), stale
    new = portable(_not_held(kept, folder, paths) if paths else [] if kept.sources else [Path()], folder)
    return replace(kept, sources=tuple(dict.fromkeys([*kept.sources, *new]))), stale


def _not_held(kept: Settings, folder: Path, paths: list[Path]) -> list[Path]:
    """Leave out what the sources hold already: named twice, every document would get another id."""
    sources = located(kept.sources, folder)
    return [
        path
        for path in paths
        if str(path) == STDIN or not names_of(sources, path) or not reads(folder, sources, path)
    ]


def _around(folder: Path, paths: list[Path]) -> Settings:
    """Give the settings of a rebuilt index of which nothing is known: the folder that it lies in."""
    if not paths and folder.name != NAME:
        raise TellapartError(
            f"what {folder} was made from is lost: name it, as in 'tellapart index PATH --rebuild --index {folder}'"
        )
    return Settings() if paths else Settings(sources=(".",))


def _globs(asked: list[str] | None, kept: tuple[str, ...]) -> tuple[str, ...]:
    if asked is None:
        return kept
    if blank := [glob for glob in asked if not glob.strip("!/ ")]:
        raise TellapartError(f"--vectors-for {blank[0]!r}: give a glob of paths such as 'src/' or '*.md'")
    return () if "*" in asked and len(asked) == 1 else tuple(dict.fromkeys(asked))


def _encoders(settings: Settings, asked: list[str]) -> tuple[str, ...]:
    kept = settings.encoders
    if NO_ENCODER in asked:
        if len(asked) > 1 or kept:
            held = (
                f"; this index holds {', '.join(kept)}: 'tellapart clear --encoder NAME' drops one"
                if kept
                else ""
            )
            raise TellapartError(f"--encoder none stands alone, for an index of words only{held}")
        return ()
    if not (asked or kept or settings.words_only or settings.dataset):
        asked = list(DEFAULT_ENCODERS)
    for name in asked:  # before it is noted as wanted: a slip of the keyboard would be wanted ever after
        if name not in kept:
            check_encoder(name)
    return tuple(dict.fromkeys([*kept, *asked]))


def _print(folder: Path, report: BuildReport, seconds: float) -> None:
    changes = report.changes
    if not report.changes.any:
        note(f"{folder}: up to date, {changes.unchanged:,} documents ({seconds:.1f} s)")
    else:
        note(
            f"{folder}: {changes.added:,} documents added, {changes.changed:,} changed, {changes.removed:,} removed,"
            f" {changes.unchanged:,} unchanged ({seconds:.1f} s)"
        )
    if changes.skipped:
        note(f"{changes.skipped:,} skipped: 'tellapart status --skipped --index {folder}' says which and why")
    if changes.skipped and not (changes.added or changes.changed or changes.unchanged):
        reason, count = Counter(reason for _, reason in Index.open(folder).skipped()).most_common(1)[0]
        note(f"no document was found: {count:,} skipped as {reason}")
    for line in report.notes:
        note(line)


def _json(folder: Path, report: BuildReport, seconds: float) -> dict[str, object]:
    changes = report.changes
    return {
        "schema": SCHEMA,
        "index": str(folder),
        "added": changes.added,
        "changed": changes.changed,
        "removed": changes.removed,
        "unchanged": changes.unchanged,
        "skipped": changes.skipped,
        "generation": report.generation,
        "seconds": round(seconds, 3),
        "notes": list(report.notes),
    }
