"""Filters as PostgreSQL reads them, true of the same documents as in SQLite."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tellapart.index.postgres.schema import plain
from tellapart.index.where import COLUMNS, Clause, Value

_OPERATORS = {"=": "=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}


@dataclass(frozen=True, slots=True)
class PostgresDialect:
    """Writes tests on the columns of `documents` and on their metadata, a JSON object without nulls."""

    any_has: Callable[[str, Sequence[Value]], bool]
    """Whether any document meets a condition."""

    def field(self, keys: Sequence[str]) -> Clause | None:
        """Give a column, or the path of a metadata key as a parameter."""
        if len(keys) == 1 and keys[0].lower() in COLUMNS:
            return keys[0].lower(), []
        path: list[Value] = [_path(keys)]
        return ("metadata", path) if self.any_has("(metadata #> %s::text[]) IS NOT NULL", path) else None

    def present(self, field: Clause) -> Clause:
        """Test that a document has a field."""
        return f"({_text(field)} IS NOT NULL)", field[1]

    def equal(self, field: Clause, value: Value) -> Clause:
        """Compare text with text, and numbers of the metadata with numbers."""
        if isinstance(value, str) or field[0] != "metadata":
            return f"COALESCE({_text(field)} = %s, false)", [*field[1], plain(str(value))]
        return _number(field, "=", value)

    def ordered(self, field: Clause, operator: str, value: Value) -> Clause:
        """Compare text with text, by code points, and numbers with numbers."""
        if isinstance(value, str):
            sql = f'COALESCE({_text(field)} COLLATE "C" {_OPERATORS[operator]} %s, false)'
            return sql, [*field[1], plain(value)]
        return _number(field, _OPERATORS[operator], value) if field[0] == "metadata" else ("false", [])

    def alike(self, field: Clause, operator: str, pattern: str) -> Clause:
        """Compare with a pattern: `like` forgets the case of ASCII letters, as in SQLite."""
        text, pattern = f"COALESCE({_text(field)}, '') COLLATE \"C\"", plain(pattern)
        if operator == "glob":
            expression = glob_expression(pattern)
            return ("false", []) if expression is None else (f"({text} ~ %s)", [*field[1], expression])
        return f"(lower({text}) LIKE lower(%s COLLATE \"C\") ESCAPE '')", [*field[1], pattern]


def _text(field: Clause) -> str:
    return field[0] if field[0] != "metadata" else "(metadata #>> %s::text[])"


def _number(field: Clause, operator: str, value: float) -> Clause:
    """Compare where the metadata holds a number, and only there make one of it."""
    sql = (
        "(CASE WHEN jsonb_typeof(metadata #> %s::text[]) = 'number'"
        f" THEN (metadata #>> %s::text[])::numeric {operator} %s::text::numeric ELSE false END)"
    )
    return sql, [*field[1], *field[1], repr(value)]


def _path(keys: Sequence[str]) -> str:
    """Write keys as an array of PostgreSQL."""
    quoted = (plain(key).replace("\\", "\\\\").replace('"', '\\"') for key in keys)
    return "{" + ",".join(f'"{key}"' for key in quoted) + "}"


def glob_expression(pattern: str) -> str | None:
    """Write a glob of SQLite as a regular expression of PostgreSQL; None where it matches nothing."""
    pieces, at = [], 0
    while at < len(pattern):
        character = pattern[at]
        at += 1
        if character == "*":
            pieces.append(".*")
        elif character == "?":
            pieces.append(".")
        elif character == "[":
            negated = pattern[at : at + 1] == "^"
            first = at + negated
            end = pattern.find("]", first + 1)
            if end < 0:
                return None
            pieces.append(f"[{'^' * negated}{_members(pattern[first:end])}]")
            at = end + 1
        else:
            pieces.append(f"\\{character}" if character.isascii() and not character.isalnum() else character)
    return f"^{''.join(pieces)}$"


def _members(written: str) -> str:
    """Write the members of a set; of a range from a later to an earlier character SQLite keeps the first alone."""
    pieces, at, start = [], 0, ""
    while at < len(written):
        character = written[at]
        if character == "-" and start and at + 1 < len(written):
            at += 1
            if start <= written[at]:
                pieces.append(f"{_member(start)}-{_member(written[at])}")
            start = ""
        else:
            pieces.append(_member(character))
            start = character if at or character != "]" else ""
        at += 1
    return "".join(pieces)


def _member(character: str) -> str:
    return f"\\{character}" if character in "\\[]^-" else character
