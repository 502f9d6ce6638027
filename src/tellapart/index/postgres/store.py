"""Documents and state of a published index."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from tellapart.corpus.document import Kind
from tellapart.errors import CorruptIndexError
from tellapart.index.postgres.database import Database, Row, quoted
from tellapart.index.postgres.schema import check_published, plain
from tellapart.index.postgres.where import PostgresDialect
from tellapart.index.store import StoredDocument, document_of
from tellapart.index.where import condition_sql

LIVE = "number IS NOT NULL"


class PublishedStore:
    """Answers what a `Store` does, from the tables of a database."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._meta: dict[str, str] = {}

    @classmethod
    def open(cls, database: Database) -> PublishedStore:
        """Open what is published in a database.

        Raises:
            TellapartError: There is no server, it does not let us in, or nothing is published there.
        """
        try:
            with database.reading() as connection:
                check_published(connection, database.address.schema, database)
        except BaseException:
            database.close()
            raise
        return cls(database)

    @property
    def place(self) -> str:
        """Address of the index, without a password."""
        return str(self.database.address)

    @property
    def identity(self) -> str:
        """Tells what is published now from what will be later."""
        return f"{self.place} {self.publication}"

    def size(self) -> int:
        """Bytes of the tables and their indexes at the server."""
        return self._number(
            "SELECT COALESCE(sum(pg_total_relation_size(oid)), 0)::bigint FROM pg_class"
            " WHERE relkind = 'r' AND relnamespace = %s::regnamespace",
            (quoted(self.database.address.schema),),
        )

    def close(self) -> None:
        """Let go of the connection."""
        self.database.close()

    @contextmanager
    def reading(self) -> Iterator[None]:
        """See one generation throughout, whatever a publisher commits meanwhile."""
        with self.database.reading():
            yield

    @property
    def generation(self) -> int:
        """Generation of the folder that was published."""
        return int(self.meta("generation") or 0)

    @property
    def publication(self) -> int:
        """Counts what was published here, as far as `follow` has seen."""
        return int(self.meta("published") or 0)

    def follow(self) -> int:
        """Look whether something was published since, and read all settings if so; says which publication it is."""
        row = self.database.row("SELECT value FROM meta WHERE key = 'published'")
        if row is None or row[0] != self._meta.get("published"):
            self._meta = dict(self.database.rows("SELECT key, value FROM meta"))
        return self.publication

    def meta(self, key: str) -> str | None:
        """Read one setting of the publication that was followed last."""
        if not self._meta:
            self.follow()
        return self._meta.get(key)

    def record(self, name: str) -> str | None:
        """Read a record (verdict, calibrators) as JSON text."""
        row = self.database.row("SELECT value FROM records WHERE name = %s", (plain(name),))
        return None if row is None else str(row[0])

    def records(self, prefix: str) -> dict[str, str]:
        """Read the records whose names begin so, in the order of their names."""
        query = 'SELECT name, value FROM records WHERE starts_with(name, %s) ORDER BY name COLLATE "C"'
        return dict(self.database.rows(query, (plain(prefix),)))

    def documents(self, numbers: Sequence[int]) -> dict[int, StoredDocument]:
        """Fetch documents by number, each checked against its digest."""
        wanted = list(dict.fromkeys(numbers))
        if not wanted:
            return {}
        rows = self.database.rows(
            "SELECT number, record, text, digest FROM documents WHERE number = ANY(%s)", (wanted,)
        )
        found = {row[0]: self._document(row) for row in rows}
        if missing := [number for number in wanted if number not in found]:
            raise CorruptIndexError(f"document {missing[0]} is missing from {self.place}: publish again")
        return {number: found[number] for number in wanted}

    def document(self, identifier: str) -> StoredDocument | None:
        """Fetch one document by its id."""
        rows = self.database.rows(
            f"SELECT number, record, text, digest FROM documents WHERE id = %s AND {LIVE}",
            (plain(identifier),),
        )
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
        rows = self.database.rows(
            f"SELECT number FROM documents WHERE id = %s AND {LIVE}", (plain(identifier),)
        )
        if len(rows) == 1 and plain(identifier) == identifier:
            return int(rows[0][0])
        found = self.document(identifier)
        return None if found is None else found.number

    def count(self) -> int:
        """Count the documents."""
        return self._number(f"SELECT count(*) FROM documents WHERE {LIVE}")

    def newest(self) -> int:
        """Give the highest number that a document has, 0 without documents."""
        return self._number("SELECT COALESCE(max(number), 0) FROM documents")

    def count_up_to(self, number: int) -> int:
        """Count the documents whose numbers are no higher."""
        return self._number("SELECT count(*) FROM documents WHERE number <= %s", (number,))

    def _number(self, query: str, values: Sequence[object] = ()) -> int:
        row = self.database.row(query, values)
        assert row is not None
        return int(row[0])

    def digests_by_id(self) -> Iterator[tuple[str, bytes]]:
        """Give id and digest of every document, in the order of the ids."""
        return ((row[0], row[1]) for row in self._all("id, digest", "id"))

    def texts(self) -> Iterator[tuple[int, str, str, str]]:
        """Give number, path, title and text of every document but images, in the order of their numbers."""
        for number, kind, path, title, text in self._all("number, kind, path, title, text", "number"):
            if kind != Kind.IMAGE:
                yield number, path or "", title, text.decode()

    def lengths(self) -> dict[int, int]:
        """Map every document's number to the characters of its text."""
        return dict(self._all("number, length", "number"))

    def kinds(self) -> dict[int, Kind]:
        """Map every document's number to its kind."""
        return {number: Kind(kind) for number, kind in self._all("number, kind", "number")}

    def kinds_of(self, numbers: Sequence[int]) -> set[Kind]:
        """Say of what kinds some documents are."""
        query = "SELECT DISTINCT kind FROM documents WHERE number = ANY(%s)"
        return {Kind(row[0]) for row in self.database.rows(query, (list(numbers),))}

    def identifiers(self) -> dict[int, str]:
        """Map every document's number to its id."""
        return dict(self._all("number, id", "number"))

    def origins(self) -> dict[int, tuple[str, str | None]]:
        """Map every document's number to its path (its id where it has none) and its language."""
        rows = self._all("number, COALESCE(path, id), language", "number")
        return {number: (path, language) for number, path, language in rows}

    def _all(self, columns: str, order: str) -> list[Row]:
        query = f"SELECT {columns} FROM documents WHERE {LIVE} ORDER BY {order}"
        return self.database.rows(query)

    def matching(self, conditions: Sequence[str]) -> list[int]:
        """Give the numbers of the documents that meet every condition."""
        sql, values = condition_sql(conditions, PostgresDialect(self.database))
        return self._numbers(f"{sql} ORDER BY number", values)

    def ids_ending(self, path: str) -> list[str]:
        """Give the ids that end with a path, below any folder, in order."""
        query = f"SELECT id FROM documents WHERE right(id, %s) = %s AND {LIVE} ORDER BY id"
        ending = f"/{plain(path)}"
        return [row[0] for row in self.database.rows(query, (len(ending), ending))]

    def numbers_below(self, beginning: str) -> list[int]:
        """Give the numbers of the documents whose ids begin so, in the order of the ids."""
        return self._numbers("starts_with(id, %s) ORDER BY id", [plain(beginning)])

    def _numbers(self, condition: str, values: Sequence[Any]) -> list[int]:
        query = f"SELECT number FROM documents WHERE {LIVE} AND {condition}"
        return [row[0] for row in self.database.rows(query, values)]

    def record_at(self, sources: Sequence[str], line: int) -> str | None:
        """Give the id of the record of a file that begins at a line, or last before it."""
        query = (
            f"SELECT id FROM documents WHERE source = ANY(%s) AND line <= %s AND {LIVE}"
            " ORDER BY line DESC LIMIT 1"
        )
        row = self.database.row(query, ([plain(source) for source in sources], min(line, 2**31 - 1)))
        return None if row is None else str(row[0])
