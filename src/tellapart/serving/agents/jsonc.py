"""JSON with comments and trailing commas as text: where members stand, so that one can be added or cut out.

Nothing is parsed into values and written again: whatever a person wrote stays as it is, byte for byte.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

BLANK = re.compile(r"(?:[\s\ufeff]|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
STRING = re.compile(r'"(?:[^"\\\n]|\\.)*"')
SCALAR = re.compile(r"[^\s,\]}/\[{\"]+")
REST_OF_LINE = re.compile(r"[ \t]*(?://[^\n]*|/\*[^\n]*?\*/[ \t]*)?(?=\r?\n)")


class NotJsonError(ValueError):
    """The text is no JSON; `line` counts from 1."""

    def __init__(self, line: int) -> None:
        super().__init__(f"line {line} is no JSON")
        self.line = line


@dataclass(frozen=True, slots=True)
class Member:
    """A key and its value; offsets into the text, ends exclusive."""

    key: str
    start: int
    value: int
    end: int
    object: ObjectSpan | None


@dataclass(frozen=True, slots=True)
class ObjectSpan:
    """An object from its `{` to behind its `}`."""

    start: int
    end: int
    members: tuple[Member, ...]

    def member(self, key: str) -> Member | None:
        """Find a member; of several of one name the last one counts, as for parsers."""
        return next((each for each in reversed(self.members) if each.key == key), None)


def read_object(text: str) -> ObjectSpan:
    """Find the members of the object that a text consists of.

    Raises:
        NotJsonError: It is something else.
    """
    start = _skip(text, 0)
    end, found = _value(text, start)
    if found is None or _skip(text, end) != len(text):
        raise _error(text, start if found is None else end)
    return found


def insert(text: str, path: Sequence[str], key: str, value: Mapping[str, object]) -> str:
    """Add a member as the first one of the object at `path`, which is made where it is missing.

    Raises:
        NotJsonError: The text is no JSON object, or something on the path is none.
    """
    if not BLANK.sub("", text, count=1):
        return text + _written(_nested((*path, key), value), "  ", "\n") + "\n"
    at = read_object(text)
    for position, name in enumerate(path):
        member = at.member(name)
        if member is None:
            return _first(text, at, name, _nested((*path[position + 1 :], key), value), depth=position + 1)
        if member.object is None:
            raise _error(text, member.value)
        at = member.object
    return _first(text, at, key, value, depth=len(path) + 1)


def remove(text: str, path: Sequence[str], key: str) -> str:
    """Cut a member out, with its comma and the line it leaves empty."""
    at: ObjectSpan | None = read_object(text)
    for name in path:
        member = at.member(name) if at else None
        at = member.object if member else None
    found = at.member(key) if at else None
    if at is None or found is None:
        return text
    start, end = found.start, found.end
    comma = _skip(text, end)
    if text[comma : comma + 1] == ",":
        end = comma + 1
    else:
        before = max((each.end for each in at.members if each.end <= start), default=None)
        if before is not None:  # the last one: the comma before it goes instead
            start = before
    while start > at.start + 1 and text[start - 1] in " \t":
        start -= 1
    if text[start - 1] != "\n":
        end += text[end : end + 1] == " "
    elif rest := re.match(r"[ \t]*\r?\n", text[end:]):
        end += rest.end()
    return text[:start] + text[end:]


def _first(text: str, at: ObjectSpan, key: str, value: Mapping[str, object], *, depth: int) -> str:
    newline = "\r\n" if "\r\n" in text else "\n"
    place = at.start + 1
    if not at.members:
        unit = _unit(text)
        inner, outer = newline + unit * depth, newline + unit * (depth - 1)
        body = f"{json.dumps(key)}: " + _written(value, unit, inner)
        rest = text[place : at.end - 1]
        return text[:place] + inner + body + ("" if "\n" in rest else outer) + text[place:]
    before = text[place : at.members[0].start]
    if "\n" not in before:
        return text[:place] + f"{json.dumps(key)}: {json.dumps(value)}, " + text[place:]
    indent = re.search(r"[ \t]*$", before)
    inner = newline + (indent.group() if indent else "")
    comment = REST_OF_LINE.match(text, place)
    place = comment.end() if comment else place
    body = inner + f"{json.dumps(key)}: " + _written(value, _unit(text), inner) + ","
    return text[:place] + body + text[place:]


def _written(value: Mapping[str, object], unit: str, inner: str) -> str:
    """Write a value whose own lines begin with `inner` (a newline and an indentation)."""
    newline = inner if inner.startswith(("\n", "\r")) else "\n"
    return json.dumps(value, indent=unit, ensure_ascii=False).replace("\n", newline)


def _nested(path: Sequence[str], value: Mapping[str, object]) -> Mapping[str, object]:
    for name in reversed(path):
        value = {name: value}
    return value


def _unit(text: str) -> str:
    """What a text indents by."""
    found = re.search(r"\n([ \t]+)\S", text)
    return found.group(1) if found else "  "


def _skip(text: str, at: int) -> int:
    found = BLANK.match(text, at)
    return found.end() if found else at


def _value(text: str, at: int) -> tuple[int, ObjectSpan | None]:
    """Where a value ends; its members where it is an object."""
    opening = text[at : at + 1]
    if opening == "{":
        return _object(text, at)
    if opening == "[":
        return _array(text, at), None
    found = (STRING if opening == '"' else SCALAR).match(text, at)
    if not found:
        raise _error(text, at)
    if opening != '"':
        try:
            json.loads(found.group())
        except ValueError:
            raise _error(text, at) from None
    return found.end(), None


def _object(text: str, start: int) -> tuple[int, ObjectSpan]:
    members = []
    at = _skip(text, start + 1)
    while text[at : at + 1] != "}":
        key = STRING.match(text, at)
        if not key:
            raise _error(text, at)
        colon = _skip(text, key.end())
        if text[colon : colon + 1] != ":":
            raise _error(text, colon)
        value = _skip(text, colon + 1)
        end, inner = _value(text, value)
        members.append(Member(json.loads(key.group()), at, value, end, inner))
        at = _after(text, end, "}")
    return at + 1, ObjectSpan(start, at + 1, tuple(members))


def _array(text: str, start: int) -> int:
    at = _skip(text, start + 1)
    while text[at : at + 1] != "]":
        end, _ = _value(text, at)
        at = _after(text, end, "]")
    return at + 1


def _after(text: str, end: int, closing: str) -> int:
    """Step over the comma behind a value; what follows is the next one or the end."""
    at = _skip(text, end)
    if text[at : at + 1] == ",":
        return _skip(text, at + 1)
    if text[at : at + 1] != closing:
        raise _error(text, at)
    return at


def _error(text: str, at: int) -> NotJsonError:
    return NotJsonError(text.count("\n", 0, at) + 1)
