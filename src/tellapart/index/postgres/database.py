"""Connections to a database: one transaction a search, and errors in a user's words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING, Any

from tellapart.errors import TellapartError, require
from tellapart.index.postgres.address import Address, concealed
from tellapart.index.postgres.halfvec import let_halves_through

if TYPE_CHECKING:
    from psycopg import Connection

Row = tuple[Any, ...]

CONNECT_SECONDS = 10
"""How long a server may take to answer a connection."""

SETTINGS = {
    "jit": "off",  # compiling costs more than any statement here takes
    "hnsw.iterative_scan": "relaxed_order",  # a filter, and what is not of this generation, leave enough
    "hnsw.max_scan_tuples": "200000",
    "client_connection_check_interval": "2s",  # a killed client's statement ends, and with it its lock
}
"""Of every session. The order may be relaxed since exact scores order again, and a strict one drops what the graph
meets late (docs/benchmarks/postgres_filters.md). The scan may look at 200,000 rows, ten times the server's own limit,
before it gives up finding what a filter keeps. Not measured at half or twice."""

BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"
"""Of every search: all of its statements see one moment."""


def psycopg() -> ModuleType:
    """Import the driver, or say which extra brings it."""
    return require("psycopg", extra="postgres")


class LostConnectionError(TellapartError):
    """A server does not answer, or not any more."""


class Database:
    """A database, used by one thread at a time; nothing inside `reading` changes it, and all there see one moment."""

    def __init__(self, address: Address) -> None:
        """Connect when asked.

        `look` is a statement that every moment begins with, in the same round trip; `seen` is its answer.
        """
        self.address = address
        self.look = ""
        self.seen: list[Row] = []
        self._connection: Connection[Row] | None = None
        self._reading = False

    @contextmanager
    def reading(self) -> Iterator[Connection[Row]]:
        """Hold a connection that sees one moment; inside another `reading`, the same moment."""
        if self._reading:
            yield self._opened()
            return
        with spoken(self.address):
            connection = self._begun()
            self._reading = True
            try:
                yield connection
            finally:
                self._reading = False
                _end(connection)

    def rows(self, statement: str, values: Sequence[object] = ()) -> list[Row]:
        """Ask for rows, in the binary form of the protocol."""
        with self.reading() as connection, spoken(self.address):
            return connection.execute(statement, values, binary=True).fetchall()

    def row(self, statement: str, values: Sequence[object] = ()) -> Row | None:
        """Ask for one row."""
        found = self.rows(statement, values)
        return found[0] if found else None

    def connect(self, *, writing: bool = False) -> Connection[Row]:
        """Open a connection of one's own, that commits every statement by itself.

        With `writing` it is to the one of several hosts that accepts changes.

        Raises:
            TellapartError: There is no server, it does not let us in, or it has no such database.
        """
        driver = psycopg()
        options: dict[str, Any] = {"target_session_attrs": "read-write"} if writing else {}
        try:
            connection = named_connection(self.address).connect(
                self.address.url, connect_timeout=CONNECT_SECONDS, autocommit=True, **options
            )
        except driver.Error as error:
            raise LostConnectionError(
                f"{self.address}: cannot connect ({_first_line(error)});"
                " check the address, the password and that the server runs"
            ) from None  # libpq's own words may quote the address
        try:
            with spoken(self.address):
                prepare_session(connection, self.address.schema)
        except BaseException:
            connection.close()
            raise
        return connection

    def close(self) -> None:
        """Let go of the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _begun(self) -> Connection[Row]:
        """Open a transaction; on a new connection where the one at hand was lost while nobody used it."""
        used = self._connection
        connection = self._opened()
        try:
            self._begin(connection)
        except psycopg().OperationalError:
            if connection is not used or not connection.closed:
                raise
            connection = self._opened()
            self._begin(connection)
        return connection

    def _begin(self, connection: Connection[Row]) -> None:
        try:
            _settle(connection)
            cursor = connection.execute(f"{BEGIN}; {self.look}", prepare=False)
            if self.look:
                cursor.nextset()
                self.seen = cursor.fetchall()
        except BaseException:
            _end(connection)
            raise

    def _opened(self) -> Connection[Row]:
        """Give the connection; a new one in place of one that was lost, but never within one moment."""
        if self._connection is None or (self._connection.closed and not self._reading):
            self._connection = self.connect()
        return self._connection


def _end(connection: Connection[Row]) -> None:
    """End a transaction that only read, without waiting for the answer: what it read is as good if that fails."""
    try:
        connection.pgconn.send_query(b"COMMIT")
        connection.pgconn.flush()
    except psycopg().Error:
        connection.close()


def _settle(connection: Connection[Row]) -> None:
    """Take in the answer to the last COMMIT, which has come long since."""
    if (
        not connection.closed
        and connection.pgconn.transaction_status == psycopg().pq.TransactionStatus.ACTIVE
    ):
        connection.wait(psycopg().generators.fetch_many(connection.pgconn))


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
    let_halves_through(connection)


def named_connection(address: Address) -> type[Connection[Row]]:
    """Give the driver's connections, whose errors name the server in a note: who has several open cannot tell."""
    from psycopg import Connection, Error  # an extra

    class NamedConnection(Connection[Row]):
        def wait(self, *given: Any, **options: Any) -> Any:  # noqa: ANN401
            try:
                return super().wait(*given, **options)
            except Error as error:
                error.add_note(str(address))
                raise

    return NamedConnection


def quoted(name: str) -> str:
    """Quote a name for SQL."""
    return '"' + name.replace('"', '""') + '"'


@contextmanager
def spoken(address: Address) -> Iterator[None]:
    """Turn the driver's errors into one line for the user; they are of `address` where they do not name another."""
    driver = psycopg()
    try:
        yield
    except driver.Error as error:
        raise _said(error, getattr(error, "__notes__", [str(address)])[0]) from error


def _said(error: Exception, address: str) -> TellapartError:
    driver = psycopg()
    what, advice = _first_line(error), "mend that and run the command again"
    if isinstance(error, driver.errors.InsufficientPrivilege):
        advice = "grant the role what it lacks (docs/scale.md)"
    elif isinstance(error, driver.errors.DiskFull):
        advice = "free some space on the server and run the command again"
    elif isinstance(error, driver.errors.AdminShutdown | driver.errors.CrashShutdown) or (
        isinstance(error, driver.OperationalError) and error.sqlstate is None
    ):
        return LostConnectionError(f"{address}: the connection was lost ({what}); run the command again")
    return TellapartError(f"{address}: {what}; {advice}")


def _first_line(error: Exception) -> str:
    """Say in one line what the driver says, without a password."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return concealed(lines[0].rpartition("FATAL: ")[2].strip().rstrip("."))
