"""The tables of a published index, their version, and what a reader checks before it reads them.

A document is of the published generation where it has a number, a segment where it has a position, a set of vectors
where it is live: what a publisher writes beside has neither before the transaction that swaps generations.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tellapart.errors import StaleIndexError, TellapartError
from tellapart.index.database import contents_versions
from tellapart.index.postgres.database import Database, Row, psycopg, quoted, spoken

if TYPE_CHECKING:
    from psycopg import Connection

EXTENSION = "vector"
"""How PostgreSQL calls pgvector."""

VERSION = 1
"""Raised whenever older code could not read what newer code writes, or the other way round."""

TABLES = """
CREATE TABLE meta (key text PRIMARY KEY, value text NOT NULL);
CREATE TABLE documents (
  key bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, content bytea NOT NULL UNIQUE, number bigint UNIQUE,
  id text COLLATE "C" NOT NULL, source text COLLATE "C" NOT NULL, kind text COLLATE "C" NOT NULL,
  language text COLLATE "C", title text COLLATE "C" NOT NULL, path text COLLATE "C", metadata jsonb NOT NULL,
  line integer, length integer NOT NULL, digest bytea NOT NULL, record bytea NOT NULL, text bytea NOT NULL
);
CREATE INDEX documents_id ON documents USING hash (id);
CREATE INDEX documents_source ON documents USING hash (source);
CREATE TABLE segments (
  key bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, content bytea NOT NULL UNIQUE, position integer UNIQUE,
  documents bytea, dead bytea, languages text[] NOT NULL, levels jsonb NOT NULL
);
CREATE TABLE arrays (
  segment bigint NOT NULL REFERENCES segments ON DELETE CASCADE, name text NOT NULL, data bytea NOT NULL,
  PRIMARY KEY (segment, name)
);
CREATE TABLE postings (
  segment bigint NOT NULL REFERENCES segments ON DELETE CASCADE, level smallint NOT NULL, term bytea NOT NULL,
  units bytea NOT NULL, frequencies bytea NOT NULL, large bytea NOT NULL, PRIMARY KEY (segment, level, term)
);
CREATE TABLE spellings (
  segment bigint NOT NULL REFERENCES segments ON DELETE CASCADE, spelling bytea NOT NULL, term bytea NOT NULL,
  PRIMARY KEY (segment, spelling, term)
);
CREATE TABLE encoders (name text PRIMARY KEY, stored text NOT NULL);
CREATE TABLE encoder_files (folder text NOT NULL, name text NOT NULL, data bytea NOT NULL, PRIMARY KEY (folder, name));
CREATE TABLE vector_sets (
  key integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL UNIQUE, dim integer NOT NULL,
  live boolean NOT NULL DEFAULT false,
  retired boolean NOT NULL DEFAULT false, n bigint NOT NULL DEFAULT 0, total bytea, gram bytea
);
CREATE TABLE records (name text PRIMARY KEY, value text NOT NULL);
ALTER TABLE arrays ALTER COLUMN data SET STORAGE EXTERNAL;
ALTER TABLE postings ALTER COLUMN units SET STORAGE EXTERNAL;
ALTER TABLE postings ALTER COLUMN frequencies SET STORAGE EXTERNAL;
"""
"""Arrays are kept as they are: compressing and expanding them costs more than sending them."""

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
            return
        with connection.transaction():
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(schema)}")
            for statement in TABLES.split(";\n"):
                if statement.strip():
                    connection.execute(statement)
            connection.execute("INSERT INTO meta VALUES ('version', %s)", (str(VERSION),))


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


def check_published(connection: Connection[Row], schema: str, database: Database) -> None:
    """Make sure that a whole generation is there, and that this version of tellapart reads it.

    Raises:
        TellapartError: Nothing is published there.
        StaleIndexError: Another version of tellapart published it.
    """
    with spoken(database.address):
        whole = (
            _has_tables(connection, schema)
            and connection.execute("SELECT 1 FROM meta WHERE key = 'published'").fetchone()
        )
        if not whole:
            raise TellapartError(
                f"no index is published in {database.address}:"
                f" 'tellapart publish --index DIR --to {database.address}' does that"
            )
        check_version(connection, database)
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


def plain(text: str) -> str:
    """Give text as the server can hold it: without NUL characters and halves of surrogate pairs."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()
