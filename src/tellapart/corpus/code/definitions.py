"""What a parsed file defines: its functions and classes with their names and spans."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from tellapart.corpus.code.grammars import Grammar, SourceText

if TYPE_CHECKING:
    import tree_sitter


class Role(StrEnum):
    """What a query calls a definition (the captures of queries/*.scm).

    `function` and `class` are what they say. `part` is a function that neighbours of the same name may continue
    (clauses, equations, overload signatures). `long` is a function only if it spans lines (a callback, a property);
    `member` only inside a class. `section` is a class that lasts until the next one (Perl's packages).
    """

    FUNCTION = "function"
    CLASS = "class"
    PART = "part"
    LONG = "long"
    MEMBER = "member"
    SECTION = "section"


class Definition(NamedTuple):
    """A function or class: where it starts and ends (code points), what it is called."""

    start: int
    end: int
    name: str
    role: Role


@dataclass(frozen=True, slots=True)
class Definitions:
    """All definitions of a file, sorted, outer before inner, and what may stand around them.

    `wraps` are statements that belong to the definition they hold (decorated, exported, templates). `leads` gives
    the start of an attribute or annotation by its end, `comments` the start of a comment by its end, and `trailing`
    the end of a comment by its start.
    """

    found: list[Definition]
    wraps: list[tuple[int, int]]
    leads: dict[int, int]
    comments: dict[int, int]
    trailing: dict[int, int]


_ROLES = {role.value: role for role in Role}


def find(tree: tree_sitter.Tree, grammar: Grammar, source: SourceText, *, signatures: bool) -> Definitions:
    """Run a language's query over a parsed file."""
    from tree_sitter import QueryCursor

    raw: list[tuple[int, int, int, int, Definition]] = []
    comments: list[tuple[int, int]] = []
    leads: list[tuple[int, int]] = []
    wraps: list[tuple[int, int]] = []
    around = {"comment": comments, "lead": leads, "wrap": wraps}
    kinds = grammar.kinds
    for pattern, captures in QueryCursor(grammar.query).matches(tree.root_node):
        if (kind := kinds[pattern]) and not kind.fullmatch(source.slice(captures["kind"][0])):
            continue
        for capture, nodes in captures.items():
            if (spans := around.get(capture)) is not None:
                spans.append(source.span(nodes[0]))
                break
            if (role := _ROLES.get(capture)) is None:
                continue
            definition = _definition(role, nodes[0], captures, source, signatures=signatures)
            if definition is not None:
                named = captures["name"][0].start_byte if "name" in captures else 0
                raw.append((definition.start, -definition.end, pattern, named, definition))
            break
    raw.sort(key=lambda entry: entry[:4])
    ends = dict(_trimmed(comments, source.text))
    return Definitions(
        list(_distinct(_sections((entry[4] for entry in raw), len(source.text)))),
        sorted(wraps),
        dict(_trimmed(leads, source.text)),
        ends,
        {start: end for end, start in ends.items()},
    )


def _definition(
    role: Role,
    node: tree_sitter.Node,
    captures: dict[str, list[tree_sitter.Node]],
    source: SourceText,
    *,
    signatures: bool,
) -> Definition | None:
    start, end = source.span(node)
    if "tail" in captures:
        end = source.span(captures["tail"][-1])[1]
    if end <= start or start < 0:
        return None
    if "name" not in captures:
        header = source.text[start:end].partition("{")[0].strip()
        return Definition(start, end, _selector(header) if header[:1] in "+-" else _clipped(header), role)
    is_class = role in (Role.CLASS, Role.SECTION)
    name = _name(source.slice(captures["name"][0]), is_class=is_class, signature=signatures)
    if "receiver" in captures:
        receiver = _name(source.slice(captures["receiver"][0]), is_class=True, signature=False)
        name = f"{receiver}.{name}"
    return Definition(start, end, name, role)


_QUOTED = re.compile(r"""(?s)[bfruBFRU]?("{3}|'{3}|["'`])(.*)\1""")
_TYPE = re.compile(r"[&*]*(?:'\w+\s+)?(?:mut\s+|dyn\s+)?([^\s<\[{(,]+)")
_OPERATOR_CALL = re.compile(r"operator\s*\(\s*\)")
_ATTRIBUTED = re.compile(r"^[\s*&^]+")

_LONGEST_NAME = 120
"""Characters of a name; selectors and titles of tests can be paragraphs. The name is only shown and
matched as words: half would cut long Java names, twice would print a paragraph."""


def _clipped(name: str) -> str:
    name = " ".join(name.split())
    return name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 1] + "…"


def _name(text: str, *, is_class: bool, signature: bool) -> str:
    """A definition's own name out of the text that declares it: titles unquoted, types without arguments."""
    if text.isidentifier() and len(text) <= _LONGEST_NAME:  # nearly all are
        return text
    if quoted := _QUOTED.fullmatch(text):
        return _clipped(quoted.group(2))
    if signature and not is_class:
        operator = _OPERATOR_CALL.search(text)
        stop = operator.end() if operator else None
        text = text[:stop] if stop else text.partition("(")[0].partition(" when ")[0]
        return _clipped(_ATTRIBUTED.sub("", text))
    if is_class and (plain := _TYPE.match(text)):
        return _clipped(plain.group(1))
    return _clipped(text)


_PARENTHESES = re.compile(r"\([^()]*\)")
_SELECTOR = re.compile(r"\w+\s*:")


def _selector(header: str) -> str:
    """The selector of an Objective-C method: `- (void)add:(int)a to:(int)b` is `add:to:`."""
    while (plain := _PARENTHESES.sub("", header)) != header:
        header = plain
    keywords = _SELECTOR.findall(header)
    return _clipped("".join(keywords) if keywords else header.strip("+- \t\r\n").partition(" ")[0])


def _sections(definitions: Iterable[Definition], length: int) -> Iterator[Definition]:
    """Let each section last until the next one or the end of the file."""
    every = list(definitions)
    starts = [each.start for each in every if each.role is Role.SECTION]
    ends = iter([*starts[1:], length])
    for each in every:
        if each.role is Role.SECTION:
            yield Definition(each.start, max(next(ends), each.end), each.name, Role.CLASS)
        else:
            yield each


def _distinct(definitions: Iterable[Definition]) -> Iterator[Definition]:
    """Drop what several patterns found: the first pattern, and in it the first name, stands."""
    seen: tuple[int, int] | None = None
    for each in definitions:
        if (each.start, each.end) != seen:
            yield each
        seen = (each.start, each.end)


def _trimmed(spans: list[tuple[int, int]], text: str) -> Iterator[tuple[int, int]]:
    """(end, start) of each span, the end before its trailing white space: some comments hold their newline."""
    for start, end in spans:
        while end > start and text[end - 1].isspace():
            end -= 1
        if end > start >= 0:
            yield end, start
