"""What a gallery keeps: one SQLite file in its folder.

Deleted means gone: SQLite overwrites what it frees (`secure_delete`), and after every deletion, and on every opening,
the write-ahead log is written back and cut to nothing. A killed process leaves the last commit. With a passphrase
all of it is sealed with AES-GCM (extra `encryption`).
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol, Self

from tellapart.errors import CorruptIndexError, TellapartError, require
from tellapart.index.database import transaction
from tellapart.index.lock import writer_lock

FILE = "gallery.sqlite"
FORMAT = 1
BUSY_SECONDS = 10.0
SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE identities (
  id INTEGER PRIMARY KEY AUTOINCREMENT, tag BLOB NOT NULL UNIQUE, facts BLOB NOT NULL, cohort INTEGER NOT NULL
);
CREATE TABLE templates (
  id INTEGER PRIMARY KEY AUTOINCREMENT, identity INTEGER NOT NULL, tag BLOB NOT NULL UNIQUE, vector BLOB NOT NULL,
  quality REAL NOT NULL, automatic INTEGER NOT NULL, facts BLOB NOT NULL, picture BLOB
);
CREATE INDEX templates_of ON templates (identity);
CREATE TABLE links (a BLOB NOT NULL, b BLOB NOT NULL, same INTEGER NOT NULL, PRIMARY KEY (a, b)) WITHOUT ROWID;
CREATE TABLE audit (id INTEGER PRIMARY KEY AUTOINCREMENT, entry BLOB NOT NULL);
"""


class GalleryFile:
    """The SQLite file of one gallery; one writer at a time, any number of readers. Messages call it `place`."""

    changeable = True

    def __init__(self, connection: sqlite3.Connection, folder: Path) -> None:
        self.connection = connection
        self.folder = folder
        self.place = str(folder)
        self.cipher: Cipher = Plain()

    @classmethod
    def create(cls, folder: Path, settings: Mapping[str, Any], passphrase: str | None) -> Self:
        """Make an empty gallery; it appears whole or not at all, and never in the place of another one."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        beside = folder / f".{FILE}.{os.getpid()}"
        beside.unlink(missing_ok=True)
        salt = os.urandom(SALT) if passphrase else b""
        cipher: Cipher = Sealed(passphrase, salt) if passphrase else Plain()
        connection = sqlite3.connect(beside, isolation_level=None)
        connection.execute("PRAGMA synchronous=FULL")
        connection.executescript(SCHEMA)
        content = {
            "format": str(FORMAT).encode(),
            "salt": salt,
            "check": cipher.seal(CHECK, "check"),
            "settings": cipher.seal(json.dumps(dict(settings)).encode(), "settings"),
            "removals": b"0",
        }
        connection.executemany("INSERT INTO meta VALUES (?, ?)", content.items())
        connection.close()
        os.chmod(beside, 0o600)
        try:
            with writer_lock(folder, what="gallery"):
                if not (folder / FILE).exists():  # else somebody was faster
                    os.replace(beside, folder / FILE)
        finally:
            beside.unlink(missing_ok=True)
        return cls.open(folder, passphrase)

    @classmethod
    def open(cls, folder: Path, passphrase: str | None) -> Self:
        """Open a gallery.

        Raises:
            TellapartError: There is none, or the key is missing or wrong.
            CorruptIndexError: Its file is cut off or damaged.
        """
        path = folder / FILE
        if not path.is_file():
            raise TellapartError(
                f"no gallery in {folder}: make one with 'tellapart identity enrol NAME FILE --gallery'"
            )
        with damage_named(path):
            connection = sqlite3.connect(
                path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            connection.execute("PRAGMA secure_delete=ON")
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            store = cls(connection, folder)
            pages = connection.execute("PRAGMA page_count").fetchone()[0]
            size = pages * connection.execute("PRAGMA page_size").fetchone()[0]
            store.purge()
            if path.stat().st_size < size:
                raise sqlite3.DatabaseError(f"{path.stat().st_size:,} bytes instead of {size:,}")
        store.unlock(passphrase)
        return store

    def unlock(self, passphrase: str | None) -> None:
        """Make sure that this version of tellapart reads it, and that the key opens it.

        Raises:
            TellapartError: It does not.
            CorruptIndexError: The file is damaged.
        """
        with damage_named(Path(self.place)):
            found = self.value("format")
        if found != str(FORMAT).encode():
            raise TellapartError(
                f"the gallery {self.place} has format {found!r}, this tellapart reads {FORMAT}"
            )
        if salt := self.value("salt"):
            if passphrase is None:
                raise TellapartError(
                    f"the gallery {self.place} is encrypted: set {VARIABLE}, or run this in a terminal"
                )
            self.cipher = Sealed(passphrase, salt)
        elif passphrase is not None:
            raise TellapartError(
                f"the gallery {self.place} is not encrypted: unset {VARIABLE}, or export it and import into a new one"
            )
        self.cipher.open(self.value("check"), "check")

    def need_changeable(self) -> None:
        """Refuse what would change a gallery that is only asked.

        Raises:
            TellapartError: It is a published one.
        """
        if not self.changeable:
            raise TellapartError(
                f"the gallery {self.place} is published and only asked: change the gallery in its folder, and publish"
                " it again"
            )

    def outdated(self) -> bool:
        """Whether it must be opened again to be seen as it is now; one in a folder follows by itself."""
        return False

    @staticmethod
    def encrypted(folder: Path) -> bool | None:
        """Whether a gallery needs a key; None where there is no gallery."""
        path = folder / FILE
        if not path.is_file():
            return None
        with damage_named(path):
            connection = sqlite3.connect(path, timeout=BUSY_SECONDS)
            try:
                row = connection.execute("SELECT value FROM meta WHERE key = 'salt'").fetchone()
            finally:
                connection.close()
        return bool(row and row[0])

    def close(self) -> None:
        """Release the file."""
        self.connection.close()

    @property
    def settings(self) -> dict[str, Any]:
        """What was decided when the gallery was made."""
        return dict(json.loads(self.cipher.open(self.value("settings"), "settings")))

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Be the only writer; what is done inside is committed as a whole, or not at all."""
        with writer_lock(self.folder, what="gallery"), self.transaction():
            yield

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit what is done inside as a whole, or nothing of it."""
        with damage_named(self.folder / FILE), transaction(self.connection):
            yield

    @contextmanager
    def noting(self) -> Iterator[None]:
        """Commit lines of the audit log without waiting for the disk.

        They outlive a killed process. A power cut may take the last of them: an answer would otherwise wait for the
        disk longer than for the search.
        """
        self.connection.execute("PRAGMA synchronous=NORMAL")
        try:
            with self.transaction():
                yield
        finally:
            self.connection.execute("PRAGMA synchronous=FULL")

    def purge(self) -> None:
        """Write the log back and cut it to nothing: only then are deleted bytes in no file."""
        self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    @property
    def version(self) -> tuple[int, int]:
        """Highest template and number of removals: what a reader compares with what it has read."""
        last = self.connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'templates'").fetchone()
        return (int(last[0]) if last else 0, int(self.value("removals")))

    def count_removal(self) -> None:
        """Say that templates were deleted or changed hands; calibrations made from them go too."""
        self.put("removals", str(int(self.value("removals")) + 1).encode())
        self.connection.execute("DELETE FROM meta WHERE key = 'calibration'")

    def put_calibration(self, content: bytes) -> None:
        """Keep what was measured, for galleries in which measuring takes long."""
        self.put("calibration", self.cipher.seal(content, "calibration"))

    def calibration(self) -> bytes | None:
        """Give what was measured, if anything."""
        sealed = self.value("calibration")
        return self.cipher.open(sealed, "calibration") if sealed else None

    def value(self, key: str) -> bytes:
        """Give a setting as it is kept; nothing where there is none."""
        row = self.connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return bytes(row[0]) if row else b""

    def put(self, key: str, value: bytes) -> None:
        """Keep a setting."""
        self.connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    def sealed(self, facts: Mapping[str, Any], context: str) -> bytes:
        """Give facts as they may be kept."""
        return self.cipher.seal(json.dumps(dict(facts), ensure_ascii=False).encode(), context)

    def opened(self, sealed: bytes, context: str) -> dict[str, Any]:
        """Give the facts that were sealed."""
        return dict(json.loads(self.cipher.open(sealed, context)))


def now() -> str:
    """Give the time, to the second, in UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


@contextmanager
def damage_named(path: Path) -> Iterator[None]:
    """Turn what SQLite says about a damaged file into one line."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            raise TellapartError(
                f"another process is writing {path.parent}: run this again when it is done"
            ) from error
        if "no such table" in str(error):
            raise CorruptIndexError(
                f"{path} is cut off or damaged ({error}): restore it from a copy"
            ) from error
        raise TellapartError(f"cannot use {path}: {error}") from error
    except sqlite3.DatabaseError as error:
        raise CorruptIndexError(f"{path} is cut off or damaged ({error}): restore it from a copy") from error


VARIABLE = "TELLAPART_GALLERY_KEY"
"""The passphrase of a gallery, where nobody can be asked."""

SCRYPT_N, SCRYPT_R, SCRYPT_P = 1 << 15, 8, 1
"""Cost of guessing: 32 MB and .1 s a guess (RFC 7914 recommends such values for interactive use)."""

NONCE = 12
SALT = 16
CHECK = b"tellapart gallery"


class Cipher(Protocol):
    """Seals what goes to the disk; `context` binds a value to its place, so that rows cannot be exchanged."""

    def seal(self, content: bytes, context: str) -> bytes:
        """Give what may be kept."""
        ...

    def open(self, sealed: bytes, context: str) -> bytes:
        """Give what was sealed."""
        ...

    def tag(self, content: bytes) -> bytes:
        """Give a value that is equal for equal content, to look things up by."""
        ...


class Plain:
    """Keeps everything as it is."""

    def seal(self, content: bytes, context: str) -> bytes:
        """Give the content itself."""
        return content

    def open(self, sealed: bytes, context: str) -> bytes:
        """Give the content itself."""
        return sealed

    def tag(self, content: bytes) -> bytes:
        """Hash the content."""
        return hashlib.blake2b(content, digest_size=16).digest()


class Sealed:
    """AES-256-GCM with a random nonce for each value; tags are keyed hashes."""

    def __init__(self, passphrase: str, salt: bytes) -> None:
        """Make the key, which takes .1 s on purpose."""
        aead: Any = require("cryptography.hazmat.primitives.ciphers.aead", extra="encryption")
        made = hashlib.scrypt(
            passphrase.encode(), salt=salt, n=SCRYPT_N, r=SCRYPT_R, p=SCRYPT_P, maxmem=1 << 27, dklen=64
        )
        self._aead, self._tagging = aead.AESGCM(made[:32]), made[32:]

    def seal(self, content: bytes, context: str) -> bytes:
        """Give nonce and ciphertext."""
        nonce = os.urandom(NONCE)
        return bytes(nonce + self._aead.encrypt(nonce, content, context.encode()))

    def open(self, sealed: bytes, context: str) -> bytes:
        """Give what was sealed.

        Raises:
            TellapartError: The key is another, or the bytes were changed.
        """
        try:
            return bytes(self._aead.decrypt(sealed[:NONCE], sealed[NONCE:], context.encode()))
        except Exception as error:  # InvalidTag, or ValueError where it is cut off
            raise TellapartError(
                f"the key does not open the gallery, or it is damaged: set {VARIABLE} to its passphrase"
            ) from error

    def tag(self, content: bytes) -> bytes:
        """Hash the content under the key."""
        return hmac.new(self._tagging, content, "sha256").digest()[:16]
