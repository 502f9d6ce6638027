"""Galleries in PostgreSQL, beside a published index or alone: put there from a folder, and asked from anywhere.

The file of the gallery is kept as it is, in parts, sealed if it was sealed. Who asks holds it in memory: templates are
on no disk but the gallery's own and the server's.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from tellapart.errors import TellapartError
from tellapart.identities.file import FILE, GalleryFile, damage_named
from tellapart.identities.store import GalleryStore
from tellapart.index.postgres.address import Address
from tellapart.index.postgres.database import Database, psycopg, quoted, spoken
from tellapart.index.postgres.schema import create_tables, plain

if TYPE_CHECKING:
    from psycopg import Connection

PARAMETER = "gallery"
"""Of an address: which gallery is meant, where several are published."""

PART = 1 << 20
"""Bytes of a part. A new template changes a few pages of the file: about so much is sent for each. Not measured."""

JOURNAL_BYTES = slice(18, 20)
"""Of a file of SQLite: 1 1 says that it has no write-ahead log, as one in memory cannot have."""

TABLES = """
CREATE TABLE IF NOT EXISTS galleries (name text PRIMARY KEY, sealed boolean NOT NULL);
CREATE TABLE IF NOT EXISTS gallery_parts (
  gallery text NOT NULL REFERENCES galleries ON DELETE CASCADE, position integer NOT NULL, digest bytea NOT NULL,
  data bytea NOT NULL, PRIMARY KEY (gallery, position)
);
ALTER TABLE gallery_parts ALTER COLUMN data SET STORAGE EXTERNAL;
"""


@dataclass(frozen=True, slots=True)
class GalleryPlace:
    """A database, and which gallery in it: `postgresql://user@host/database?gallery=NAME`; "" = the only one."""

    address: Address
    name: str

    @classmethod
    def of(cls, place: Path | str) -> GalleryPlace | None:
        """Read an address; None for anything else, such as a folder."""
        found = Address.of(place)
        if found is None:
            return None
        address, name = found.without(PARAMETER)
        return cls(address, name or "")

    def __str__(self) -> str:
        return f"{self.name or 'the gallery'} in {self.address}"

    def found(self, database: Database) -> tuple[str, bool]:
        """Give the name of the gallery, and whether it is sealed.

        Raises:
            TellapartError: There is none, or several and none is named.
        """
        with database.reading() as connection, spoken(self.address):
            try:
                known: dict[str, bool] = dict(
                    connection.execute("SELECT name, sealed FROM galleries ORDER BY name").fetchall()
                )
            except psycopg().errors.UndefinedTable:
                known = {}
        if self.name in known or (not self.name and len(known) == 1):
            name = self.name or next(iter(known))
            return name, known[name]
        there = f"it has {', '.join(known)}" if known else "it has none"
        if known and not self.name:
            raise TellapartError(
                f"{self.address} has several galleries: add gallery=NAME to the address; {there}"
            )
        raise TellapartError(
            f"no gallery {self.name or 'is published'} in {self.address} ({there}):"
            f" 'tellapart publish --gallery DIR --to {self.address}' puts one there"
        )


def is_sealed(place: Path | str) -> bool | None:
    """Whether a gallery in a folder or a database needs a key; None where no gallery is in a folder.

    Raises:
        TellapartError: There is none in the database.
    """
    there = GalleryPlace.of(place)
    if there is None:
        return GalleryFile.encrypted(Path(place))
    with closing(Database(there.address)) as database:
        return there.found(database)[1]


class PublishedGallery(GalleryStore):
    """A gallery of a database, held in memory as it was when it was opened; it is only asked."""

    changeable = False

    def __init__(self, content: bytes, place: GalleryPlace, database: Database, revision: bytes) -> None:
        connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        super().__init__(connection, Path(FILE))
        self.place = str(place)
        self._name, self._database, self._revision = place.name, database, revision
        with damage_named(Path(self.place)):
            connection.deserialize(content)

    @classmethod
    def fetch(cls, place: GalleryPlace, passphrase: str | None) -> Self:
        """Open what is published.

        Raises:
            TellapartError: There is none, or the key is missing or wrong.
        """
        database = Database(place.address)
        try:
            with database.reading():
                name, _ = place.found(database)
                parts = database.rows(
                    "SELECT data FROM gallery_parts WHERE gallery = %s ORDER BY position", (name,)
                )
                revision = _revision(database, name)
            store = cls(
                b"".join(row[0] for row in parts), GalleryPlace(place.address, name), database, revision
            )
            store.unlock(passphrase)
        except BaseException:
            database.close()
            raise
        return store

    def close(self) -> None:
        """Let go of what is in memory, and of the connection."""
        super().close()
        self._database.close()

    def outdated(self) -> bool:
        """Whether something else was published since it was opened."""
        return _revision(self._database, self._name) != self._revision

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Refuse: the gallery in the folder is the one that changes.

        Raises:
            TellapartError: Always.
        """
        self.need_changeable()
        yield

    @contextmanager
    def noting(self) -> Iterator[None]:
        """Note nothing: the log is that of the folder."""
        yield

    def log(self, action: str, identities: Sequence[int] = (), **details: Any) -> None:  # noqa: ANN401
        """Note nothing: the log is that of the folder."""

    def purge(self) -> None:
        """Do nothing: nothing was deleted here."""


def _revision(database: Database, name: str) -> bytes:
    rows = database.rows("SELECT digest FROM gallery_parts WHERE gallery = %s ORDER BY position", (name,))
    return b"".join(row[0] for row in rows)


def publish_gallery(folder: Path | str, to: Path | str, name: str | None = None) -> tuple[str, int]:
    """Make a database hold a gallery as it is now; only parts of its file that changed are sent.

    Who asks sees the one before until this one is whole, and keeps it where this process is killed.

    Args:
        folder: Of the gallery.
        to: `postgresql://user@host/database`, with `?schema=NAME` for another schema than `tellapart`.
        name: How it is called there; None = as the folder is called, without an ending such as `.gal`.

    Returns:
        The name, and how many bytes were sent.

    Raises:
        TellapartError: There is no such gallery, or the server or the role does not let us.
    """
    path, address = Path(folder), Address.needed(to)
    sealed = GalleryFile.encrypted(path)
    if sealed is None:
        raise TellapartError(
            f"no gallery in {path}: make one with 'tellapart identity enrol NAME FILE --gallery'"
        )
    called = plain(name or path.resolve().stem)
    content = _content(path / FILE)
    parts = [content[start : start + PART] for start in range(0, len(content), PART)]
    digests = [blake2b(part, digest_size=16).digest() for part in parts]
    with _changing(address) as connection:
        with connection.transaction(), connection.cursor() as cursor:
            cursor.execute("LOCK TABLE galleries IN EXCLUSIVE MODE")  # readers go on
            known: dict[int, bytes] = dict(
                cursor.execute(
                    "SELECT position, digest FROM gallery_parts WHERE gallery = %s", (called,)
                ).fetchall()
            )
            cursor.execute(
                "INSERT INTO galleries VALUES (%s, %s) ON CONFLICT (name) DO UPDATE SET sealed = excluded.sealed",
                (called, sealed),
            )
            missing = [n for n, digest in enumerate(digests) if known.get(n) != digest]
            cursor.executemany(
                "INSERT INTO gallery_parts VALUES (%s, %s, %s, %s) ON CONFLICT (gallery, position)"
                " DO UPDATE SET digest = excluded.digest, data = excluded.data",
                [(called, n, digests[n], parts[n]) for n in missing],
            )
            cursor.execute(
                "DELETE FROM gallery_parts WHERE gallery = %s AND position >= %s", (called, len(parts))
            )
        connection.execute("VACUUM gallery_parts")  # what was replaced may be somebody who was deleted
    return called, sum(len(parts[n]) for n in missing)


def remove_gallery(name: str, to: Path | str) -> None:
    """Remove a gallery from a database.

    Raises:
        TellapartError: It is not there, or the server or the role does not let us.
    """
    address = Address.needed(to)
    with _changing(address) as connection:
        gone = connection.execute(
            "DELETE FROM galleries WHERE name = %s RETURNING name", (plain(name),)
        ).fetchone()
        if gone is None:
            known = [
                row[0] for row in connection.execute("SELECT name FROM galleries ORDER BY name").fetchall()
            ]
            raise TellapartError(f"no gallery {name!r} in {address}: it has {', '.join(known) or 'none'}")
        connection.execute("VACUUM gallery_parts")


@contextmanager
def _changing(address: Address) -> Iterator[Connection[Any]]:
    """Connect to the server that takes changes, with the tables of galleries there."""
    with closing(Database(address).connect(writing=True)) as connection, spoken(address):
        there = "SELECT to_regclass(%s)", (f"{quoted(address.schema)}.gallery_parts",)
        if connection.execute(*there).fetchone() == (None,):
            with connection.transaction():
                create_tables(connection, address.schema, TABLES)
        yield connection


def _content(file: Path) -> bytes:
    """Read a gallery's file as it is after the last commit, with all of its log."""
    with damage_named(file), closing(sqlite3.connect(file, timeout=10.0, isolation_level=None)) as connection:
        connection.execute("BEGIN")
        connection.execute("SELECT count(*) FROM meta").fetchone()
        content = bytearray(connection.serialize())
    content[JOURNAL_BYTES] = b"\x01\x01"
    return bytes(content)
