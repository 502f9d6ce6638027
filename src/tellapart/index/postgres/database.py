"""Connections to a database: one transaction a search, and errors in a user's words."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING, Any

from tellapart.errors import LockedIndexError, TellapartError, require
from tellapart.index.postgres.address import Address

if TYPE_CHECKING:
    from psycopg import Connection
    from psycopg_pool import ConnectionPool

Row = tuple[Any, ...]

CONNECT_SECONDS = 10
"""How long a server may take to answer a connection."""

MOST_CONNECTIONS = 8
"""Connections that one process keeps, a bound: a search holds one while it runs."""

EF_SEARCH = 200
"""Candidates of one step in the graph of neighbours. On 100,000 passages with 256-d vectors of lsa recall@10 is .88
with 40, pgvector's own, .972 with 100, .986 with 200, .987 with 400 (measured once)."""

SETTINGS = {
    "jit": "off",  # compiling costs more than any statement here takes
    "hnsw.iterative_scan": "strict_order",  # a filter, and what is not of this generation, leave enough
    "hnsw.ef_search": str(EF_SEARCH),
    "hnsw.max_scan_tuples": "200000",
    "client_connection_check_interval": "2s",  # a killed client's statement ends, and with it its lock
}
"""Of every session. The scan may look at 200,000 rows, ten times the server's own limit, before it gives up finding
what a filter keeps. Not measured at half or twice."""


def psycopg() -> ModuleType:
    """Import the driver, or say which extra brings it."""
    return require("psycopg", extra="postgres")


class Database:
    """A database; statements inside `reading` see one moment, and none of them can change anything."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self._pool: ConnectionPool[Connection[Row]] | None = None
        self._current = threading.local()

    @contextmanager
    def reading(self) -> Iterator[Connection[Row]]:
        """Hold a connection that sees one moment; inside another `reading` of the thread, the same."""
        held: Connection[Row] | None = getattr(self._current, "connection", None)
        if held is not None:
            yield held
            return
        with spoken(self.address), self._opened().connection() as connection, connection.transaction():
            self._current.connection = connection
            try:
                yield connection
            finally:
                self._current.connection = None

    def rows(self, statement: str, values: Sequence[object] = ()) -> list[Row]:
        """Ask for rows, in the binary form of the protocol."""
        with self.reading() as connection, spoken(self.address):
            return connection.execute(statement, values, binary=True).fetchall()

    def row(self, statement: str, values: Sequence[object] = ()) -> Row | None:
        """Ask for one row."""
        found = self.rows(statement, values)
        return found[0] if found else None

    def connect(self) -> Connection[Row]:
        """Open a connection of one's own, that commits every statement by itself.

        Raises:
            TellapartError: There is no server, it does not let us in, or it has no such database.
        """
        with spoken(self.address):
            connection: Connection[Row] = psycopg().connect(
                self.address.url, connect_timeout=CONNECT_SECONDS, autocommit=True
            )
            prepare_session(connection, self.address.schema)
            return connection

    def close(self) -> None:
        """Let go of all connections."""
        if self._pool is not None:
            self._pool.close()
            self._pool = None

    def _opened(self) -> ConnectionPool[Connection[Row]]:
        if self._pool is None:
            pools = require("psycopg_pool", extra="postgres")
            self.connect().close()  # says what is wrong; a pool only says that it waited
            self._pool = pools.ConnectionPool(
                self.address.url,
                min_size=1,
                max_size=MOST_CONNECTIONS,
                timeout=CONNECT_SECONDS,
                kwargs={"connect_timeout": CONNECT_SECONDS},
                configure=self._configure,
                check=pools.ConnectionPool.check_connection,  # a server that was restarted meanwhile
                open=True,
            )
        return self._pool

    def _configure(self, connection: Connection[Row]) -> None:
        connection.autocommit = True
        prepare_session(connection, self.address.schema)
        connection.autocommit = False
        connection.isolation_level = psycopg().IsolationLevel.REPEATABLE_READ
        connection.read_only = True


def prepare_session(connection: Connection[Row], schema: str) -> None:
    """Set what every session needs; tables are looked for in the schema, then where pgvector is."""
    found = connection.execute(
        "SELECT nspname FROM pg_extension JOIN pg_namespace n ON n.oid = extnamespace WHERE extname = 'vector'"
    ).fetchone()
    path = ", ".join(quoted(name) for name in dict.fromkeys([schema, found[0] if found else "public"]))
    settings = {"search_path": path, **SETTINGS}
    connection.execute(
        "SELECT set_config(name, value, false) FROM unnest(%s::text[], %s::text[]) AS s(name, value)",
        (list(settings), list(settings.values())),
    )


def quoted(name: str) -> str:
    """Quote a name for SQL."""
    return '"' + name.replace('"', '""') + '"'


@contextmanager
def spoken(address: Address) -> Iterator[None]:
    """Turn the driver's errors into one line for the user."""
    driver = psycopg()
    try:
        yield
    except driver.Error as error:
        raise _said(error, address) from error


def _said(error: Exception, address: Address) -> TellapartError:
    driver = psycopg()
    first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    what = first.rpartition("FATAL: ")[2].strip().rstrip(".")
    if isinstance(error, driver.errors.LockNotAvailable):
        return LockedIndexError(f"{address} is being published by another process: run this again later")
    advice = "mend that and run the command again"
    if isinstance(error, driver.errors.InsufficientPrivilege):
        advice = "grant the role what it lacks (docs/scale.md)"
    elif isinstance(error, driver.errors.DiskFull):
        advice = "free some space on the server and run the command again"
    elif isinstance(error, driver.OperationalError) and getattr(error, "sqlstate", None) is None:
        lost = "connection failed" not in str(error) and "timeout" not in str(error)
        advice = (
            "run the command again" if lost else "check the address, the password and that the server runs"
        )
        what = f"the connection was lost ({what})" if lost else f"cannot connect ({what})"
    elif isinstance(error, driver.errors.AdminShutdown | driver.errors.CrashShutdown):
        what, advice = f"the connection was lost ({what})", "run the command again"
    return TellapartError(f"{address}: {what}; {advice}")
