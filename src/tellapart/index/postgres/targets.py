"""The servers that an index is published to, while it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tellapart.errors import LockedIndexError, TellapartError
from tellapart.index.postgres.address import Address
from tellapart.index.postgres.database import Database, Row, spoken
from tellapart.index.postgres.schema import FIRST, belonging, ensure_first, ensure_shard, ensure_tables

if TYPE_CHECKING:
    from psycopg import Connection


@dataclass(frozen=True, slots=True)
class ServerTarget:
    """A server to publish to.

    `known` are the documents that it had, by content, `key_of` all that it shall have, by number, ascending.
    """

    number: int
    database: Database
    connection: Connection[Row]
    known: dict[bytes, int] = field(default_factory=dict)
    key_of: dict[int, int] = field(default_factory=dict)

    def all(self, query: str, values: Sequence[object] = ()) -> list[Row]:
        """Ask for rows."""
        return self.connection.execute(query, values, binary=True).fetchall()

    def keys_of(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """Give the keys here of documents by number, 0 for those that this server shall not have."""
        return looked_up(self.key_of, numbers, 0)


def looked_up(values: Mapping[int, int], wanted: NDArray[np.int64], absent: int) -> NDArray[np.int64]:
    """Look many numbers up in a mapping whose keys ascend."""
    known = np.fromiter(values, np.int64, len(values))
    found = np.full(len(wanted), absent, np.int64)
    if len(known):
        places = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
        there = known[places] == wanted
        found[there] = np.fromiter(values.values(), np.int64, len(values))[places[there]]
    return found


def open_targets(
    stack: ExitStack, address: Address, shards: Sequence[Address] | None
) -> tuple[list[ServerTarget], tuple[str, ...]]:
    """Connect to all servers of an index, as its only publisher; those of the run before without `shards`.

    Gives the servers, the first one first, and the addresses of those that are shards no more.

    Raises:
        TellapartError: A server does not answer, holds something else, or is named twice.
        LockedIndexError: Another process is publishing there.
    """
    first = _connected(stack, address)
    _prepare(stack, first, address)
    index = ensure_first(first, Database(address))
    targets = [ServerTarget(FIRST, Database(address), first)]
    before: dict[int, str] = dict(
        first.execute("SELECT number, address FROM shards ORDER BY number").fetchall()
    )
    for shard in [address.shard(kept) for kept in before.values()] if shards is None else shards:
        connection = _connected(stack, shard)
        if belonging(connection, Database(shard)) in [(index, target.number) for target in targets]:
            raise TellapartError(f"{shard} is named twice: give each server, and schema, once")
        _prepare(stack, connection, shard)
        number = ensure_shard(connection, Database(shard), index, lambda: _new_number(first))
        targets.append(ServerTarget(number, Database(shard), connection))
    numbers = {target.number for target in targets}
    in_use = {address.kept_shard(target.database.address) for target in targets[1:]}
    left = [kept for number, kept in before.items() if number not in numbers and kept not in in_use]
    return targets, tuple(left)


def _connected(stack: ExitStack, address: Address) -> Connection[Row]:
    """Connect to a server that accepts changes."""
    connection = stack.enter_context(Database(address).connect(writing=True))
    stack.enter_context(spoken(address))
    return connection


def _prepare(stack: ExitStack, connection: Connection[Row], address: Address) -> None:
    """Become the only publisher at a server, and see that it has the tables."""
    stack.enter_context(_only_publisher(connection, address))
    ensure_tables(connection, address.schema, Database(address))


def _new_number(first: Connection[Row]) -> int:
    row = first.execute("SELECT nextval('shard_numbers')").fetchone()
    assert row is not None
    return int(row[0])


@contextmanager
def _only_publisher(connection: Connection[Row], address: Address) -> Iterator[None]:
    """Hold the right to publish into a schema; the server gives it back when this process dies."""
    key = int.from_bytes(
        blake2b(f"tellapart {address.schema}".encode(), digest_size=8).digest(), "big", signed=True
    )
    row = connection.execute("SELECT pg_try_advisory_lock(%s)", (key,)).fetchone()
    if row is None or not row[0]:
        raise LockedIndexError(f"another process is publishing to {address}: run this again when it is done")
    try:
        yield
    finally:
        if not connection.closed and not connection.broken:
            connection.execute("SELECT pg_advisory_unlock(%s)", (key,))
