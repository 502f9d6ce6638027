"""What `index` and `publish` do with a cluster, and with the dataset that one fills."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from tellapart.cli import options
from tellapart.cli.output import SCHEMA, note, print_json
from tellapart.cli.progress import terminal_progress
from tellapart.errors import TellapartError

if TYPE_CHECKING:
    from tellapart.experiments.running import GridRunner
    from tellapart.index.build import BuildReport
    from tellapart.index.settings import Settings


def fill_dataset(
    paths: Sequence[str],
    cluster: str,
    output: str | None,
    encoders: Sequence[str] | None,
    settings: Settings,
    refused: Mapping[str, object],
    *,
    rebuild: bool,
    json: bool,
) -> None:
    """Read and encode on a cluster, into a dataset.

    Args:
        paths: Files and folders, or URLs.
        cluster: Address of the cluster.
        output: Where the dataset is.
        encoders: Their names; None: those of the run before, at first minilm.
        settings: What counts as a source, and which units are encoded.
        refused: Options by name that mean nothing here, with what was given.
        rebuild: Do everything again.
        json: Print JSON.
    """
    from tellapart.cluster import build_dataset

    if output is None:
        raise TellapartError(
            "--cluster writes a Lance dataset: say where with --output, as in --output my.lance; then make an index of"
            " it with 'tellapart index --from my.lance --index my.idx'"
        )
    given = [name for name, value in refused.items() if value not in (None, False, [])]
    if given:
        raise TellapartError(
            f"{given[0]} belongs to the index: give it with 'tellapart index --from {output} --index DIR'"
        )
    started = time.perf_counter()
    report = build_dataset(
        paths,
        output,
        cluster=cluster,
        encoders=encoders,
        options=settings.scan_options(),
        granularities=settings.granularities,
        encoded=settings.encoded,
        rebuild=rebuild,
        progress=terminal_progress(),
    )
    seconds = time.perf_counter() - started
    if json:
        print_json({"schema": SCHEMA, **asdict(report), "seconds": round(seconds, 3)})
        return
    note(
        f"{report.place}: {report.documents:,} documents; {report.added:,} new or changed ({report.units:,} units),"
        f" {report.removed:,} removed, {report.unchanged:,} files unchanged, {report.skipped:,} skipped"
        f" ({seconds:.1f} s)"
    )
    note(f"make an index of it with 'tellapart index --from {output} --index DIR'")


def dataset_address(dataset: str, refused: Mapping[str, object]) -> str:
    """Give where the dataset is that --from names; `refused` are options that were decided when it was filled."""
    from tellapart.cluster import address_of

    if given := [name for name, value in refused.items() if value is not None]:
        raise TellapartError(
            f"{given[0]} was decided when {dataset} was made: give it to 'tellapart index --cluster'"
        )
    return address_of(dataset)


def index_of_dataset(dataset: str, folder: Path, settings: Settings, *, rebuild: bool) -> BuildReport:
    """Bring the index in a folder to what a dataset holds."""
    from tellapart.cluster import assemble

    return assemble(dataset, folder, settings=settings, progress=terminal_progress(), fresh=rebuild)


@contextmanager
def folder_to_publish(index: str | None, path: Path | None) -> Iterator[Path]:
    """Find the index of a path, or make one of a dataset, which is deleted in the end."""
    from tellapart.cluster import assemble, is_dataset

    if index is None or not is_dataset(index):
        yield options.whole_index(None if index is None else Path(index), path)
        return
    with tempfile.TemporaryDirectory(prefix="tellapart-") as made:
        folder = Path(made) / "assembled.idx"
        assemble(index, folder, progress=terminal_progress())
        yield folder


@contextmanager
def grid_runner(cluster: str | None) -> Iterator[GridRunner]:
    """Give what computes the grid of `evaluate`: this process, or a cluster."""
    if cluster is None:
        from tellapart.experiments.running import HERE

        yield HERE
        return
    from tellapart.cluster import Cluster, GridOnCluster

    with Cluster.connect(cluster) as ray:
        yield GridOnCluster(ray)
