"""Lines of an ignore file become regular expressions over bytes, with git's meaning of every sign.

Sources: the page gitignore(5) and the behaviour of `git check-ignore`, which is the referee of the tests. Like
git this matches bytes (`?` is one byte, not one letter) and one entry at a time: what lies in an ignored folder
is never asked about, since the walk does not enter it. The package pathspec answers another question (whether
a path or anything above it matches), and disagrees with git where a folder is taken back in (`*`, `!*/`,
`!*.py`).
"""

from __future__ import annotations

import re
import string
from dataclasses import dataclass

_SPECIAL = b"*?[\\"


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of an ignore file.

    `pattern` is the source of a regular expression over bytes that must match as a whole: the entry's name
    where `by_name`, else its path relative to the ignore file's folder.
    """

    pattern: bytes
    by_name: bool
    negated: bool
    only_folders: bool
    line: int
    text: str


def parse_rules(content: bytes) -> list[Rule]:
    """Read an ignore file; comments, blank lines and patterns that can match nothing fall away."""
    rules = []
    for number, raw in enumerate(content.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        rule = None if raw.startswith(b"#") else parse_rule(raw.removesuffix(b"\r"), number)
        if rule is not None:
            rules.append(rule)
    return rules


def parse_rule(raw: bytes, number: int = 0) -> Rule | None:
    """Read one pattern, or None where it can match nothing."""
    raw = _without_trailing_spaces(raw)
    body = raw.removeprefix(b"!")
    only_folders = body.endswith(b"/")
    if only_folders:
        body = body[:-1]
    by_name = b"/" not in body
    pattern = _translate(body, paths=False) if by_name else _translate_path(body.removeprefix(b"/"))
    if not body or pattern is None:
        return None
    shown = raw.decode("utf-8", "backslashreplace")
    return Rule(pattern, by_name, raw.startswith(b"!"), only_folders, number, shown)


def folders_above(body: bytes) -> tuple[list[bytes], bytes | None]:
    """Patterns of the folders above what a path pattern names, and the one below which anything may match.

    `gen/*/x.proto` -> [`/gen`, `/gen/*`], None; `gen/**/x.proto` -> [`/gen`], `/gen`. Nothing for a pattern
    that is matched by name or begins with `**`: that is no reason to search every ignored folder.
    """
    parts = body.removeprefix(b"!").removeprefix(b"/").rstrip(b"/").split(b"/")
    stop = parts.index(b"**") if b"**" in parts else len(parts) - 1
    leads = [b"/" + b"/".join(parts[: i + 1]) for i in range(stop)]
    return leads, (leads[-1] if leads and b"**" in parts else None)


def _without_trailing_spaces(raw: bytes) -> bytes:
    """Cut trailing spaces unless a backslash protects them (an even walk, as git does it)."""
    end = position = 0
    while position < len(raw):
        if raw[position] == ord("\\"):
            position += 1
            if position >= len(raw):
                return raw
            end = position + 1
        elif raw[position] != ord(" "):
            end = position + 1
        position += 1
    return raw[:end]


def _translate_path(body: bytes) -> bytes | None:
    """Translate a pattern with a slash.

    Git compares everything before the first special sign literally and only then starts matching, so that
    `**` right after it counts as if it stood at the start of a part (`foo**/bar` reaches into folders).
    """
    cut = next((i for i, byte in enumerate(body) if byte in _SPECIAL), len(body))
    rest = _translate(body[cut:], paths=True)
    return None if rest is None else re.escape(body[:cut]) + rest


def _translate(body: bytes, *, paths: bool) -> bytes | None:
    """Translate a glob; with `paths`, a star stops at slashes unless it is doubled."""
    out: list[bytes] = []
    i = 0
    while i < len(body):
        sign = body[i : i + 1]
        if sign == b"*":
            piece, i = _stars(body, i, paths=paths)
        elif sign == b"?":
            piece, i = (b"[^/]" if paths else b"."), i + 1
        elif sign == b"[":
            bracket = _bracket(body, i + 1)
            if bracket is None:
                return None
            members, i = bracket
            piece = _character_class(members - {ord("/")} if paths else members)
        elif sign == b"\\":
            if i + 1 == len(body):
                return None
            piece, i = re.escape(body[i + 1 : i + 2]), i + 2
        else:
            piece, i = re.escape(sign), i + 1
        out.append(piece)
    return b"".join(out)


def _stars(body: bytes, start: int, *, paths: bool) -> tuple[bytes, int]:
    """Translate a run of stars; returns the pattern and where to go on."""
    end = start
    while end < len(body) and body[end] == ord("*"):
        end += 1
    if not paths:
        return b".*", end
    rest = body[end:]
    whole_part = (start == 0 or body[start - 1] == ord("/")) and (not rest or rest.startswith((b"/", b"\\/")))
    if end - start == 1 or not whole_part:
        return b"[^/]*", end
    if rest.startswith(b"/"):
        return b"(?:.*/)?", end + 1
    return b".*", end


_CLASSES = {
    "alpha": string.ascii_letters,
    "digit": string.digits,
    "alnum": string.ascii_letters + string.digits,
    "lower": string.ascii_lowercase,
    "upper": string.ascii_uppercase,
    "xdigit": string.hexdigits,
    "punct": string.punctuation,
    "blank": " \t",
    "space": string.whitespace,
    "cntrl": "".join(map(chr, [*range(32), 127])),
    "graph": "".join(map(chr, range(33, 127))),
    "print": "".join(map(chr, range(32, 127))),
}


def _bracket(body: bytes, start: int) -> tuple[set[int], int] | None:
    """Read `[...]` from after its opening: the bytes it matches and where to go on; None if malformed."""
    i = start
    negated = body[i : i + 1] in (b"!", b"^")
    i += negated
    members: set[int] = set()
    previous: int | None = None
    first = True
    while first or body[i : i + 1] != b"]":
        first = False
        if i >= len(body):
            return None
        if (
            body[i : i + 2] == b"[:"
            and (close := body.find(b"]", i + 2)) > i + 2
            and body[close - 1] == ord(":")
        ):
            named = _CLASSES.get(body[i + 2 : close - 1].decode("latin-1"))
            if named is None:
                return None
            members.update(named.encode())
            previous, i = None, close + 1
        elif body[i] == ord("-") and previous is not None and body[i + 1 : i + 2] not in (b"", b"]"):
            last = _literal(body, i + 1)
            if last is None:
                return None
            members.update(range(previous, last[0] + 1))
            previous, i = None, last[1]
        else:
            literal = _literal(body, i)
            if literal is None:
                return None
            previous, i = literal
            members.add(previous)
    return (set(range(1, 256)) - members if negated else members), i + 1


def _literal(body: bytes, i: int) -> tuple[int, int] | None:
    """One byte of a bracket, escaped or not, and where to go on."""
    if body[i] == ord("\\"):
        i += 1
    return (body[i], i + 1) if i < len(body) else None


def _character_class(members: set[int]) -> bytes:
    """Write a set of bytes as a regular expression; the empty set matches nothing."""
    if not members:
        return b"(?!)"
    return b"[" + b"".join(b"\\x%02x" % byte for byte in sorted(members)) + b"]"
