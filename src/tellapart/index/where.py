"""Filters: a condition over documents, parsed here and handed to the database with its values as parameters.

    condition  = term { "or" term };  term = factor { "and" factor };  factor = ["not"] ( "(" condition ")" | test )
    test       = field operator value | field ["not"] "in" "(" value {"," value} ")" | field "is" ["not"] "null"
    operator   = "=" | "!=" | "<" | "<=" | ">" | ">=" | ["not"] "like" | ["not"] "glob"
    value      = 'text' ('' is a quote in it) | number | true | false

A field is a column below or a key of the document's metadata, nested with dots, "quoted" where it holds other
characters. Every test is true or false: a document without the field equals nothing and is unlike everything.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from tellapart.errors import TellapartError

COLUMNS = ("id", "path", "kind", "language", "title", "source")
COMPARISONS = ("=", "==", "!=", "<>", "<", "<=", ">", ">=")
PATTERNS = ("like", "glob")
DEEPEST = 50
"""Parentheses and `not` inside one another; SQLite itself takes 1,000."""

TOKEN = re.compile(
    r"""\s*(?: (?P<text>'(?:[^']|'')*') | (?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w.]))
          | "(?P<quoted>(?:[^"]|"")+)" | (?P<word>[^\W\d][\w.-]*) | (?P<sign><=|>=|<>|!=|==|[=<>(),]) )""",
    re.VERBOSE,
)

Value = str | int | float
Clause = tuple[str, list[Value]]


@dataclass(frozen=True, slots=True)
class _Token:
    """A piece of a condition; `value` is what it stands for, words in lower case where they are keywords."""

    kind: str
    value: Value
    start: int

    def says(self, *words: str) -> bool:
        return self.kind in {"word", "sign"} and str(self.value).lower() in words


class Dialect(Protocol):
    """How a database writes the tests of a filter; every test is true or false, never unknown."""

    def field(self, keys: Sequence[str]) -> Clause | None:
        """Give the SQL of a column or a metadata key; None where no document has it."""
        ...

    def present(self, field: Clause) -> Clause:
        """Test that a document has a field."""
        ...

    def equal(self, field: Clause, value: Value) -> Clause:
        """Test that a field equals a value, text as text and numbers as numbers."""
        ...

    def ordered(self, field: Clause, operator: str, value: Value) -> Clause:
        """Test the order of a field and a value of the same kind."""
        ...

    def alike(self, field: Clause, operator: str, pattern: str) -> Clause:
        """Test a field against a pattern of `like` (% and _, any case) or `glob` (*, ? and [...])."""
        ...


def condition_sql(conditions: Sequence[str], dialect: Dialect) -> Clause:
    """Write SQL that is true of documents that meet every condition, and the parameters in it.

    Raises:
        TellapartError: A condition cannot be read, or names a field that no document has.
    """
    clauses, values = [], []
    for condition in conditions:
        clause, own = _Parser(dialect, condition).parse()
        clauses.append(clause)
        values += own
    return " AND ".join(clauses), values


@dataclass(frozen=True, slots=True)
class SqliteDialect:
    """Filters as SQLite reads them."""

    connection: sqlite3.Connection

    def field(self, keys: Sequence[str]) -> Clause | None:
        """Give a column, or a key of the metadata, which keeps its type, so that years compare."""
        if len(keys) == 1 and keys[0].lower() in COLUMNS:
            return keys[0].lower(), []
        if any("\0" in key for key in keys):  # where SQLite ends the path
            return None
        path = "$." + ".".join('"' + key.replace('"', "") + '"' for key in keys)
        known = self.connection.execute(
            "SELECT 1 FROM documents WHERE json_extract(metadata, ?) IS NOT NULL LIMIT 1", (path,)
        ).fetchone()
        return ("json_extract(metadata, ?)", [path]) if known else None

    def present(self, field: Clause) -> Clause:
        """Test that a document has a field."""
        return f"{field[0]} IS NOT NULL", field[1]

    def equal(self, field: Clause, value: Value) -> Clause:
        """Compare with text as text: metadata may hold a year as a number, and 'text' was asked for."""
        column = f"CAST({field[0]} AS TEXT)" if isinstance(value, str) else field[0]
        return f"({column} IS ?)", [*field[1], value]

    def ordered(self, field: Clause, operator: str, value: Value) -> Clause:
        """Compare text with text and numbers with numbers: SQLite puts every text above every number."""
        column, path = field
        if isinstance(value, str):
            return f"COALESCE(CAST({column} AS TEXT) {operator} ?, 0)", [*path, value]
        numeric = f"typeof({column}) IN ('integer', 'real') AND {column} {operator} ?"
        return f"COALESCE({numeric}, 0)", [*path, *path, value]

    def alike(self, field: Clause, operator: str, pattern: str) -> Clause:
        """Compare with a pattern."""
        return f"(COALESCE({field[0]}, '') {operator.upper()} ?)", [*field[1], pattern]


class _Parser:
    """Recursive descent over one condition; writes only SQL of its own, values go in as parameters."""

    def __init__(self, dialect: Dialect, condition: str) -> None:
        self.dialect = dialect
        self.condition = condition
        self.tokens: list[_Token] = []
        self.position = 0
        self.depth = 0
        self._read_tokens()

    def parse(self) -> Clause:
        clause = self._or()
        if self._peek().kind != "end":
            raise self._error("expected and, or, or the end")
        return clause

    def _read_tokens(self) -> None:
        start, text = 0, self.condition.rstrip()
        while start < len(text) and (match := TOKEN.match(text, start)):
            kind = str(match.lastgroup)
            self.tokens.append(_Token(kind, _value(kind, match[kind]), match.start(kind)))
            start = match.end()
        self.tokens.append(_Token("end", "", start))
        if start < len(text):
            self.position = len(self.tokens) - 1
            raise self._error("stopped")

    def _peek(self) -> _Token:
        return self.tokens[self.position]

    def _next(self) -> _Token:
        token = self.tokens[self.position]
        self.position = min(self.position + 1, len(self.tokens) - 1)
        return token

    def _accept(self, *words: str) -> bool:
        if self._peek().says(*words):
            self._next()
            return True
        return False

    def _expect(self, word: str) -> None:
        if not self._accept(word):
            raise self._error(f"expected {word}")

    def _or(self) -> Clause:
        return self._joined("or", self._and)

    def _and(self) -> Clause:
        return self._joined("and", self._factor)

    def _joined(self, word: str, part: Callable[[], Clause]) -> Clause:
        clauses = [part()]
        while self._accept(word):
            clauses.append(part())
        if len(clauses) == 1:
            return clauses[0]
        return f"({f' {word.upper()} '.join(sql for sql, _ in clauses)})", [
            v for _, own in clauses for v in own
        ]

    def _factor(self) -> Clause:
        self.depth += 1
        if self.depth > DEEPEST:
            raise self._error(f"more than {DEEPEST} conditions inside one another")
        try:
            if self._accept("not"):
                sql, values = self._factor()
                return _negated((sql, values))
            if self._accept("("):
                clause = self._or()
                self._expect(")")
                return clause
            return self._test()
        finally:
            self.depth -= 1

    def _test(self) -> Clause:
        token = self._peek()
        if token.kind not in {"word", "quoted"}:
            raise self._error("expected a field")
        self._next()
        name = str(token.value)
        keys = [name] if token.kind == "quoted" else name.split(".")
        field = self.dialect.field(keys)
        if field is None:
            raise TellapartError(
                f"no document has a field {'.'.join(keys)!r} to filter by:"
                f" use {', '.join(COLUMNS)} or a metadata key"
            )
        if self._accept("is"):
            present = self._accept("not")
            self._expect("null")
            clause = self.dialect.present(field)
            return clause if present else _negated(clause)
        negated = self._accept("not")
        operator = self._next()
        if operator.says("in"):
            tests = [self.dialect.equal(field, value) for value in self._list()]
            clause = (
                f"({' OR '.join(sql for sql, _ in tests)})",
                [value for _, values in tests for value in values],
            )
        elif operator.says(*PATTERNS):
            clause = self.dialect.alike(field, str(operator.value).lower(), str(self._value()))
        elif negated or operator.kind != "sign" or operator.value not in COMPARISONS:
            self.position -= operator.kind != "end"
            raise self._error(f"expected one of {', '.join([*COMPARISONS, *PATTERNS, 'in', 'is'])}")
        else:
            value = self._value()
            if operator.says("=", "==", "!=", "<>"):
                negated = operator.says("!=", "<>")
                clause = self.dialect.equal(field, value)
            else:
                clause = self.dialect.ordered(field, str(operator.value), value)
        return _negated(clause) if negated else clause

    def _list(self) -> list[Value]:
        self._expect("(")
        values = [self._value()]
        while self._accept(","):
            values.append(self._value())
        self._expect(")")
        return values

    def _value(self) -> Value:
        token = self._peek()
        if token.says("true", "false"):  # as SQLite reads JSON's
            return int(self._next().says("true"))
        if token.kind not in {"text", "number"}:
            raise self._error("expected 'text' in single quotes, a number, true or false")
        return self._next().value

    def _error(self, problem: str) -> TellapartError:
        rest = self.condition[self._peek().start :].strip()
        place = f"at {rest[:40]!r}" if rest else "at its end"
        return TellapartError(
            f"cannot read the filter {self.condition!r}: {problem} {place};"
            " write it like language = 'python' and path like 'src/%'"
        )


def _value(kind: str, raw: str) -> Value:
    if kind == "text":
        return raw[1:-1].replace("''", "'")
    if kind == "quoted":
        return raw.replace('""', '"')
    if kind == "number":
        return float(raw) if re.search(r"[.eE]", raw) else int(raw)
    return raw


def _negated(clause: Clause) -> Clause:
    return f"NOT ({clause[0]})", clause[1]
