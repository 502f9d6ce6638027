"""What the pieces of code are: keywords, strings, comments, numbers, names of types and of functions.

Read off the syntax tree that splits code into functions too, for all its languages alike: words of the grammar itself
are keywords, and kinds of nodes are named much the same everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from tellapart.corpus.code.grammars import SourceText, load
from tellapart.corpus.code.languages import LANGUAGES

if TYPE_CHECKING:
    import tree_sitter


@dataclass(frozen=True, slots=True)
class SyntaxPiece:
    """Start and end in code points, and what stands there."""

    start: int
    end: int
    kind: str


LONGEST = 200_000
"""Characters of a document that is looked at; beyond, code is shown plain."""

WHOLE = ("string", "comment", "char_literal", "character", "regex", "heredoc", "template_string")
"""Nodes whose kind says what all of them is."""

TYPES = ("type_identifier", "primitive_type", "predefined_type", "builtin_type")
MEMBERS = ("attribute", "member_expression", "field_expression", "selector_expression")
CALLS = (
    "call",
    "call_expression",
    "function_call",
    "invocation_expression",
    "method_invocation",
    "macro_invocation",
)


def tokens_of(text: str, language: str | None, span: tuple[int, int]) -> list[SyntaxPiece]:
    """Name the pieces of a span of a document, relative to the span's start; nothing where the language is unknown."""
    start, end = span
    found = _tokens(text, language) if language and len(text) <= LONGEST else ()
    return [
        SyntaxPiece(max(each.start, start) - start, min(each.end, end) - start, each.kind)
        for each in found
        if each.start < end and each.end > start
    ]


@lru_cache(maxsize=64)
def _tokens(text: str, language: str) -> tuple[SyntaxPiece, ...]:
    known = LANGUAGES.get(language)
    if known is None or known.grammar is None or known.query is None:
        return ()
    grammar = load(known.grammar, known.query)
    source = SourceText.of(text)
    tree = None if grammar is None else grammar.parse(source.data)
    if tree is None:
        return ()
    return tuple(
        SyntaxPiece(*source.span(node), kind)
        for node, kind in _named(tree.walk())
        if node.end_byte > node.start_byte
    )


def _named(cursor: tree_sitter.TreeCursor) -> Iterator[tuple[tree_sitter.Node, str]]:
    """Walk the tree in order, and not into nodes that are of one kind as a whole."""
    while True:
        node = cursor.node
        assert node is not None
        kind = _kind(node)
        if kind is not None:
            yield node, kind
        if kind is None and cursor.goto_first_child():
            continue
        while not cursor.goto_next_sibling():
            if not cursor.goto_parent():
                return


def _kind(node: tree_sitter.Node) -> str | None:
    name = node.type
    if "comment" in name:
        return "comment"
    if name in TYPES:
        return "type"
    if name.startswith(WHOLE) or name.endswith(("string_literal", "string")):
        return "string"
    if node.child_count:
        return None
    if not node.is_named:
        return "keyword" if name.isalpha() and len(name) > 1 else None
    if name in ("true", "false", "none", "null", "nil", "self", "this", "super"):
        return "keyword"
    if "integer" in name or "float" in name or "number" in name:
        return "number"
    return "function" if "identifier" in name and _names_function(node) else None


def _names_function(node: tree_sitter.Node) -> bool:
    """Whether a name is that of a function defined or called here."""
    parent = node.parent
    if parent is not None and parent.type in MEMBERS:
        if parent.child(parent.child_count - 1) != node:
            return False
        node, parent = parent, parent.parent
    if parent is None:
        return False
    if parent.type in CALLS:
        return parent.child(0) == node or parent.child_by_field_name("name") == node
    defines = any(word in parent.type for word in ("function", "method")) and "call" not in parent.type
    return (defines and parent.child_by_field_name("name") == node) or (
        parent.type == "function_declarator" and parent.child_by_field_name("declarator") == node
    )
