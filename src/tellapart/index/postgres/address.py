"""Where a published index is: the URL of a database, and a schema in it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, unquote, urlencode, urlsplit, urlunsplit

from tellapart.errors import TellapartError

SCHEMA = "tellapart"
URL = re.compile(r"postgres(?:ql)?://")
_PACKED = re.compile(r"postgres(?:ql)?:(?!/)")
_LONGEST = 63
"""Bytes of a name in PostgreSQL (NAMEDATALEN - 1); it cuts longer ones off without a word."""


_SHOWN = ("host", "hostaddr", "port", "user", "dbname", "service", "sslmode")
"""Parameters that are shown: they tell which server is meant. Others may hold a password."""

_WRITTEN = re.compile(
    r"((?:^\w+:(?=\S)/*|://)[^\s:@/?#]*+).+|(?i:\b\w*(?:password|secret)\w*\s*=).*", re.DOTALL
)


def concealed(text: str) -> str:
    """Show what was given as an address, or the driver's words about one, without a password.

    An address ends after the first name in it, and before a parameter for a password: where exactly a password that
    was written wrongly ends, nobody can tell.
    """
    return _WRITTEN.sub(lambda found: f"{found[1] or ''}...", text)


@dataclass(frozen=True, slots=True)
class Address:
    """A database and the schema of an index in it.

    Written as `postgresql://user@host/database`, with every parameter that libpq knows, and `schema=NAME` for more than
    one index in a database. It reads as the same without the password.
    """

    url: str = field(repr=False)
    schema: str = SCHEMA

    @classmethod
    def of(cls, place: Path | str) -> Address | None:
        """Read an address, also as `packed` gives it; None for anything else, such as a folder.

        Raises:
            TellapartError: It is no URL, a password in it needs escapes, or it names a schema that there cannot be.
        """
        text = str(place)
        if _PACKED.match(text):
            text = unquote(text)
        if not URL.match(text):
            return None
        _check_escapes(text)
        try:
            parts = urlsplit(text)
            given = _parameters(parts.query)
            schema = next((value for name, value in given if name == "schema"), SCHEMA)
            rest = urlencode([(name, value) for name, value in given if name != "schema"], quote_via=quote)
        except ValueError:  # its words may quote the password
            raise _no_address(text) from None
        if not schema or len(schema.encode()) > _LONGEST:
            raise TellapartError(
                f"{schema!r} cannot be the name of a schema: give 1 to {_LONGEST} characters"
            )
        return cls(urlunsplit(parts._replace(query=rest)), schema)

    @classmethod
    def needed(cls, place: Path | str) -> Address:
        """Read an address where nothing else will do."""
        found = cls.of(place)
        if found is None:
            raise _no_address(str(place))
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
        given = [(name, value) for name, value in _parameters(parts.query) if name in _SHOWN]
        if self.schema != SCHEMA:
            given.append(("schema", self.schema))
        shown = parts._replace(
            netloc=f"{user.partition(':')[0]}{at}{host}", query=urlencode(given, quote_via=quote, safe="/")
        )
        return urlunsplit(shown)


def only_searched(place: object) -> TellapartError:
    """Give the error for what cannot be done to a published index, of which a message calls `place`."""
    return TellapartError(
        f"{place} is a published index, which is only searched: do this to the folder that it was published from,"
        " and publish again (docs/scale.md says what works where)"
    )


def _no_address(text: str) -> TellapartError:
    return TellapartError(
        f"{concealed(text)!r} is no address of a database: write postgresql://user@host/database"
    )


def _check_escapes(text: str) -> None:
    """Refuse an address of which libpq would read another user, password or host than was meant.

    Raises:
        TellapartError: An @ / # ? or % stands for itself, or there is a character that no address may hold.
    """
    before, _, after = text.partition("//")[2].rpartition("@")
    names = after.partition("?")[2].split("&") if "?" in after else []
    if (
        re.search(r"[@/?]", before)
        or re.search(r"#|%(?![0-9A-Fa-f]{2})|%00|[\x00-\x20\x7f\ud800-\udfff]", text)
        or any("=" not in name for name in names if name)
    ):
        raise TellapartError(
            f"cannot read the address {concealed(text)!r}:"
            " write special characters of the password as %40 and so on (@ %40, / %2F, # %23, ? %3F, % %25, & %26)"
        )


def _parameters(query: str) -> list[tuple[str, str]]:
    """Read parameters as libpq does, for which a plus is a plus."""
    pairs = (pair.partition("=") for pair in query.split("&") if pair)
    return [(unquote(name), unquote(value)) for name, _, value in pairs]
