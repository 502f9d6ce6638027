"""Where a published index is: the URL of a database, and a schema in it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

from tellapart.errors import TellapartError

SCHEMA = "tellapart"
URL = re.compile(r"postgres(?:ql)?://")
_PACKED = re.compile(r"postgres(?:ql)?:(?!/)")
_LONGEST = 63
"""Bytes of a name in PostgreSQL (NAMEDATALEN - 1); it cuts longer ones off without a word."""


@dataclass(frozen=True, slots=True)
class Address:
    """A database and the schema of an index in it.

    Written as `postgresql://user@host/database`, with every parameter that libpq knows, and `schema=NAME` for more than
    one index in a database. It reads as the same without the password.
    """

    url: str
    schema: str = SCHEMA

    @classmethod
    def of(cls, place: Path | str) -> Address | None:
        """Read an address, also as `packed` gives it; None for anything else, such as a folder.

        Raises:
            TellapartError: It is no URL, or names a schema that there cannot be.
        """
        text = str(place)
        if _PACKED.match(text):
            text = unquote(text)
        if not URL.match(text):
            return None
        try:
            parts = urlsplit(text)
            given = parse_qsl(parts.query, keep_blank_values=True)
        except ValueError as error:
            raise TellapartError(
                f"{text!r} is no address of a database ({error}): write postgresql://user@host/database"
            ) from None
        schema = next((value for name, value in given if name == "schema"), SCHEMA)
        if not schema or len(schema.encode()) > _LONGEST or "\0" in text:
            raise TellapartError(
                f"{schema!r} cannot be the name of a schema: give 1 to {_LONGEST} characters"
            )
        rest = urlencode([(name, value) for name, value in given if name != "schema"], quote_via=quote)
        return cls(urlunsplit(parts._replace(query=rest)), schema)

    @classmethod
    def needed(cls, place: Path | str) -> Address:
        """Read an address where nothing else will do."""
        found = cls.of(place)
        if found is None:
            raise TellapartError(
                f"{str(place)!r} is no address of a database: write postgresql://user@host/database"
            )
        return found

    @staticmethod
    def packed(text: str) -> Path:
        """Keep a URL whole in a path, which would make one slash of two."""
        scheme, _, rest = text.partition(":")
        return Path(f"{scheme}:{quote(rest, safe='')}")

    @property
    def name(self) -> str:
        """Name of the schema, of the database where the schema has the usual one."""
        database = unquote(urlsplit(self.url).path.strip("/")) or SCHEMA
        return database if self.schema == SCHEMA else self.schema

    def __str__(self) -> str:
        """Write the address without the password, to be shown."""
        parts = urlsplit(self.url)
        user, at, host = parts.netloc.rpartition("@")
        given = [(name, value) for name, value in parse_qsl(parts.query) if name != "password"]
        if self.schema != SCHEMA:
            given.append(("schema", self.schema))
        shown = parts._replace(
            netloc=f"{user.partition(':')[0]}{at}{host}", query=urlencode(given, quote_via=quote, safe="/")
        )
        return urlunsplit(shown)
