"""Building the graphs of neighbours that servers lack: the longest step of a first run, and the servers' own work."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tellapart.errors import TellapartError
from tellapart.index.postgres.database import psycopg
from tellapart.index.postgres.neighbours import has_graph
from tellapart.index.postgres.schema import INDEXED_DIMENSIONS, vectors_table
from tellapart.index.postgres.targets import ServerTarget
from tellapart.progress import Progress

if TYPE_CHECKING:
    from psycopg import Connection

LINKS = 16
"""Neighbours that a vector is linked with on each layer (`m`), twice as many on the lowest: pgvector's own.
docs/benchmarks/postgres_graph.md has what more of them find."""

CONSTRUCTION = 256
"""Candidates for the neighbours of a vector that comes into the graph (`ef_construction`), four times pgvector's own:
building takes longer, and more is found in the same time (docs/benchmarks/postgres_graph.md)."""

VECTOR_BYTES, LINK_BYTES = 232, 32
"""Of a vector in a graph that is being built, beside its halves, and of each of `LINKS`: a little more than pgvector
0.8 takes by its own notices (tests/published/test_building.py)."""

MOST_MEMORY = 8 << 30
"""The most that a server is asked to build with. Whoever runs it may set more; a guess that a server can spare half of
16 GB, not measured."""

CHOSEN_FOR_US = ("database", "user", "database user", "client")
"""Where the memory to build with was set for this role, database or address, it is left as it is."""

GLANCE_SECONDS = 1.0
"""Between two looks at how far the servers are."""

CANCEL_SECONDS = 0.2
"""Between two requests to a server to stop: it ignores one that comes between two statements."""

HOW_FAR = (
    "SELECT blocks_done / blocks_total::float FROM pg_stat_progress_create_index"
    " WHERE relid = %s::regclass AND pid = %s AND blocks_total > 0"
)


@dataclass(slots=True)
class _Build:
    """A graph to be built: of `count` vectors in `table`; `done` of them are in it. `notices` are for the user."""

    target: ServerTarget
    table: str
    dim: int
    count: int
    done: int = 0
    notices: list[str] = field(default_factory=list)


def build_graphs(targets: Sequence[ServerTarget], names: Iterable[str], progress: Progress) -> list[str]:
    """Build the graphs that servers lack, at all servers at once; rows of a table that come later go into its graph.

    Gives what the user should know: that a graph could not be built as fast as the server can.
    """
    builds = [build for target in targets for build in _missing(target, list(names))]
    if not builds:
        return []
    with progress("building the index of neighbours", sum(build.count for build in builds)) as advance:
        told = 0
        with _at_once(builds) as running, _Watch() as watch:
            while wait(running, GLANCE_SECONDS).not_done:
                for build in builds:
                    if build.done < build.count:
                        watch.look(build)
                done = sum(build.done for build in builds)
                advance(done - told)
                told = done
            for future in running:
                future.result()
    return [notice for build in builds for notice in build.notices]


def _missing(target: ServerTarget, names: Sequence[str]) -> list[_Build]:
    builds = []
    for key, dim in target.all("SELECT key, dim FROM vector_sets WHERE name = ANY(%s)", (names,)):
        if dim <= INDEXED_DIMENSIONS and not has_graph(target, key):
            table = vectors_table(key)
            ((count,),) = target.all(f"SELECT count(*) FROM {table}")
            builds.append(_Build(target, table, dim, count))
    return builds


@contextmanager
def _at_once(builds: Sequence[_Build]) -> Iterator[list[Future[None]]]:
    """Let all servers work at the same time, each at one graph after another; who is stopped stops them, too."""
    servers = {build.target.number: build.target for build in builds}
    with ThreadPoolExecutor(len(servers)) as threads:
        running = [
            threads.submit(_build_all, [build for build in builds if build.target is target])
            for target in servers.values()
        ]
        try:
            yield running
        except BaseException:
            while wait(running, CANCEL_SECONDS).not_done:
                for target in servers.values():
                    with suppress(psycopg().Error):
                        target.connection.cancel_safe()
            raise


def _build_all(builds: Sequence[_Build]) -> None:
    for build in builds:
        with _heard(build):
            _build(build)
        build.done = build.count


def _build(build: _Build) -> None:
    """Build a graph with as many processes as the server gives, or by one alone where they cannot share its memory."""
    try:
        _create(build)
    except (psycopg().errors.DiskFull, psycopg().errors.OutOfMemory) as error:
        if not (error.diag.source_file or "").endswith("dsm_impl.c"):
            raise
        build.target.connection.execute("SET max_parallel_maintenance_workers = 0")
        _create(build)
        build.notices.append(
            f"{build.target.database.address}: one core alone built the index of neighbours, as the server's shared"
            f" memory is too small for several: give it more than {_shown(_memory(build))} (docker run --shm-size)"
        )


def _create(build: _Build) -> None:
    connection = build.target.connection
    with connection.transaction():
        connection.execute(
            "SELECT set_config(name, greatest(setting::bigint, %s) || 'kB', true) FROM pg_settings"
            " WHERE name = 'maintenance_work_mem' AND source != ALL(%s)",
            (_memory(build) >> 10, list(CHOSEN_FOR_US)),
        )
        connection.execute(
            f"CREATE INDEX {build.table}_neighbours ON {build.table} USING hnsw (embedding halfvec_ip_ops)"
            f" WITH (m = {LINKS}, ef_construction = {CONSTRUCTION})"
        )
    connection.execute(f"ANALYZE {build.table}")


def _memory(build: _Build) -> int:
    """Bytes that hold the graph while it is built; without them pgvector goes on more slowly, and says so."""
    return min(build.count * (2 * build.dim + LINK_BYTES * LINKS + VECTOR_BYTES), MOST_MEMORY)


def _shown(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"


@contextmanager
def _heard(build: _Build) -> Iterator[None]:
    """Pass on that a graph did not fit: pgvector says so by a notice."""

    def hear(notice: Any) -> None:  # noqa: ANN401
        if "maintenance_work_mem" in (notice.message_primary or ""):
            build.notices.append(
                f"{build.target.database.address}: {notice.message_primary}, which makes building it slow: let the"
                " role have more memory (ALTER ROLE ... SET maintenance_work_mem)"
            )

    build.target.connection.add_notice_handler(hear)
    try:
        yield
    finally:
        build.target.connection.remove_notice_handler(hear)


class _Watch:
    """Looks, by connections of its own, how far servers are with the graphs that they build."""

    def __init__(self) -> None:
        self._connections: dict[int, Connection[Any] | None] = {}

    def __enter__(self) -> _Watch:
        return self

    def __exit__(self, *_: object) -> None:
        for connection in self._connections.values():
            if connection is not None:
                connection.close()

    def look(self, build: _Build) -> None:
        """Note how many vectors are in a graph; not at a server that does not let us look, which is no error."""
        target = build.target
        try:
            if target.number not in self._connections:
                self._connections[target.number] = None
                self._connections[target.number] = target.database.connect(writing=True)
            connection = self._connections[target.number]
            asked = (build.table, target.connection.info.backend_pid)
            found = connection and connection.execute(HOW_FAR, asked).fetchone()
        except (psycopg().Error, TellapartError):
            self._connections[target.number] = found = None
        if found:
            build.done = max(build.done, int(build.count * found[0]))
