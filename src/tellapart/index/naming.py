"""What names are made of: the words of paths and identifiers, and what makes two names the same."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import PurePosixPath

from tellapart.index.lexical.tokens import identifier_parts

KEPT_WORDS = 1 << 14
"""Identifiers whose parts stay in memory, some 4 MB: labels and folders repeat the same ones."""

_APART = re.compile(r"[\W]+")
_QUALIFIERS = re.compile(r"::|->|[.#\\/:]")


def words_of(text: str) -> list[str]:
    """Cut a path or a query into lower-case parts of identifiers: `src/HTTPServer_v2` -> src, http, server, v, 2."""
    if text.isascii() and text.isidentifier():
        return list(_lower_parts(text))
    return [part for word in _APART.split(text) if word for part in _lower_parts(word)]


@lru_cache(maxsize=KEPT_WORDS)
def _lower_parts(word: str) -> tuple[str, ...]:
    return tuple([part.lower() for part in identifier_parts(word)])


def last_name(label: str) -> str:
    """Give what a qualified name ends with: `bar` of `Foo.bar`, `a::bar` and `Foo#bar`."""
    if label.isidentifier():
        return label
    pieces = [piece for piece in _QUALIFIERS.split(label) if piece]
    return pieces[-1] if pieces else label


def plain(name: str) -> str:
    """Forget case and signs, so that parse_json, parseJson and ParseJSON are one name."""
    if name.isascii() and name.isidentifier():  # nearly all
        return name.lower().replace("_", "")
    return "".join(filter(str.isalnum, name.casefold()))


def depth_of(path: str) -> int:
    """How many folders a path goes through, -1 where there is none."""
    if path[:1].isalnum() and path[-1].isalnum() and "//" not in path and "/." not in path:
        return path.count("/")
    return len(PurePosixPath(path).parts) - 1


def stem_of(path: str) -> str:
    """Name of a file without folders and its last extension."""
    name = path.rpartition("/")[2]
    return name.rpartition(".")[0] or name
