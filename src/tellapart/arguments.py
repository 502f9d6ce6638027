"""What a caller of the Python API may give: checks that say in one line what is wrong and what to give."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from os import PathLike, fspath
from pathlib import Path
from typing import TypeVar

from tellapart.errors import TellapartError

E = TypeVar("E", bound=Enum)
T = TypeVar("T")

SHOWN = 60
"""Characters of a wrong value that fit in one line beside what is wrong with it."""

Names = str | PathLike[str] | Iterable[str | PathLike[str]]
"""One name (a file, a condition, the id of a unit), or several. A `str` or `Path` is always one."""


def shown(value: object) -> str:
    """Show a wrong value and its type, for an error."""
    text = repr(value)
    return f"{text if len(text) <= SHOWN else text[: SHOWN - 1] + '…'} ({type(value).__name__})"


def names(given: Names | None, what: str) -> tuple[str, ...]:
    """Turn one name or several into a tuple; `what` names the argument in the error.

    Raises:
        TellapartError: Something else than text or a path was given.
    """
    if given is None or given == ():
        return ()
    if isinstance(given, bytes) or not isinstance(given, str | PathLike | Iterable):
        raise TellapartError(f"{what} is {shown(given)}: give a text, a path or a list of them")
    several = (given,) if isinstance(given, str | PathLike) else tuple(given)
    for each in several:
        if not isinstance(each, str | PathLike):
            raise TellapartError(f"{what} holds {shown(each)}: give texts or paths")
    return tuple(str(fspath(each)) for each in several)


def texts(given: str | Iterable[str], what: str) -> list[str]:
    """Turn one text or several into a list.

    Raises:
        TellapartError: Something else than texts was given.
    """
    if not isinstance(given, str | Iterable):
        raise TellapartError(f"{what} is {shown(given)}: give a text or a list of texts")
    several = [given] if isinstance(given, str) else list(given)
    for each in several:
        if not isinstance(each, str):
            raise TellapartError(f"{what} holds {shown(each)}: give texts")
    return several


def need(value: T, kind: type, what: str, give: str) -> T:
    """Give the value back if it is of a type, else say what to give."""
    if not isinstance(value, kind):
        raise TellapartError(f"{what} is {shown(value)}: give {give}")
    return value


def path_of(given: object, what: str) -> Path:
    """Make a path of a text or a path.

    Raises:
        TellapartError: It is neither.
    """
    if not isinstance(given, str | PathLike):
        raise TellapartError(f"{what} is {shown(given)}: give a path")
    return Path(given)


def member(kind: type[E], given: object, what: str) -> E:
    """Find the member of an enumeration by its value.

    Raises:
        TellapartError: There is none; the message names all.
    """
    try:
        return kind(given)
    except ValueError:
        known = ", ".join(str(each.value) for each in kind)
        raise TellapartError(f"unknown {what} {given!r}: choose from {known}") from None


def whole_number(given: object, what: str, *, least: int | None = None) -> int:
    """Check a whole number.

    Raises:
        TellapartError: It is none, or below `least`.
    """
    if isinstance(given, bool) or not isinstance(given, int):
        raise TellapartError(f"{what} is {shown(given)}: give a whole number")
    if least is not None and given < least:
        raise TellapartError(f"{what} is {given}: give at least {least}")
    return given
