"""What can be asked of the documents in the SQLite file of an index without fetching them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence

from tellapart.corpus.document import Kind
from tellapart.index.where import SqliteDialect, condition_sql


class DocumentQueries:
    """Answers from the tables of documents, records and settings, over an open connection."""

    connection: sqlite3.Connection

    def record(self, name: str) -> str | None:
        """Read a record (verdict, calibrators) as JSON text."""
        row = self.connection.execute("SELECT value FROM records WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def records(self, prefix: str) -> dict[str, str]:
        """Read the records whose names begin so, in the order of their names."""
        query = "SELECT name, value FROM records WHERE substr(name, 1, ?) = ? ORDER BY name"
        return dict(self.connection.execute(query, (len(prefix), prefix)))

    def matching(self, conditions: Sequence[str]) -> list[int]:
        """Give the numbers of the documents that meet every condition, such as `path like 'src/%'` (see where.py).

        Raises:
            TellapartError: A condition cannot be read, or names a field that no document has.
        """
        sql, values = condition_sql(conditions, SqliteDialect(self.connection))
        rows = self.connection.execute(f"SELECT number FROM documents WHERE {sql}", values)
        return [row[0] for row in rows]

    def number_of(self, identifier: str) -> int | None:
        """Give the number of a document, without fetching it."""
        row = self.connection.execute("SELECT number FROM documents WHERE id = ?", (identifier,)).fetchone()
        return None if row is None else int(row[0])

    def ids_ending(self, path: str) -> list[str]:
        """Give the ids that end with a path, below any folder, in order."""
        escaped = path.replace("[", "[[]").replace("*", "[*]").replace("?", "[?]")
        query = "SELECT id FROM documents WHERE id GLOB ? ORDER BY id"
        return [row[0] for row in self.connection.execute(query, (f"*/{escaped}",))]

    def numbers_below(self, beginning: str) -> list[int]:
        """Give the numbers of the documents whose ids begin so, in the order of the ids."""
        query = "SELECT number FROM documents WHERE substr(id, 1, ?) = ? ORDER BY id"
        return [row[0] for row in self.connection.execute(query, (len(beginning), beginning))]

    def record_at(self, sources: Sequence[str], line: int) -> str | None:
        """Give the id of the record of a file that begins at a line, or last before it."""
        row = self.connection.execute(
            "SELECT id, json_extract(places, '$.line[0][1]') AS line FROM documents"
            f" WHERE source IN ({', '.join('?' * len(sources))}) AND line <= ? ORDER BY line DESC LIMIT 1",
            (*sources, line),
        ).fetchone()
        return None if row is None else str(row[0])

    def newest(self) -> int:
        """Give the highest number that a document has, 0 without documents."""
        query = "SELECT COALESCE(MAX(number), 0) FROM documents"
        return int(self.connection.execute(query).fetchone()[0])

    def count_up_to(self, number: int) -> int:
        """Count the documents whose numbers are no higher."""
        query = "SELECT COUNT(*) FROM documents WHERE number <= ?"
        return int(self.connection.execute(query, (number,)).fetchone()[0])

    def digests_by_id(self) -> Iterator[tuple[str, bytes]]:
        """Give id and digest of every document, in the order of the ids."""
        return iter(self.connection.execute("SELECT id, digest FROM documents ORDER BY id"))

    def identifiers(self) -> dict[int, str]:
        """Map every document's number to its id."""
        return dict(self.connection.execute("SELECT number, id FROM documents"))

    def origins(self) -> dict[int, tuple[str, str | None]]:
        """Map every document's number to its path (its id where it has none) and its language."""
        rows = self.connection.execute("SELECT number, coalesce(path, id), language FROM documents")
        return {number: (path, language) for number, path, language in rows}

    def texts(self) -> Iterator[tuple[int, str, str, str]]:
        """Give number, path, title and text of every document but images, in the order of their numbers."""
        return iter(
            self.connection.execute(
                "SELECT number, COALESCE(path, ''), title, text FROM documents WHERE kind != ? ORDER BY number",
                (Kind.IMAGE,),
            )
        )

    def lengths(self) -> dict[int, int]:
        """Map every document's number to the characters of its text."""
        return dict(self.connection.execute("SELECT number, LENGTH(text) FROM documents"))

    def kinds(self) -> dict[int, Kind]:
        """Map every document's number to its kind."""
        return {
            number: Kind(kind)
            for number, kind in self.connection.execute("SELECT number, kind FROM documents")
        }

    def kinds_of(self, numbers: Sequence[int]) -> set[Kind]:
        """Say of what kinds some documents are."""
        query = "SELECT kind FROM documents WHERE number = ?"
        return {Kind(self.connection.execute(query, (number,)).fetchone()[0]) for number in numbers}

    def count(self, source: str | None = None) -> int:
        """Count the documents, of one source or of all."""
        condition, values = ("WHERE source = ?", (source,)) if source is not None else ("", ())
        return int(
            self.connection.execute(f"SELECT COUNT(*) FROM documents {condition}", values).fetchone()[0]
        )

    def counts(self) -> dict[str, int]:
        """Count the documents of every source."""
        return dict(self.connection.execute("SELECT source, COUNT(*) FROM documents GROUP BY source"))

    def meta(self, key: str) -> str | None:
        """Read one setting."""
        row = self.connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])
