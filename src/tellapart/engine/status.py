"""What an index holds, how old it is, and whether its files are sound."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tellapart.corpus.document import Granularity
from tellapart.corpus.scan import scan
from tellapart.engine.facade import Index
from tellapart.engine.opened import bytes_kept, folder_store, is_published, shards_of
from tellapart.engine.probabilities import CheckedCalibration
from tellapart.engine.records import CheckedVerdict
from tellapart.errors import CorruptIndexError
from tellapart.index.catalogue import StoredEncoder
from tellapart.index.files import check
from tellapart.index.freshness import moment_of
from tellapart.index.latent import kept_spec
from tellapart.index.settings import located
from tellapart.index.snapshot import FolderSnapshot
from tellapart.index.store import rebuilding
from tellapart.index.update import PIPED


@dataclass(frozen=True, slots=True)
class VerdictStatus:
    """The configuration that `auto` follows, why and since when; `stale` says why it is not followed any more."""

    configuration: str
    parameters: dict[str, float | str]
    reason: str
    made: str
    stale: str | None


@dataclass(frozen=True, slots=True)
class CalibrationStatus:
    """Whose scores have probabilities, learned from what and when; `stale` says why they are not given any more."""

    configuration: str
    source: str
    queries: int
    answer_threshold: float | None
    made: str
    stale: str | None


@dataclass(frozen=True, slots=True)
class IndexStatus:
    """Counts and age; `units` by granularity, `changed_sources` since the last run of `index`.

    `folder` is the address of a `published` index, `shards` are those of further servers, and `partial` says which of
    them do not answer.

    `vectors_for` are globs of the documents that have vectors, empty where all have; `compressed` says how the vectors
    of an encoder are kept, for those that are compressed;
    `in_use` names the encoder that `migrate` put to use, None where it was never called.
    """

    folder: str
    published: bool
    generation: int
    sources: tuple[str, ...]
    updated: str | None
    documents: int
    skipped: int
    units: dict[str, int]
    encoders: tuple[StoredEncoder, ...]
    vectors_for: tuple[str, ...]
    compressed: dict[str, str]
    in_use: str | None
    changed_sources: int
    bytes: int
    verdict: VerdictStatus | None
    calibration: CalibrationStatus | None
    shards: tuple[str, ...] = ()
    partial: str | None = None


def index_status(index: Index) -> IndexStatus:
    """Look at the index and, without reading them, at its sources."""
    settings = index.settings
    with index.reading() as snapshot:
        return IndexStatus(
            folder=index.store.place,
            published=is_published(index.store),
            generation=snapshot.generation,
            sources=(settings.dataset,)
            if settings.dataset
            else tuple(located(settings.sources, index.folder)),
            updated=moment_of(index.store),
            documents=index.store.count(),
            skipped=0 if is_published(index.store) else len(index.skipped()),
            units={g.value: snapshot.units(g).n_alive for g in snapshot.granularities},
            encoders=tuple(snapshot.encoders.values()),
            vectors_for=settings.vectors_for,
            in_use=snapshot.in_use,
            compressed={
                name: str(spec)
                for name, each in snapshot.encoders.items()
                if (spec := kept_spec(index.folder, each.fingerprint))
            },
            shards=shards_of(index.store),
            partial=snapshot.partial,
            changed_sources=0 if is_published(index.store) or settings.dataset else _changed(index),
            bytes=bytes_kept(index.store),
            verdict=_verdict(index.planner(snapshot).verdict),
            calibration=_calibration(CheckedCalibration.of(index.store, snapshot)),
        )


def _verdict(checked: CheckedVerdict | None) -> VerdictStatus | None:
    if checked is None:
        return None
    record = checked.record
    given = record.configuration.parameters.given()
    return VerdictStatus(record.configuration.name, given, record.reason, record.made, checked.stale)


def _calibration(checked: CheckedCalibration | None) -> CalibrationStatus | None:
    if checked is None:
        return None
    kept = checked.record
    name, threshold = kept.configuration.name, kept.answer_threshold
    return CalibrationStatus(name, kept.provenance, kept.queries, threshold, kept.made, checked.stale)


def verify_index(index: Index) -> None:
    """Read every file and document and compare checksums; raise CorruptIndexError at the first that differs."""
    with index.reading() as snapshot:
        folder_store(index.store)
        assert isinstance(snapshot, FolderSnapshot)
        for segment in snapshot.filed:
            check(segment.folder, snapshot.files[segment.number], thoroughly=True)
            segment.lexical.verify()
        for number in index.store.identifiers():
            index.stored(number).tree.validate()
        for granularity in snapshot.granularities:
            table = snapshot.units(granularity)
            for name, encoder in snapshot.encoders.items():
                if granularity in encoder.granularities:
                    _check_rows(
                        index, name, granularity, table.n_rows, snapshot.vectors(name, granularity).n_rows
                    )


def _check_rows(index: Index, encoder: str, granularity: Granularity, units: int, vectors: int) -> None:
    if units != vectors:
        raise CorruptIndexError(
            f"{index.folder} has {units} {granularity} units but {vectors} vectors of {encoder}:"
            f" {rebuilding(folder_store(index.store).path)}"
        )


def _changed(index: Index) -> int:
    """Count sources that came, went or look different from when they were read."""
    settings = index.settings
    paths = [path for path in located(settings.sources, index.folder) if Path(path).exists()]
    sources, _ = scan(paths, settings.scan_options(), index_folder=index.folder) if paths else ([], [])
    known = index.catalogue.sources()
    given_up = {name for name, _ in index.catalogue.skipped()}
    now = {source.key: (source.size, source.mtime_ns) for source in sources if source.key not in given_up}
    before = {key: (source.size, source.mtime_ns) for key, source in known.items() if key != PIPED}
    return sum(1 for key in now.keys() | before.keys() if now.get(key) != before.get(key))
