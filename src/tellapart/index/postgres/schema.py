"""The tables of a published index, their version, and what a reader checks before it reads them.

Documents, parts of postings and vectors never change once they are there. Which of them are of the published
generation, the first server's `segments` say: those with a position, and the keys of their documents. So one
transaction there swaps generations, however many servers hold the documents.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from tellapart.errors import StaleIndexError, TellapartError
from tellapart.index.database import contents_versions
from tellapart.index.postgres.database import Database, Row, psycopg, quoted, spoken

if TYPE_CHECKING:
    from psycopg import Connection

EXTENSION = "vector"
"""How PostgreSQL calls pgvector."""

VERSION = 3
"""Raised whenever older code could not read what newer code writes, or the other way round."""

FIRST = 0
"""Number of the server that says what is published; shards count from 1, and no number is given twice."""

PUBLISHED, WHOLE, SWEPT = "published", "whole", "swept"
"""Settings that count publications: the one to be read, at the first server; at a shard the newest one that is whole
there, and the oldest one that still is."""

RECORDED = "recorded"
"""The record that counts how often records were kept here, not in the folder."""

SOURCE = "left(source, 500)"
"""What an index holds of a source: an entry may have 2,700 bytes."""

LIVE = "position IS NOT NULL"
"""True of the segments of the published generation."""

TABLES = f"""
CREATE TABLE meta (key text PRIMARY KEY, value text NOT NULL);
CREATE TABLE documents (
  key bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, content bytea NOT NULL UNIQUE,
  id text COLLATE "C" NOT NULL, source text COLLATE "C" NOT NULL, kind text COLLATE "C" NOT NULL,
  language text COLLATE "C", title text COLLATE "C" NOT NULL, path text COLLATE "C", metadata jsonb NOT NULL,
  line integer, length integer NOT NULL, digest bytea NOT NULL, record bytea NOT NULL, text bytea NOT NULL
);
CREATE INDEX documents_id ON documents USING hash (id);
CREATE INDEX documents_line ON documents ({SOURCE}, line);
CREATE TABLE segments (
  key bigint PRIMARY KEY, position integer UNIQUE, owners bytea NOT NULL, documents bytea, dead bytea, keys bytea,
  languages text[] NOT NULL, levels jsonb NOT NULL
);
CREATE TABLE arrays (
  segment bigint NOT NULL REFERENCES segments ON DELETE CASCADE, name text NOT NULL, data bytea NOT NULL,
  PRIMARY KEY (segment, name)
);
CREATE TABLE parts (segment bigint PRIMARY KEY);
CREATE TABLE postings (
  segment bigint NOT NULL REFERENCES parts ON DELETE CASCADE, level smallint NOT NULL, term bytea NOT NULL,
  units bytea NOT NULL, frequencies bytea NOT NULL, large bytea NOT NULL, PRIMARY KEY (segment, level, term)
);
CREATE TABLE spellings (
  segment bigint NOT NULL REFERENCES parts ON DELETE CASCADE, spelling bytea NOT NULL, term bytea NOT NULL,
  PRIMARY KEY (segment, spelling, term)
);
CREATE TABLE encoders (name text PRIMARY KEY, stored text NOT NULL);
CREATE TABLE encoder_files (folder text NOT NULL, name text NOT NULL, data bytea NOT NULL, PRIMARY KEY (folder, name));
CREATE TABLE vector_sets (
  key integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL UNIQUE, dim integer NOT NULL,
  ef_search integer NOT NULL DEFAULT 0, measured bigint NOT NULL DEFAULT 0, retired boolean NOT NULL DEFAULT false
);
CREATE TABLE moments (name text PRIMARY KEY, dim integer NOT NULL, n bigint NOT NULL, total bytea NOT NULL,
  gram bytea NOT NULL);
CREATE TABLE records (name text PRIMARY KEY, value text NOT NULL, sent text);
CREATE TABLE shards (number integer PRIMARY KEY, address text NOT NULL);
CREATE SEQUENCE shard_numbers;
ALTER TABLE arrays ALTER COLUMN data SET STORAGE EXTERNAL;
ALTER TABLE postings ALTER COLUMN units SET STORAGE EXTERNAL;
ALTER TABLE postings ALTER COLUMN frequencies SET STORAGE EXTERNAL;
"""
"""All on every server. The first one alone has segments with their arrays, moments, encoders, records and shards; each
has some of the documents, with their part of the postings and their vectors. Arrays are kept as they are: compressing
and expanding them costs more than sending them. Of a record, `sent` is what the folder had when it was published last,
and `value` what counts: something else where it was kept here since."""

INDEXED_DIMENSIONS = 4000
"""The most dimensions of a halfvec that pgvector's HNSW takes."""


def ensure_tables(connection: Connection[Row], schema: str, database: Database) -> None:
    """Make schema and tables where there are none; refuse those of another version.

    Raises:
        TellapartError: The server has no pgvector, or the role may not create what is missing.
    """
    with spoken(database.address):
        _ensure_pgvector(connection, database)
        if _has_tables(connection, schema):
            check_version(connection, database)
            _ensure_sent(connection, schema)
            _ensure_lines(connection, schema)
            return
        with connection.transaction():
            create_tables(connection, schema, TABLES)
            connection.execute("INSERT INTO meta VALUES ('version', %s)", (str(VERSION),))


def create_tables(connection: Connection[Row], schema: str, statements: str) -> None:
    """Make tables, and the schema where there is none: a role that was given one may make no other."""
    if connection.execute("SELECT to_regnamespace(%s)", (quoted(schema),)).fetchone() == (None,):
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(schema)}")
    for statement in statements.split(";\n"):
        if statement.strip():
            connection.execute(statement)


def _ensure_sent(connection: Connection[Row], schema: str) -> None:
    """Bring the records up to date: before there was such a column, all came from the folder."""
    column = "SELECT 1 FROM pg_attribute WHERE attrelid = %s::regclass AND attname = 'sent'"
    table = f"{quoted(schema)}.records"
    if connection.execute(column, (table,)).fetchone() is None:
        with connection.transaction():
            connection.execute(f"ALTER TABLE {table} ADD COLUMN sent text")
            kept_here = f"SELECT 1 FROM {table} WHERE name = %s"
            connection.execute(f"UPDATE {table} SET sent = value WHERE NOT EXISTS ({kept_here})", (RECORDED,))


def _ensure_lines(connection: Connection[Row], schema: str) -> None:
    """Put the index of records by their lines where one of sources was, which many records of a source made slow."""
    old = f"{quoted(schema)}.documents_source"
    if connection.execute("SELECT to_regclass(%s)", (old,)).fetchone() != (None,):
        with connection.transaction():
            connection.execute(f"CREATE INDEX documents_line ON {quoted(schema)}.documents ({SOURCE}, line)")
            connection.execute(f"DROP INDEX {old}")


def ensure_first(connection: Connection[Row], database: Database) -> str:
    """Make a server the first of an index, and give the index's own name.

    Raises:
        TellapartError: It is a shard of another index.
    """
    index, number = belonging(connection, database)
    if index is None:
        index = uuid.uuid4().hex
        _belong(connection, index, FIRST)
    elif number != FIRST:
        raise _only_a_shard(database)
    return index


def ensure_shard(
    connection: Connection[Row], database: Database, index: str, new_number: Callable[[], int]
) -> int:
    """Make a server a shard of an index, and give its number: the one that it has, else a new one.

    Raises:
        TellapartError: It has another index, or a shard of one.
    """
    known, number = belonging(connection, database)
    if known is None:
        number = new_number()
        _belong(connection, index, number)
        return number
    if known != index:
        raise TellapartError(
            f"{database.address} holds another index, or a shard of one: take another schema (?schema=NAME),"
            " or drop that one if nobody needs it"
        )
    return number


def belonging(connection: Connection[Row], database: Database) -> tuple[str | None, int]:
    """Say of which index a server holds documents, and which of its servers it is; None before it was said."""
    if not _has_tables(connection, database.address.schema):
        return None, FIRST
    kept: dict[str, str] = dict(
        connection.execute("SELECT key, value FROM meta WHERE key IN ('index', 'server')").fetchall()
    )
    return kept.get("index"), int(kept.get("server", FIRST))


def _belong(connection: Connection[Row], index: str, number: int) -> None:
    set_meta(connection, {"index": index, "server": str(number)})


def set_meta(connection: Connection[Row], values: Mapping[str, str]) -> None:
    """Keep settings."""
    with connection.transaction(), connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO meta VALUES (%s, %s) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            list(values.items()),
        )


def _only_a_shard(database: Database) -> TellapartError:
    return TellapartError(
        f"{database.address} holds a shard of an index: give the address that the index was published --to"
    )


def _ensure_pgvector(connection: Connection[Row], database: Database) -> None:
    if connection.execute("SELECT 1 FROM pg_extension WHERE extname = %s", (EXTENSION,)).fetchone():
        return
    known = connection.execute(
        "SELECT 1 FROM pg_available_extensions WHERE name = %s", (EXTENSION,)
    ).fetchone()
    if known is None:
        raise TellapartError(
            f"{database.address}: the server has no pgvector, which holds the vectors:"
            " install the extension 'vector' there, 0.8 or later"
        )
    try:
        # the search path begins with the schema of this index, and whoever drops that would take pgvector along
        connection.execute("CREATE EXTENSION IF NOT EXISTS vector SCHEMA public")
    except psycopg().errors.InsufficientPrivilege:
        raise TellapartError(
            f"{database.address}: the role may not add pgvector to this database:"
            " let an administrator run CREATE EXTENSION vector"
        ) from None


def publication_of(connection: Connection[Row]) -> int:
    """Count what was published so far."""
    row = connection.execute("SELECT value FROM meta WHERE key = %s", (PUBLISHED,)).fetchone()
    return 0 if row is None else int(row[0])


def check_published(connection: Connection[Row], schema: str, database: Database) -> None:
    """Make sure that a whole generation is there, and that this version of tellapart reads it.

    Raises:
        TellapartError: Nothing is published there.
        StaleIndexError: Another version of tellapart published it.
    """
    with spoken(database.address):
        if there := _has_tables(connection, schema):
            check_version(connection, database)
        whole = there and connection.execute("SELECT 1 FROM meta WHERE key = 'published'").fetchone()
        if not whole:
            if belonging(connection, database)[1] != FIRST:
                raise _only_a_shard(database)
            raise TellapartError(
                f"no index is published in {database.address}:"
                f" 'tellapart publish --index DIR --to {database.address}' does that"
            )
        kept: dict[str, str] = dict(connection.execute("SELECT key, value FROM meta").fetchall())
        for key, version in contents_versions().items():
            if kept.get(key) != str(version):
                raise StaleIndexError(
                    f"{database.address} has {key} version {kept.get(key)}, this tellapart needs {version}:"
                    " bring the index up to date and publish it again"
                )


def check_version(connection: Connection[Row], database: Database) -> None:
    """Refuse tables of another version."""
    row = connection.execute("SELECT value FROM meta WHERE key = 'version'").fetchone()
    if row is None or row[0] != str(VERSION):
        raise StaleIndexError(
            f"the tables in {database.address} have version {row[0] if row else 'unknown'}, this tellapart needs"
            f" {VERSION}: drop the schema {quoted(database.address.schema)} and publish again"
        )


def _has_tables(connection: Connection[Row], schema: str) -> bool:
    row = connection.execute("SELECT to_regclass(%s)", (f"{quoted(schema)}.meta",)).fetchone()
    return row is not None and row[0] is not None


def vectors_table(key: int) -> str:
    """Name of the table of a set of vectors."""
    return f"vectors_{int(key)}"


def fresh_table(key: int) -> str:
    """Name of the table of those of its vectors that are not in the graph of neighbours yet."""
    return f"{vectors_table(key)}_fresh"


def plain(text: str) -> str:
    """Give text as the server can hold it: without NUL characters and halves of surrogate pairs."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()
