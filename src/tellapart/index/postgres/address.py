"""Where a published index is: the URL of a database, and a schema in it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import quote, unquote, unquote_to_bytes, urlencode, urlsplit

from tellapart.errors import TellapartError

SCHEMA = "tellapart"
URL = re.compile(r"postgres(?:ql)?://")
_PACKED = re.compile(r"postgres(?:ql)?:(?!/)")
_LONGEST = 63
"""Bytes of a name in PostgreSQL (NAMEDATALEN - 1); it cuts longer ones off without a word."""


_PLACE = ("host", "hostaddr", "port", "dbname", "service", "target_session_attrs", "load_balance_hosts")
"""Parameters that say which server is meant, and which of several hosts."""

_SHOWN = (*_PLACE, "user", "sslmode")
"""Parameters that are shown and stored. Others may hold a password."""

_ANSWERS = {"yes": True, "no": False}

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

    Written as `postgresql://user@host/database`, with every parameter that libpq knows, `schema=NAME` for more than
    one index in a database, and `partial=yes` where an answer without some shards is better than none. It reads as the
    same without the password.
    """

    url: str = field(repr=False)
    schema: str = SCHEMA
    partial: bool = False

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
            own = {"schema": SCHEMA, "partial": "no"} | {
                name: value for name, value in given if name in ("schema", "partial")
            }
            others = [(name, value) for name, value in given if name not in own]
            rest = urlencode(others, safe="/", quote_via=quote)
        except ValueError:  # its words may quote the password
            raise _no_address(text) from None
        if not own["schema"] or len(own["schema"].encode()) > _LONGEST:
            raise TellapartError(
                f"{own['schema']!r} cannot be the name of a schema: give 1 to {_LONGEST} characters"
            )
        if own["partial"] not in _ANSWERS:
            raise TellapartError(f"partial={own['partial']} in the address: write partial=yes or partial=no")
        return cls(
            _joined(parts.scheme, parts.netloc, parts.path, rest), own["schema"], _ANSWERS[own["partial"]]
        )

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

    def without(self, parameter: str) -> tuple[Address, str | None]:
        """Take a parameter out that only its reader knows; gives its value too, None where it is not there."""
        given = self._given()
        value = next((value for name, value in given if name == parameter), None)
        parts = urlsplit(self.url)
        left = urlencode([pair for pair in given if pair[0] != parameter], safe="/", quote_via=quote)
        return replace(self, url=_joined(parts.scheme, parts.netloc, parts.path, left)), value

    @property
    def name(self) -> str:
        """Name of the schema, of the database where the schema has the usual one."""
        database = unquote(urlsplit(self.url).path.strip("/")) or SCHEMA
        return database if self.schema == SCHEMA else self.schema

    def __str__(self) -> str:
        """Write the address without the password, to be shown or stored."""
        user, host = self._user_and_host()
        given = [(name, value) for name, value in self._given() if name in _SHOWN]
        return self._written(f"{user.partition(':')[0]}@{host}" if user else host, given)

    def shard(self, kept: str) -> Address:
        """Give the address of a shard, of which a database keeps `kept` without a password.

        Everything but the place is as here, the password included, unless the shard has a user of its own.
        """
        there = Address.needed(kept)
        user, host = there._user_and_host()
        own = there._given()
        if user or any(name == "user" for name, _ in own):
            return there
        named = {name for name, _ in own} | set(_PLACE)
        own += [(name, value) for name, value in self._given() if name not in named]
        credentials = self._user_and_host()[0]
        return Address.needed(there._written(f"{credentials}@{host}" if credentials else host, own))

    def kept_shard(self, shard: Address) -> str:
        """Write the address of a shard as the database of this one keeps it: without the user that both have."""
        shown = Address.needed(str(shard))
        if shard._user() != self._user():
            return str(shown)
        given = [(name, value) for name, value in shown._given() if name != "user"]
        return shown._written(shown._user_and_host()[1], given)

    def _user(self) -> str:
        written = self._user_and_host()[0].partition(":")[0]
        return next((value for name, value in self._given() if name == "user"), unquote(written))

    def _given(self) -> list[tuple[str, str]]:
        return _parameters(urlsplit(self.url).query)

    def _user_and_host(self) -> tuple[str, str]:
        user, _, host = urlsplit(self.url).netloc.rpartition("@")
        return user, host

    def _written(self, netloc: str, given: list[tuple[str, str]]) -> str:
        if self.schema != SCHEMA:
            given = [*given, ("schema", self.schema)]
        query = urlencode(given, quote_via=quote, safe="/,")
        parts = urlsplit(self.url)
        return _joined(parts.scheme, netloc, parts.path, query)


def _joined(scheme: str, netloc: str, path: str, query: str) -> str:
    """Write a URL; the standard library leaves out two slashes where a parameter names the host."""
    return f"{scheme}://{netloc}{path}{query and f'?{query}'}"


def only_searched(place: object) -> TellapartError:
    """Give the error for what cannot be done to a published index, of which a message calls `place`."""
    return TellapartError(
        f"{place} is a published index, which only 'tellapart publish' changes: do this to the folder that it was"
        " published from, and publish again (docs/scale.md says what works where)"
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
        or not _is_text(unquote_to_bytes(text))
    ):
        raise TellapartError(
            f"cannot read the address {concealed(text)!r}:"
            " write special characters of the password as %40 and so on (@ %40, / %2F, # %23, ? %3F, % %25, & %26)"
        )


def _is_text(written: bytes) -> bool:
    try:
        written.decode()
    except UnicodeDecodeError:
        return False
    return True


def _parameters(query: str) -> list[tuple[str, str]]:
    """Read parameters as libpq does, for which a plus is a plus."""
    pairs = (pair.partition("=") for pair in query.split("&") if pair)
    return [(unquote(name), unquote(value)) for name, _, value in pairs]
