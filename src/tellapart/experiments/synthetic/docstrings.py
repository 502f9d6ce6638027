"""Docstring -> function: what a function's author says that it does, the docstring itself blanked."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING

from tellapart.corpus.types import Granularity
from tellapart.experiments.synthetic import remarks
from tellapart.experiments.synthetic.material import PYTHON, Comment, Function, Material
from tellapart.experiments.synthetic.types import QueryCandidate, QuerySource, Span

if TYPE_CHECKING:
    import tree_sitter

_DOCSTRING = "(function_definition body: (block . (comment)* . (expression_statement . (string) @docstring))) @function"


def docstrings(material: Material) -> Iterator[QueryCandidate]:
    """Give the first sentence of each function's docstring, or of the comment right above it."""
    python = material.documents_inside
    spans = _inside(material) if python else _above(material)
    text = material.document.text
    for function in material.functions:
        span = spans.get(function.start)
        if span is None or not material.says_more(function.unit, span):
            continue
        literal = text[slice(*span)]
        query = remarks.of_docstring(literal) if python else remarks.of_comment(literal)
        if query:
            yield QueryCandidate(
                QuerySource.DOCSTRING,
                query,
                material.number,
                function.unit,
                hidden=(query, literal),
                masks=(span,),
            )


def _inside(material: Material) -> dict[int, Span]:
    """Docstrings by the start of the function they stand in."""
    from tree_sitter import QueryCursor

    parsed = material.parsed
    query = _query()
    if parsed is None or query is None:
        return {}
    found = {}
    for _, captures in QueryCursor(query).matches(parsed.tree.root_node):
        start, _ = parsed.source.span(captures["function"][0])
        found[start] = parsed.source.span(captures["docstring"][0])
    return found


@cache
def _query() -> tree_sitter.Query | None:
    from tree_sitter import Query

    from tellapart.corpus.code import grammars

    grammar = grammars.load(PYTHON, PYTHON)
    return Query(grammar.language, _DOCSTRING) if grammar else None


def _above(material: Material) -> dict[int, Span]:
    """Comments right above a definition, by the start of the definition."""
    found: dict[int, Span] = {}
    for comment in material.comments:
        function = documented(material, comment)
        if function:
            found[function.start] = (comment.start, comment.end)
    return found


def documented(material: Material, comment: Comment) -> Function | None:
    """The function above which a comment stands, inside the same unit."""
    start, _ = material.unit_at(Granularity.FUNCTION, comment.start)
    function = material.function_of_unit.get(start)
    return function if function and comment.end <= function.start else None
