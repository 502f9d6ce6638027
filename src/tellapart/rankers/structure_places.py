"""Places that stand in a query, as compilers, grep, stack traces and web pages print them: paths, lines, calls."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from tellapart.index.names import Names

_PATH = r"[\w@+~./\\-]*[\w+-]\.[A-Za-z]\w{0,9}\b"
_PATH_ALONE = re.compile(_PATH)
_PLACE = re.compile(
    rf"(?<![\w@+~./\\-])({_PATH}|[\w@+~./\\-]*\w(?=:\d))"  # a file without an extension only with its line
    r"(?:(?::|\(|\#L|[\"']?[,:]?\s(?:on\s)?line\s)(\d{1,7})(?![\w.]))?"
)

_NAME = r"[A-Za-z_$][\w$]*(?:(?:\.|::|->|\#|\\)[\w$<>?!`]+)*"
_CALLED = re.compile(
    rf"""
      (?:line\ \d+,|:\d+:)\ in\ ({_NAME})$                   # Python, pytest:  line 3, in f
    | \bat\ (?:(?:async|new)\ )?(?:[\w.]+/)?({_NAME})(?:\[[\w,\ ]+\]|\ \[as\ \w+\])?\ ?\(  # JavaScript, Java, C#
    | :in\ [`'"](?:[\w\s()]+\ in\ )?({_NAME})                # Ruby:            x.rb:3:in 'Foo#bar'
    | \ in\ (?:function|method|upvalue|local|field)\ ['<]({_NAME})               # Lua
    | \ in\ ({_NAME})\ \([^\n]{{0,500}}\)\ at\                 # gdb:             in f (x=1) at x.c:3
    | ^(\S{{1,300}})\([^\n]{{0,500}}\)\n\s+\S+\.go:\d          # Go:              the place is on the next line
    | ^\s*\d+:\s+(\S+)\n\s+at\                               # Rust
    | \.php\(\d+\):\ ({_NAME})\(                             # PHP
    | \.exs?:\d+:\ ({_NAME})/\d                              # Elixir
    """,
    re.VERBOSE | re.MULTILINE,
)
_LAST_IS_NEAREST = re.compile(r"most recent call last|^\S+:\d+: in ", re.MULTILINE)
"""What Python and pytest write; in most other traces the first call is the one nearest to the failure."""

_CAUSE = "Caused by:"
"""What follows the last of these in a trace of Java is where it began."""

Each = TypeVar("Each")


@dataclass(frozen=True, slots=True)
class Spoken:
    """A path as it stands in a query, and the line that stands with it."""

    path: str
    line: int | None


@dataclass(frozen=True, slots=True)
class NamedFile:
    """How surely a query means a file, from .75 to 1, and the line that it names."""

    weight: float
    line: int | None


def spoken_places(text: str) -> list[Spoken]:
    """Read the paths of a query, the one nearest to a failure first."""
    if "." not in text and ":" not in text:
        return []
    found = [
        Spoken(path.replace("\\", "/").removeprefix("./"), int(line) if line else None)
        for path, line in _PLACE.findall(_cause_first(text))
    ]
    return list(dict.fromkeys(_nearest_first(found, text)))


def calls(text: str) -> list[str]:
    """Read the functions that a stack trace went through, the one nearest to the failure first."""
    found = [
        next(filter(None, groups)).rpartition("/")[2].translate(_PLAIN)
        for groups in _CALLED.findall(_cause_first(text))
    ]
    return _nearest_first(found, text)


_PLAIN = str.maketrans("$", ".", "(*)")
"""Java writes an inner class as `Outer$Inner`, Go a method as `(*Context).Next`."""


def without_places(text: str) -> str:
    """Take out of a query what is surely a place and no name: it has a folder or a line."""
    return _PLACE.sub(lambda match: " " if match[2] or "/" in match[1] else match[0], text)


def is_path_alone(text: str) -> bool:
    """Whether a query is nothing but a path."""
    return _PATH_ALONE.fullmatch(text.strip()) is not None


def named_files(text: str, names: Names) -> dict[int, NamedFile]:
    """Find the files whose paths stand in a query; of those in a stack trace the one nearest to the failure first.

    A path may begin elsewhere than in the index, as that of an installed package does: then at least the file and its
    folder must be the same, and the files with which it shares most are meant.
    """
    lines: dict[int, int | None] = {}
    for spoken in spoken_places(text):
        for position in _files_called(spoken.path, names):
            lines[position] = lines.get(position) or spoken.line
    return {
        position: NamedFile(1 - 0.25 * place / len(lines), line)
        for place, (position, line) in enumerate(lines.items())
    }


def _files_called(path: str, names: Names) -> list[int]:
    wanted = path.split("/")
    best = 0
    found: list[int] = []
    for segment, first in zip(names.segments, names.first, strict=False):
        for position in segment.called(wanted[-1]):
            own = segment.paths[position].split("/")
            rank = _shared_end(own, wanted) + (own == wanted)
            if not is_meant(path, segment.paths[position]):
                continue
            if rank > best:
                best, found = rank, []
            if rank == best:
                found.append(position + first)
    return found


def is_meant(spoken: str, path: str) -> bool:
    """Whether a path as it stands in a query may be that of a file."""
    own, wanted = path.split("/"), spoken.split("/")
    return _shared_end(own, wanted) >= min(2, len(own), len(wanted))


def _shared_end(one: Sequence[str], other: Sequence[str]) -> int:
    """How many parts two paths have in common, from the file upwards."""
    shared = 0
    for a, b in zip(reversed(one), reversed(other), strict=False):
        if a != b:
            break
        shared += 1
    return shared


def _cause_first(text: str) -> str:
    before, cause, after = text.rpartition(_CAUSE)
    return f"{after}\n{before}" if cause else text


def _nearest_first(found: list[Each], text: str) -> list[Each]:
    return found[::-1] if _LAST_IS_NEAREST.search(text) else found
