"""Documents and state of a published index."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from tellapart.corpus.document import Kind
from tellapart.errors import CorruptIndexError, TellapartError
from tellapart.index.postgres.database import Database, Row, quoted
from tellapart.index.postgres.recording import keep_at
from tellapart.index.postgres.schema import SOURCE, check_published, plain
from tellapart.index.postgres.servers import LOOK, Servers
from tellapart.index.postgres.where import PostgresDialect
from tellapart.index.store import StoredDocument, document_of
from tellapart.index.where import condition_sql

FEW = 16
"""Rows looked at first where one of a live document is wanted; a publisher at work may have put others beside."""


class PublishedStore:
    """Answers what a `Store` does, from the tables of one or more servers."""

    def __init__(self, servers: Servers) -> None:
        self.servers = servers

    @classmethod
    def open(cls, database: Database) -> PublishedStore:
        """Open what is published in a database, and the shards that it names.

        Raises:
            TellapartError: There is no server, it does not let us in, or nothing is published there.
        """
        servers = Servers(database)
        try:
            with database.reading() as connection:
                check_published(connection, database.address.schema, database)
            database.look = LOOK
            with servers.reading():
                return cls(servers)
        except BaseException:
            servers.close()
            raise

    @property
    def place(self) -> str:
        """Address of the index, without a password."""
        return str(self.servers.first.address)

    @property
    def identity(self) -> str:
        """Tells what is published now from what will be later."""
        return f"{self.place} {self.servers.index} {self.publication}"

    def size(self) -> int:
        """Bytes of the tables and their indexes at all servers."""
        statement = (
            "SELECT COALESCE(sum(pg_total_relation_size(oid)), 0)::bigint FROM pg_class"
            " WHERE relkind = 'r' AND relnamespace = %s::regnamespace"
        )

        def ask(number: int, database: Database) -> int:
            return int(database.rows(statement, (quoted(database.address.schema),))[0][0])

        return sum(self.servers.gather(ask).values())

    def close(self) -> None:
        """Let go of the connections."""
        self.servers.close()

    @contextmanager
    def reading(self) -> Iterator[None]:
        """See one generation throughout, whatever a publisher commits meanwhile."""
        with self.servers.reading():
            yield

    @property
    def generation(self) -> int:
        """Generation of the folder that was published."""
        return int(self.meta("generation") or 0)

    @property
    def publication(self) -> int:
        """Counts what was published here, as far as was seen."""
        return self.servers.publication

    @property
    def records_version(self) -> str:
        """Tells the records that were seen from others."""
        return f"{self.identity} {self.servers.recorded}"

    def meta(self, key: str) -> str | None:
        """Read one setting of the publication that was seen last."""
        return self.servers.meta.get(key)

    def record(self, name: str) -> str | None:
        """Read a record (verdict, calibrators) as JSON text."""
        row = self.servers.first.row("SELECT value FROM records WHERE name = %s", (plain(name),))
        return None if row is None else str(row[0])

    def records(self, prefix: str) -> dict[str, str]:
        """Read the records whose names begin so, in the order of their names."""
        query = 'SELECT name, value FROM records WHERE starts_with(name, %s) ORDER BY name COLLATE "C"'
        return dict(self.servers.first.rows(query, (plain(prefix),)))

    def keep_records(self, records: Mapping[str, str]) -> None:
        """Keep records, replacing those of the same names; they stay until the folder has newer ones.

        Raises:
            TellapartError: The server, or the role, does not let us.
        """
        keep_at(self.servers.first, records)

    def documents(self, numbers: Sequence[int]) -> dict[int, StoredDocument]:
        """Fetch documents by number, each checked against its digest."""
        wanted = list(dict.fromkeys(numbers))
        with self.reading():
            keys = self.servers.placement.keys_of(wanted)
            rows = self._live("record, text, digest", "key = ANY(%s)", {n: [own] for n, own in keys.items()})
        found = {row[0]: self._document(row) for row in rows}
        if missing := [number for number in wanted if number not in found]:
            if self.servers.partial:
                raise TellapartError(self.servers.partial)
            raise CorruptIndexError(f"document {missing[0]} is missing from {self.place}: publish again")
        return {number: found[number] for number in wanted}

    def sources_of(self, numbers: Sequence[int]) -> dict[int, str]:
        """Say from which source each of some documents was read."""
        with self.reading():
            keys = self.servers.placement.keys_of(numbers)
            return dict(self._live("source", "key = ANY(%s)", {n: [own] for n, own in keys.items()}))

    def document(self, identifier: str) -> StoredDocument | None:
        """Fetch one document by its id."""
        rows = self._live("record, text, digest", "id = %s", [plain(identifier)])
        found = (self._document(row) for row in rows)
        return next((each for each in found if each.document.id == identifier), None)

    def _document(self, row: Row) -> StoredDocument:
        number, record, text, digest = row
        identifier, kind, language, title, path, metadata, places, tree, checksum = json.loads(record)
        fields = (
            identifier,
            kind,
            language,
            title,
            path,
            metadata,
            places,
            text.decode(),
            digest,
            tree,
            checksum,
        )
        return document_of((number, *fields), f"{self.place}: publish again")

    def number_of(self, identifier: str) -> int | None:
        """Give the number of a document; two whose ids differ in what the server cannot hold are told apart."""
        rows = self._live("id", "id = %s", [plain(identifier)])
        if len(rows) == 1 and plain(identifier) == identifier:
            return int(rows[0][0])
        found = self.document(identifier)
        return None if found is None else found.number

    def count(self) -> int:
        """Count the documents."""
        self.servers.follow()
        return len(self.servers.placement.numbers)

    def newest(self) -> int:
        """Give the highest number that a document has, 0 without documents."""
        self.servers.follow()
        return int(self.servers.placement.numbers.max(initial=0))

    def count_up_to(self, number: int) -> int:
        """Count the documents whose numbers are no higher."""
        self.servers.follow()
        return int((self.servers.placement.numbers <= number).sum())

    def digests_by_id(self) -> Iterator[tuple[str, bytes]]:
        """Give id and digest of every document, in the order of the ids."""
        return iter(sorted(row[1:] for row in self._live("id, digest")))

    def texts(self) -> Iterator[tuple[int, str, str, str]]:
        """Give number, path, title and text of every document but images, in the order of their numbers."""
        for number, kind, path, title, text in sorted(self._live("kind, path, title, text"), key=_number):
            if kind != Kind.IMAGE:
                yield number, path or "", title, text.decode()

    def lengths(self) -> dict[int, int]:
        """Map every document's number to the characters of its text."""
        return dict(sorted(self._live("length")))

    def kinds(self) -> dict[int, Kind]:
        """Map every document's number to its kind."""
        return {number: Kind(kind) for number, kind in sorted(self._live("kind"))}

    def kinds_of(self, numbers: Sequence[int]) -> set[Kind]:
        """Say of what kinds some documents are."""
        with self.reading():
            keys = self.servers.placement.keys_of(numbers)

            def ask(number: int, database: Database) -> list[Row]:
                return database.rows(
                    "SELECT DISTINCT kind FROM documents WHERE key = ANY(%s)", (keys[number],)
                )

            return {Kind(row[0]) for rows in self.servers.gather(ask, keys).values() for row in rows}

    def identifiers(self) -> dict[int, str]:
        """Map every document's number to its id."""
        return dict(sorted(self._live("id")))

    def origins(self) -> dict[int, tuple[str, str | None]]:
        """Map every document's number to its path (its id where it has none) and its language."""
        rows = sorted(self._live("COALESCE(path, id), language"), key=_number)
        return {number: (path, language) for number, path, language in rows}

    def matching(self, conditions: Sequence[str]) -> list[int]:
        """Give the numbers of the documents that meet every condition."""
        with self.reading():
            sql, values = condition_sql(conditions, PostgresDialect(self._any_has))
            return sorted(row[0] for row in self._live("NULL", sql, values))

    def ids_ending(self, path: str) -> list[str]:
        """Give the ids that end with a path, below any folder, in order."""
        ending = f"/{plain(path)}"
        return sorted(row[1] for row in self._live("id", "right(id, %s) = %s", [len(ending), ending]))

    def numbers_below(self, beginning: str) -> list[int]:
        """Give the numbers of the documents whose ids begin so, in the order of the ids."""
        rows = self._live("id", "starts_with(id, %s)", [plain(beginning)])
        return [number for number, _ in sorted(rows, key=lambda row: str(row[1]))]

    def record_at(self, sources: Sequence[str], line: int) -> str | None:
        """Give the id of the record of a file that begins at a line, or last before it."""
        asked = f"{SOURCE} = left(%s, 500) AND source = %s AND line <= %s ORDER BY {SOURCE} DESC, line DESC"
        rows = [
            row
            for source in map(plain, sources)
            for row in self._first_live("line, id", asked, [source, source, min(line, 2**31 - 1)])
        ]
        return max(rows, key=lambda row: int(row[1]))[2] if rows else None

    def _any_has(self, condition: str, values: Sequence[Any]) -> bool:
        """Whether any document meets a condition; true where a lost shard may have one."""
        return bool(self._first_live("NULL", condition, values)) or self.servers.partial is not None

    def _first_live(self, columns: str, rest: str, values: Sequence[Any]) -> list[Row]:
        """Give the first row of each server that is of a live document, with its number first."""

        def ask(number: int, database: Database) -> Row | None:
            limit = FEW
            while True:
                statement = f"SELECT key, {columns} FROM documents WHERE {rest} LIMIT {limit}"
                rows = database.rows(statement, values)
                live = self._numbered(number, rows)
                if live or len(rows) < limit:
                    return live[0] if live else None
                limit *= FEW

        return [row for row in self.servers.gather(ask).values() if row is not None]

    def _live(
        self, columns: str, condition: str = "", values: Sequence[Any] | Mapping[int, Sequence[Any]] = ()
    ) -> list[Row]:
        """Give the rows of live documents that meet a condition, with their numbers first, in no order.

        `values` are those of the condition: the same at every server, or its own for each that shall be asked.
        """
        statement = f"SELECT key, {columns} FROM documents{condition and f' WHERE {condition}'}"

        def ask(number: int, database: Database) -> list[Row]:
            own = values[number] if isinstance(values, Mapping) else values
            return self._numbered(number, database.rows(statement, own))

        asked = values if isinstance(values, Mapping) else None
        return [row for rows in self.servers.gather(ask, asked).values() for row in rows]

    def _numbered(self, server: int, rows: Sequence[Row]) -> list[Row]:
        """Put numbers in the place of keys; rows of documents that are not live are left out."""
        numbers = self.servers.placement.numbers_of(server, [row[0] for row in rows])
        return [(number, *row[1:]) for number, row in zip(numbers, rows, strict=True) if number is not None]


def _number(row: Row) -> int:
    return int(row[0])
