"""Changes to a function whose effect on its meaning is known: harmless ones, and ones that make it do something else.

Each is an edit of the syntax tree's own tokens and is kept only if the result still parses without an error. They show
what a similarity of code looks at: its names, its layout, or what it does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from textwrap import dedent
from types import MappingProxyType
from typing import TYPE_CHECKING

from tellapart.corpus.code.languages import Language
from tellapart.corpus.code.normalised import NAME, TEXT, kind_of_token, stands_alone
from tellapart.corpus.code.parsing import Parsed, parse

if TYPE_CHECKING:
    import tree_sitter


class Mutation(StrEnum):
    """What is done to a function."""

    RENAME = "all names replaced"
    STRIP = "comments and docstrings removed"
    REFORMAT = "laid out anew"
    REORDER = "independent statements swapped"
    CONSTANT = "a constant changed"
    OPERATOR = "an operator changed"
    CONDITION = "a condition negated"


_OTHER_OPERATOR: Mapping[str, str] = MappingProxyType(
    {
        "+": "-", "-": "+", "*": "+", "/": "*", "<": ">=", ">": "<=", "<=": ">", ">=": "<", "==": "!=", "!=": "==",
        "and": "or", "or": "and", "&&": "||", "||": "&&",
    }
)  # fmt: skip
_OPERATIONS = re.compile("binary|comparison|boolean|relational|equality|additive|multiplicative")
_OTHER_TRUTH: Mapping[str, str] = MappingProxyType(
    {"True": "False", "False": "True", "true": "false", "false": "true"}
)
_WHOLE = re.compile(r"\d+")
_LEADING = re.compile(r"^[ \t]+", re.MULTILINE)

Edit = tuple[int, int, str]
"""Start and end in code points, and what stands there afterwards."""


@dataclass(frozen=True, slots=True)
class _Leaf:
    """A token of the tree: its node, and its span in code points."""

    node: tree_sitter.Node
    start: int
    end: int


def mutate(text: str, language: Language | None) -> dict[Mutation, str]:
    """Give a function after each change that is possible in it.

    Args:
        text: A function; one that is indented is moved to the left first.
        language: What it is written in.

    Returns:
        The changed texts, all of which parse; nothing where the text itself has no tree without errors.
    """
    text = dedent(text).strip("\n")
    parsed = _sound(text, language)
    if parsed is None:
        return {}
    found = {}
    for mutation, edits_of in _EDITS.items():
        edits = edits_of(parsed, text)
        changed = _edited(text, edits) if edits else text
        if changed != text and _sound(changed, language) is not None:
            found[mutation] = changed
    return found


def names_in(text: str, language: Language | None) -> list[str]:
    """Give the names in a text in order, with repetition."""
    parsed = _sound(dedent(text).strip("\n"), language)
    return [] if parsed is None else [parsed.source.text[leaf.start : leaf.end] for leaf in _names(parsed)]


def replaced_names(text: str, language: Language | None, names: frozenset[str]) -> str | None:
    """Replace some names by numbers; None where the text or the result does not parse."""
    text = dedent(text).strip("\n")
    parsed = _sound(text, language)
    if parsed is None:
        return None
    own = [leaf for leaf in _names(parsed) if text[leaf.start : leaf.end] in names]
    changed = _edited(text, _numbered(own, text))
    return changed if _sound(changed, language) is not None else None


def _sound(text: str, language: Language | None) -> Parsed | None:
    parsed = parse(text, language)
    return None if parsed is None or parsed.tree.root_node.has_error else parsed


def _edited(text: str, edits: list[Edit]) -> str:
    for start, end, new in sorted(edits, reverse=True):
        text = text[:start] + new + text[end:]
    return text


def _nodes(parsed: Parsed) -> Iterator[tree_sitter.Node]:
    """All nodes in the order of the text, outer before inner."""
    pending = [parsed.tree.root_node]
    while pending:
        node = pending.pop()
        yield node
        pending.extend(reversed(node.children))


def _leaves(parsed: Parsed) -> Iterator[_Leaf]:
    for node in _nodes(parsed):
        if not node.child_count and node.end_byte > node.start_byte:
            start, end = parsed.source.span(node)
            if start >= 0:
                yield _Leaf(node, start, end)


def _names(parsed: Parsed) -> list[_Leaf]:
    return [leaf for leaf in _leaves(parsed) if kind_of_token(leaf.node.type, leaf.node.is_named) is NAME]


def _numbered(leaves: list[_Leaf], text: str) -> list[Edit]:
    numbers: dict[str, int] = {}
    return [
        (leaf.start, leaf.end, f"v{numbers.setdefault(text[leaf.start : leaf.end], len(numbers))}")
        for leaf in leaves
    ]


def _rename(parsed: Parsed, text: str) -> list[Edit]:
    return _numbered(_names(parsed), text)


def _strip(parsed: Parsed, text: str) -> list[Edit]:
    """Take comments away with their lines, and texts that are statements of their own."""
    edits: list[Edit] = []
    for node in _nodes(parsed):
        kind = kind_of_token(node.type, node.is_named)
        documents = kind is TEXT and stands_alone(node.parent)
        block = node.parent.parent if documents and node.parent is not None else None
        if block is not None and len([c for c in block.named_children if "comment" not in c.type]) == 1:
            return []  # nothing would be left
        if "comment" not in node.type and not documents:
            continue
        start, end = parsed.source.span(node)
        if start < 0 or (edits and start < edits[-1][1]):
            continue
        line = text.rfind("\n", 0, start) + 1
        stop = text.find("\n", end)
        alone = not text[line:start].strip() and (stop < 0 or not text[end:stop].strip())
        edits.append((line, len(text) if stop < 0 else stop + 1, "") if alone else (start, end, ""))
    return edits


def _reformat(parsed: Parsed, text: str) -> list[Edit]:
    """Double every indentation, and leave a line empty behind each; not where a text spans lines."""
    for node in _nodes(parsed):
        if kind_of_token(node.type, node.is_named) is TEXT and node.start_point[0] != node.end_point[0]:
            return []
    changed = _LEADING.sub(lambda match: 2 * match[0], text).replace("\n", "\n\n")
    return [(0, len(text), changed)]


def _reorder(parsed: Parsed, text: str) -> list[Edit]:
    """Swap the first two neighbouring assignments that have no name in common and call nothing."""
    for node in _nodes(parsed):
        children = [child for child in node.named_children if "comment" not in child.type]
        for first, second in pairwise(children):
            if _assigns(first) and _assigns(second) and not (_words(first, parsed) & _words(second, parsed)):
                a, b = parsed.source.span(first), parsed.source.span(second)
                return [(*a, text[slice(*b)]), (*b, text[slice(*a)])]
    return []


def _assigns(node: tree_sitter.Node) -> bool:
    """Whether a statement only gives a name a value, and calls nothing that could have an effect."""
    if node.type not in ("expression_statement", "local_variable_declaration", "local_declaration_statement"):
        return False
    inside = list(_below(node))
    assigns = any(
        each.type in ("assignment", "assignment_expression", "variable_declarator") for each in inside
    )
    return assigns and not any(
        word in each.type for each in inside for word in ("call", "invocation", "await", "yield", "creation")
    )


def _below(node: tree_sitter.Node) -> Iterator[tree_sitter.Node]:
    yield node
    for child in node.children:
        yield from _below(child)


def _words(node: tree_sitter.Node, parsed: Parsed) -> set[str]:
    return {
        parsed.source.slice(
            each
        )  # not the node's own text: the tree was parsed through a callback (see `Grammar`)
        for each in _below(node)
        if not each.child_count and kind_of_token(each.type, each.is_named) is NAME
    }


def _constant(parsed: Parsed, text: str) -> list[Edit]:
    """Add 1 to the first number, or turn the first truth value around."""
    for leaf in _leaves(parsed):
        written = text[leaf.start : leaf.end]
        if "integer" in leaf.node.type and _WHOLE.fullmatch(written):
            return [(leaf.start, leaf.end, str(int(written) + 1))]
        if written in _OTHER_TRUTH:
            return [(leaf.start, leaf.end, _OTHER_TRUTH[written])]
    return []


def _operator(parsed: Parsed, text: str) -> list[Edit]:
    """Turn the first operator between two operands into another."""
    for leaf in _leaves(parsed):
        around = leaf.node.parent
        written = text[leaf.start : leaf.end]
        if written in _OTHER_OPERATOR and around is not None and _OPERATIONS.search(around.type):
            return [(leaf.start, leaf.end, _OTHER_OPERATOR[written])]
    return []


def _condition(parsed: Parsed, text: str) -> list[Edit]:
    """Negate the condition of the first `if`."""
    for node in _nodes(parsed):
        asked = node.child_by_field_name("condition") if node.type == "if_statement" else None
        if asked is not None:
            start, end = parsed.source.span(asked)
            inner = text[start:end]
            if inner.startswith("(") and inner.endswith(")") and asked.type == "parenthesized_expression":
                return [(start, end, f"(!{inner})")]
            python = text.startswith(("def ", "async def ", "@", "class "))
            return [(start, end, f"not ({inner})" if python else f"!({inner})")]
    return []


_EDITS: Mapping[Mutation, Callable[[Parsed, str], list[Edit]]] = MappingProxyType(
    {
        Mutation.RENAME: _rename,
        Mutation.STRIP: _strip,
        Mutation.REFORMAT: _reformat,
        Mutation.REORDER: _reorder,
        Mutation.CONSTANT: _constant,
        Mutation.OPERATOR: _operator,
        Mutation.CONDITION: _condition,
    }
)
