"""A text parsed in its language, fragments included."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tellapart.corpus.code import cuts, grammars
from tellapart.corpus.code.definitions import Definitions, find
from tellapart.corpus.code.grammars import SourceText
from tellapart.corpus.code.languages import Language

if TYPE_CHECKING:
    import tree_sitter

MAX_PARSED = 4_000_000
"""Characters of a text that is parsed; longer ones are split by lines. Folders are read up to 2 MB a file, so that
this stops only what a user names; some .5 s of parsing at the 9 MB/s measured for Python on one core."""

MAX_LINE = 100_000
"""Characters of the longest line of a text that is parsed: beyond it the text is data or minified, and a unit for
each of its functions would say nothing. Not measured: bundles are one line, and
between them and the longest lines that people write lies a wide gap, into which half and twice fall too."""

MAX_TANGLE = 2_000
"""Brackets and signs in a row that the parser could not read, beyond which a text counts as no code: the query
takes time quadratic in them (measured on one core: 5,000 .09 s, 20,000 1.3 s, 100,000 23 s)."""

_MOST_SPLATS = 300
_SPLATS = re.compile(rf"(?:/\*\s*\w*\s*){{{_MOST_SPLATS}}}+")
"""What makes the Python grammar take memory quadratic in its length in a step that cannot be stopped (tree-sitter
0.26; "/*a" 1,000 times took .5 GB, 5,000 times more than 8 GB). Python itself has no use for it."""

_MAX_FRAGMENT = 20_000
"""Characters of a text that is parsed again inside a wrapper when it seems to be a lone method."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """A syntax tree over a source, and what it defines."""

    tree: tree_sitter.Tree
    source: SourceText
    definitions: Definitions

    def statements(self) -> dict[int, int]:
        """Depth in the tree of the statements that start at an offset, where cuts are worth a thought."""
        return cuts.statement_depths(self.tree, self.source)


def parse(text: str, language: Language | None) -> Parsed | None:
    """Parse a text, None where it has no grammar, says nothing or goes beyond the budget."""
    if language is None or language.grammar is None or language.query is None or not _within_budget(text):
        return None
    if language.name == "python" and text.count("/*") >= _MOST_SPLATS and _SPLATS.search(text):
        return None
    grammar = grammars.load(language.grammar, language.query)
    if grammar is None:
        return None
    parsed = _parsed(text, _wrappers(text, language), grammar, language)
    if parsed is None:
        return None
    if language.wrappers and parsed.tree.root_node.has_error and len(text) <= _MAX_FRAGMENT:
        wrapped = _parsed(text, language.wrappers, grammar, language)
        if wrapped and (not wrapped.tree.root_node.has_error or _count(wrapped) > _count(parsed)):
            return wrapped
    return parsed


def _within_budget(text: str) -> bool:
    if not text or text.isspace() or len(text) > MAX_PARSED:
        return False
    if len(text) <= MAX_LINE:
        return True
    position = 0
    while len(text) - position > MAX_LINE:
        newline = text.rfind("\n", position, position + MAX_LINE)
        if newline < 0:
            return False
        position = newline + 1
    return True


def _parsed(
    text: str, wrappers: tuple[str, str], grammar: grammars.Grammar, language: Language
) -> Parsed | None:
    source = SourceText.of(text, wrappers)
    tree = grammar.parse(source.data)
    if tree is None or _is_tangled(tree):
        return None
    return Parsed(tree, source, find(tree, grammar, source, signatures=language.signatures))


def _is_tangled(tree: tree_sitter.Tree) -> bool:
    """Whether a run of tokens without a node of their own is too long for the query."""
    pending = [tree.root_node] if tree.root_node.has_error else []
    while pending:
        run = 0
        for child in pending.pop().children:
            run = 0 if child.is_named else run + 1
            if run > MAX_TANGLE:
                return True
            if child.has_error and child.child_count:
                pending.append(child)
    return False


def _wrappers(text: str, language: Language) -> tuple[str, str]:
    """What must stand around a fragment so that its grammar reads it at all."""
    if language.name == "python" and text.lstrip("\r\n")[:1] in " \t":
        return "if 1:\n", ""  # an indented method; its first line would be an error
    if language.name == "php" and "<?" not in text:
        return "<?php ", ""
    return "", ""


def _count(parsed: Parsed) -> int:
    return len(parsed.definitions.found)
