"""One run of `index --cluster`: what is new is handed to workers, and what they wrote is committed as it comes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from tellapart.cluster.dataset import Documents, HeldEncoder, LastRun, Recipe
from tellapart.cluster.files import FoundFile, address_of, find_files, refuse_other_content
from tellapart.cluster.job import ClusterJob, KnownSource, bytes_of, known_sources
from tellapart.cluster.ray import Cluster
from tellapart.cluster.tasks import Assignment, read_row, skip_row
from tellapart.corpus.document import LEVELS, Granularity, Kind
from tellapart.corpus.sources import ScanOptions, Skipped, need
from tellapart.encoders.load import load_encoder, sees_images
from tellapart.engine import DEFAULT_ENCODERS
from tellapart.errors import TellapartError
from tellapart.index.embedding import pooled_levels
from tellapart.progress import Progress, silent

LISTED = ""
"""The source of what was left out where files were listed."""


@dataclass(frozen=True, slots=True)
class ClusterReport:
    """What a run did, in documents; `unchanged` are files that were not read again, `skipped` is all that is left out.

    `units` counts the units of what was added, at every granularity.
    """

    place: str
    documents: int
    added: int
    removed: int
    unchanged: int
    skipped: int
    units: int
    version: int


def build_dataset(
    sources: Sequence[str],
    output: str,
    *,
    cluster: str = "local",
    encoders: Sequence[str] | None = None,
    options: ScanOptions | None = None,
    granularities: Sequence[Granularity] = (),
    encoded: Sequence[Granularity] = (),
    rebuild: bool = False,
    progress: Progress = silent,
) -> ClusterReport:
    """Bring a Lance dataset to what lies in `sources`, by tasks on a Ray cluster.

    What a run before has done is not done again, also where it was stopped. Rows go by their source and the hash of
    their document, so that a worker or a node that dies changes nothing in the result.

    Args:
        sources: Files and folders, or URLs that fsspec opens (`s3://bucket/docs`); empty: those of the run before, with
            the options that it had.
        output: A folder or a URL that Lance opens (`s3://bucket/my.lance`); workers must reach it.
        cluster: `ray://host:10001`, the address of a head node, or `local`, which starts Ray on this machine.
        encoders: Names of encoders of texts; empty: words only; None: those of the run before, at first minilm. Every
            node must be able to open them.
        options: What counts as a source.
        granularities: Of the vectors; empty: all.
        encoded: Levels whose units are encoded by themselves, in place of being pooled.
        rebuild: Do everything again.
        progress: Told of what is read.

    Raises:
        TellapartError: Something given cannot be used, or a task failed; what was finished is kept.
        LockedIndexError: Another process writes the dataset.
    """
    place, now = address_of(output), time.time_ns()
    refuse_other_content(place)
    before = LastRun.of(place)
    if before is not None and not sources:
        held = before.recipe
        sources, granularities, encoded = before.sources, held.granularities, held.encoded
        options = ScanOptions(before.max_bytes, held.kind, before.include, comments=held.comments)
    if not sources:
        raise TellapartError(f"no dataset in {place} yet: say what to read, as in 'tellapart index PATH ...'")
    if encoders is None:
        encoders = DEFAULT_ENCODERS if before is None else [each.name for each in before.recipe.encoders]
    options = options or ScanOptions()
    recipe = _recipe(encoders, options, tuple(granularities), tuple(encoded))
    if before is not None and not rebuild:
        before.recipe.need_same(recipe, place)
    run = LastRun(recipe, tuple(map(address_of, sources)), options.include, options.max_bytes)
    found, left_out = find_files(run.sources, options, output=place, now=now)
    documents = Documents.create(place, run, rebuild=rebuild)
    known, notes = known_sources(documents), documents.notes()
    changed = [each for each in found if not each.stamp or _stamp(known, each) != each.stamp]
    changed.sort(key=lambda each: need(each.source, now=now))
    job = ClusterJob(documents, Assignment(place, recipe, options), known)
    if changed:
        with (
            Cluster.connect(cluster) as ray,
            progress("reading and encoding (bytes)", bytes_of(changed)) as advance,
        ):
            job.run(ray, changed, advance)
    removed = _tidy(job, found, left_out, notes)
    documents.complete()
    rows = documents.rows("skipped", "digest")
    held, skipped = (len(rows) - rows.column(name).null_count for name in ("digest", "skipped"))
    unchanged = len(found) - len(changed)
    return ClusterReport(
        place, held, job.added, removed, unchanged, skipped, job.units, documents.dataset.version
    )


def _recipe(
    encoders: Sequence[str],
    options: ScanOptions,
    granularities: tuple[Granularity, ...],
    encoded: tuple[Granularity, ...],
) -> Recipe:
    """Open every encoder here first: what no node could open is said at once."""
    texts = [level for kind, levels in LEVELS.items() if kind is not Kind.IMAGE for level in levels]
    levels = tuple(level for level in texts if not granularities or level in granularities)
    alone = {*encoded, *({Granularity.SENTENCE} & set(granularities))}
    held = []
    for name in encoders:
        if name == "lsa":
            raise TellapartError(
                "lsa is fitted on the whole corpus: add it where the index is made from the dataset, as in"
                " 'tellapart index --from my.lance --index my.idx --encoder lsa'"
            )
        if sees_images(name):
            raise TellapartError(f"{name} sees images, which are indexed on one machine: leave out --cluster")
        encoder = load_encoder(name)
        pooled = pooled_levels(encoder, levels, alone)
        held.append(HeldEncoder(name, encoder.fingerprint, encoder.dim, levels, pooled))
    return Recipe(tuple(held), options.kind, granularities, encoded, options.comments)


def _stamp(known: dict[str, KnownSource], found: FoundFile) -> str:
    kept = known.get(found.source.key)
    return kept.stamp if kept else ""


def _tidy(
    job: ClusterJob, found: Sequence[FoundFile], left_out: Sequence[Skipped], notes: frozenset[int]
) -> int:
    """Delete rows of documents that are gone, second copies, and old notes; add what this run has to say.

    Args:
        job: Ended.
        found: All sources.
        left_out: What was left out where they were listed.
        notes: Rows that are no documents and were there before.

    Returns:
        How many documents were removed.
    """
    keys = {each.source.key for each in found}
    seen = {key: frozenset(digests) for key, digests in job.seen.items()}
    reasons = {(each.path, each.reason) for each in left_out}
    had: set[tuple[str, str | None, str | None, bytes | None]] = set()
    stale: list[tuple[bool, int]] = []
    removed = 0
    names = ("source", "id", "skipped", "digest")
    rows = job.documents.rows(*names)
    for source, identity, skipped, digest, row in zip(
        *(rows.column(name).to_pylist() for name in (*names, "_rowid")), strict=True
    ):
        if source == LISTED:
            lives = (identity, skipped) in reasons
        elif digest is None:
            lives = source in keys and not (source in seen and row in notes)
        else:
            lives = source in keys and (source not in seen or digest in seen[source])
        this = (source, identity, skipped, digest)
        if lives and this not in had:
            had.add(this)
            continue
        stale.append((digest is None, row))
        removed += digest is not None and this not in had
    new = [each for each in left_out if (LISTED, each.path, each.reason, None) not in had]
    job.documents.delete(
        [row for _, row in sorted(stale)]
    )  # notes last: two of a source tell that it is not tidy
    job.documents.commit(
        job.assignment.write([*(skip_row(LISTED, each) for each in new), *map(read_row, job.read)])
    )
    return removed
