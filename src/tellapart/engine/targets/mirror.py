"""Making a collection on a server hold exactly the units of an index, sending only what it lacks."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import numpy as np

from tellapart.engine.exported import Exported, UnitBatch
from tellapart.errors import TellapartError
from tellapart.index.postgres.address import concealed
from tellapart.progress import Progress

REMOVED_AT_A_TIME = 1_000

LONGEST_SAID = 300
"""Characters of a server's own words that are repeated to the user."""

HOST_AND_PORT = re.compile(r"[\w.-]+:\d+/?")
"""What is meant as the address of a server and would be the name of a folder."""


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What an export did at `place`.

    `total` units are there now, of which `sent` were written: of a Lance folder all, else what was new or changed.
    `removed` had gone from the index. `left_out` have no vector yet. Of `shortened` units something was too long for
    the engine.
    """

    place: str
    total: int
    sent: int
    removed: int = 0
    left_out: int = 0
    shortened: int = 0


@dataclass(frozen=True, slots=True)
class Held:
    """What a collection holds: dimensions of its vectors, and the encoder of one of its units (None: it is empty)."""

    dim: int | None
    encoder: str | None


class Server(ABC):
    """A collection of an engine that takes single units; a unit goes by the key that `exported.key_of` gives.

    `place` is where it is, as a user would name it, without a password; `errors` are what its library raises.
    """

    errors: tuple[type[Exception], ...]

    def __init__(self, to: object, collection: str) -> None:
        """Take a client of the engine's library, which is left open, or the address of one that is opened here."""
        self._name = collection
        self._owned = isinstance(to, str | Path)
        self._client: Any = to
        self.place = shown(to, collection) if isinstance(to, str | Path) else f"collection {collection!r}"

    @abstractmethod
    def held(self) -> Held | None:
        """Say what the collection holds; None where there is none."""

    @abstractmethod
    def create(self, exported: Exported) -> None:
        """Make an empty collection."""

    @abstractmethod
    def revisions(self, keys: Sequence[str]) -> dict[str, str]:
        """Give the `revision` of those of some units that are there."""

    @abstractmethod
    def put(self, batch: UnitBatch) -> int:
        """Add units, or replace those of the same keys; says of how many something had to be cut."""

    @abstractmethod
    def pages(self) -> Iterator[list[str]]:
        """Give the keys of all units that an export has put there."""

    @abstractmethod
    def remove(self, keys: Sequence[str]) -> None:
        """Take units out."""

    def close(self) -> None:
        """Let go of the connection, unless it was given."""
        if self._owned:
            self._client.close()


def mirror(server: Server, exported: Exported, progress: Progress) -> ExportReport:
    """Make a collection hold the units of an export and no others.

    What is there already is not sent again, so that a run that was stopped goes on where it was.

    Raises:
        TellapartError: The collection is another's, or the server refuses something.
    """
    with _spoken(server):
        try:
            try:
                held = server.held()
            except server.errors as error:
                raise unreached(server.place, error) from error
            if held is None:
                server.create(exported)
            else:
                _check(server, held, exported)
            return _send(server, exported, progress, anew=held is None)
        finally:
            server.close()


def _send(server: Server, exported: Exported, progress: Progress, *, anew: bool) -> ExportReport:
    sent = left_out = shortened = 0
    mine = [np.zeros(0, np.uint64)]
    with progress(f"exporting {exported.name}", len(exported)) as advance:
        for batch in exported.batches():
            found = batch.only(np.flatnonzero(batch.vectors.any(axis=1)).tolist())
            left_out += len(batch.units) - len(found.units)
            keys = found.keys
            mine.append(_numbers(keys))
            there = {} if anew or not keys else server.revisions(keys)
            changed = [
                number
                for number, (key, unit) in enumerate(zip(keys, found.units, strict=True))
                if there.get(key) != unit["revision"]
            ]
            if changed:
                shortened += server.put(found.only(changed))
                sent += len(changed)
            advance(len(batch.units))
    known = np.sort(np.concatenate(mine))
    gone = [] if anew else [key for page in server.pages() for key in _beyond(known, page)]
    for start in range(0, len(gone), REMOVED_AT_A_TIME):
        server.remove(gone[start : start + REMOVED_AT_A_TIME])
    return ExportReport(server.place, len(known), sent, len(gone), left_out, shortened)


def _check(server: Server, held: Held, exported: Exported) -> None:
    """Refuse a collection that was made by something else, before anything in it is changed."""
    another = "name another with --collection, or delete that one first"
    if held.dim is None:
        raise TellapartError(f"{server.place} was not made by an export of tellapart: {another}")
    if held.encoder not in (None, exported.encoder) or held.dim != exported.dim:
        raise TellapartError(
            f"{server.place} holds vectors of {held.encoder or 'another encoder'} ({held.dim} dimensions), not of"
            f" {exported.encoder} ({exported.dim}): {another}"
        )


def _numbers(keys: Sequence[str]) -> np.ndarray:
    """First half of each key, which tells those that are gone in eight bytes a unit.

    Among 10 million units two share it with a chance of 3 in a million; then one that is gone stays.
    """
    return np.array([int(key[:18].replace("-", ""), 16) for key in keys], np.uint64)


def _beyond(known: np.ndarray, keys: Sequence[str]) -> list[str]:
    """Those of some keys that are not known."""
    missing = ~np.isin(_numbers(keys), known)
    return [key for key, gone in zip(keys, missing.tolist(), strict=True) if gone]


@contextmanager
def _spoken(server: Server) -> Iterator[None]:
    try:
        yield
    except server.errors as error:
        raise TellapartError(
            f"{server.place}: {said(error)}; mend that and run the command again: it goes on where it was"
        ) from error


def unreached(place: str, error: BaseException) -> TellapartError:
    """Give the error for a place that cannot be opened."""
    server = "check the address, the password or key, and that the server runs"
    folder = "check that it is there, that it can be written and that no other process has it open"
    return TellapartError(f"{place}: {said(error)}; {server if is_url(place) else folder}")


def said(error: BaseException) -> str:
    """Shorten what a library says to a line."""
    words = " ".join(str(error).partition(" caused by: ")[0].split()) or type(error).__name__
    return words if len(words) <= LONGEST_SAID else f"{words[:LONGEST_SAID]}..."


def is_url(to: str) -> bool:
    """Whether a place is a server rather than a file or folder."""
    return "://" in to


def shown(to: str | Path, collection: str) -> str:
    """Name a collection without the password that may stand in a URL.

    Raises:
        TellapartError: It is meant as a URL and cannot be read as one.
    """
    text = str(to)
    if HOST_AND_PORT.fullmatch(text):
        raise TellapartError(f"{text} is no address: write http://{text}")
    if is_url(text):
        try:
            parts = urlsplit(text)
            misread = parts.port == 0 or "@" in f"{parts.path}{parts.query}{parts.fragment}"
        except ValueError:  # its words may quote the password
            misread = True
        if misread:
            raise TellapartError(
                f"{concealed(text)!r} is no address: write http://host:port, and special characters of a password as"
                " %40 and so on (@ %40, / %2F, # %23, ? %3F)"
            )
        user, at, host = parts.netloc.rpartition("@")
        text = urlunsplit(parts._replace(netloc=f"{user.partition(':')[0]}{at}{host}"))
    return f"collection {collection!r} in {text}"
