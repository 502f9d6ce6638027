"""What each MCP tool does: from arguments to an answer that fits its budget."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from tellapart.engine import Hit, Index, SearchResult
from tellapart.engine.context import FEWEST_TOKENS, Context, rendered
from tellapart.engine.opened import partial_notes
from tellapart.engine.packing import count_tokens, cut_to_tokens
from tellapart.engine.relevance import missing_words, nothing_relevant
from tellapart.engine.request import SearchRequest
from tellapart.engine.snippets import lines_of_hit, snippet
from tellapart.errors import TellapartError
from tellapart.index.settings import located
from tellapart.serving.mcp_about import indexing_summary, state_notes
from tellapart.serving.mcp_models import (
    ContextAnswer,
    FoundUnit,
    GivenPassage,
    SearchAnswer,
    UnitAnswer,
)
from tellapart.serving.projects import Project, Roots
from tellapart.serving.units import locate, rerank_settings

RANKERS = {"auto": "auto", "words": "bm25", "meaning": "knn", "exact": "auto", "regex": "auto"}
KINDS = {"all": (), "code": ("kind = 'code'",), "docs": ("kind = 'prose'",)}

FRAME = 60
"""Tokens that a hit's place, id and scores take beside its text, as JSON: 40 to 60 were counted."""

WORTH_CUTTING = 120
"""A text is cut to what is left of a budget only if that is so many tokens; else it waits for the next page."""


def search(
    project: Project,
    roots: Roots,
    query: str,
    *,
    mode: str,
    content: str,
    where: Sequence[str],
    granularity: str | None,
    rerank: str | None,
    top_k: int,
    offset: int,
    max_tokens: int,
    max_snippet_lines: int | None,
) -> SearchAnswer:
    """Search a project and give the page of hits from `offset` that fits the budget."""
    ranker = RANKERS[mode]
    notes: list[str] = []
    with project.shared.use() as index:
        if mode == "meaning" and not index.settings.encoders:
            ranker = "auto"
            more = ": they are being made, ask again later" if project.encoding else ""
            notes.append(f"no vectors, so the words decided{more}")
        pattern = {"exact": re.escape(query), "regex": query}.get(mode)
        request = SearchRequest(
            query if pattern is None else None,
            k=offset + top_k + 1,
            ranker=ranker,
            granularity=granularity,
            where=(*where, *KINDS[content]),
            regex=pattern,
            parameters=rerank_settings(rerank),
        )
        result = index.search(request)
        nothing = nothing_relevant(index, result)
        missing = None if nothing else missing_words(index, result)
        hits = served(index, roots, result.hits)
    notes += [*state_notes(project), *result.notes, *([missing] if missing else [])]
    if nothing is not None:
        return _answer(f"nothing relevant: {nothing}", result, notes)
    return _page(hits, result, notes, offset, top_k, max_tokens, max_snippet_lines)


def context(
    project: Project, roots: Roots, query: str, *, where: Sequence[str], max_tokens: int, always: bool
) -> ContextAnswer:
    """Choose passages that answer a question, within the budget, or say why nothing here does."""
    notes = state_notes(project)

    def chosen(index: Index) -> Context:
        room = max_tokens - FRAME - sum(count_tokens(note) for note in notes)
        return index.context(query, tokens=max(room, FEWEST_TOKENS), where=where, always=always)

    with project.shared.use() as index:
        made = chosen(index)
        if made.partial:  # known only now: the note about it takes its share of the budget
            notes = [*notes, *partial_notes(made.partial)]
            made = chosen(index)
        kept = [each for each in made.passages if _inside(index, roots, each.path)]
    if kept:
        summary = f"{len(kept)} passage{'s' * (len(kept) != 1)}; cite them by number, as in [1]"
    else:
        summary = f"nothing relevant: {made.absent or 'no passage lies in what may be searched'}"
    return ContextAnswer(
        summary=summary,
        state="ready",
        absent=made.absent,
        why=made.why,
        notes=notes,
        passages=[
            GivenPassage(
                number=number,
                path=each.document,
                place=each.place,
                lines=each.lines,
                text=each.text,
                probability=each.probability,
            )
            for number, each in enumerate(kept, start=1)
        ],
        tokens=sum(count_tokens(rendered(each.number, each.place, each.text)) for each in kept),
    )


def find_related(
    project: Project,
    roots: Roots,
    place: str,
    *,
    top_k: int,
    offset: int,
    max_tokens: int,
    max_snippet_lines: int | None,
) -> SearchAnswer:
    """Find units like one that has a name: an id, `path:line` or a path."""
    with project.shared.use() as index:
        unit = locate(index, place)
        whole = unit.span == (0, unit.stored.tree.length)
        line = None if whole else unit.lines[0]
        result = index.related(unit.stored.document.id, line, k=offset + top_k + 1)
        hits = served(index, roots, result.hits)
    notes = [*state_notes(project), *result.notes]
    return _page(hits, result, notes, offset, top_k, max_tokens, max_snippet_lines)


def get(
    project: Project,
    roots: Roots,
    name: str,
    *,
    granularity: str | None,
    first_line: int | None,
    max_tokens: int,
) -> UnitAnswer:
    """Give a unit from `first_line` on, as far as the budget goes, with the units around it."""
    with project.shared.use() as index:
        unit = locate(index, name, granularity)
        if not _inside(index, roots, unit.stored.document.path):
            raise TellapartError(f"{unit.stored.document.id!r} lies outside of what may be searched here")
        first, last = unit.lines
        text = (unit.indent + unit.text).rstrip().strip("\n")
        start = first if first_line is None else first_line
        if not first <= start <= last:
            raise TellapartError(f"first_line is {start}, but the unit has lines {first} to {last}")
        rest = "\n".join(text.split("\n")[start - first :])
        shown = cut_to_tokens(rest, max_tokens - FRAME)
        if rest and not shown:
            shown = rest[: 4 * max_tokens]
        end = start + shown.rstrip("\n").count("\n")
        path = unit.stored.document.id
        more = len(shown) < len(rest) and end < last
        return UnitAnswer(
            summary=f"{path}:{start}-{end}, {unit.granularity}" + (f" {unit.label}" if unit.label else ""),
            path=path,
            lines=(first, last),
            shown=(start, end),
            granularity=unit.granularity,
            label=unit.label,
            id=unit.id,
            text=shown,
            parents=unit.parents(),
            next_line=end + 1 if more else None,
        )


Empty = TypeVar("Empty", SearchAnswer, ContextAnswer)


def still_indexing(project: Project, answer: type[Empty]) -> Empty:
    """Answer while there is nothing to search yet."""
    return answer(summary=indexing_summary(project), state="indexing")


def served(index: Index, roots: Roots, hits: Sequence[Hit]) -> list[Hit]:
    """Leave out what lies outside of the roots once links are followed."""
    return [hit for hit in hits if _inside(index, roots, hit.path)]


def _inside(index: Index, roots: Roots, path: str | None) -> bool:
    if path is None:
        return True
    for source in located(index.settings.sources, index.folder):
        base = Path(source)
        for file in (base / path, base.parent / path):
            if file.exists():
                return roots.holds(file)
    return True


def _answer(summary: str, result: SearchResult, notes: Sequence[str]) -> SearchAnswer:
    return SearchAnswer(
        summary=summary,
        state="ready",
        configuration=result.configuration.name,
        why=result.why,
        notes=list(notes),
    )


def _page(
    hits: Sequence[Hit],
    result: SearchResult,
    notes: Sequence[str],
    offset: int,
    top_k: int,
    max_tokens: int,
    max_snippet_lines: int | None,
) -> SearchAnswer:
    """Fill the budget with hits in their order."""
    shown: list[FoundUnit] = []
    left = max_tokens - FRAME - sum(count_tokens(note) for note in notes)
    for hit in hits[offset : offset + top_k]:
        unit, cost = _fitted(hit, result.request, left, max_snippet_lines, first=not shown)
        if unit is None:
            break
        shown.append(unit)
        left -= cost
    following = offset + len(shown)
    more = following < len(hits)
    summary = (
        f"{len(shown)} hit{'s' * (len(shown) != 1)}" if offset == 0 else f"hits {offset + 1} to {following}"
    )
    if not shown:
        summary = "no further hits"
    else:
        summary += f", best {shown[0].path}:{shown[0].lines[0]}"
    answer = _answer(summary + ("; more with next_offset" if more else ""), result, notes)
    answer.hits = shown
    answer.next_offset = following if more else None
    answer.tokens = max_tokens - FRAME - left
    return answer


def _fitted(
    hit: Hit, request: SearchRequest, left: int, max_lines: int | None, *, first: bool
) -> tuple[FoundUnit | None, int]:
    """A hit cut to what is left of the budget; None where that is not worth it."""
    if max_lines is None:
        text, cut = (hit.indent + hit.text).strip("\n").rstrip(), False
    else:
        lines = lines_of_hit(hit, max_lines, request.query or "", request.regex)
        text, cut = "\n".join(snippet(lines, numbered_from=hit.lines[0])), lines.before or lines.after
    room = left - FRAME
    cost = count_tokens(text)
    if cost > room:
        if room < WORTH_CUTTING and not first:
            return None, 0
        text, cut = cut_to_tokens(text, room).rstrip(), True
        cost = count_tokens(text)
    unit = FoundUnit(
        path=hit.document,
        lines=hit.lines,
        granularity=hit.granularity,
        unit=hit.unit or hit.granularity,
        label=hit.label,
        id=hit.id,
        score=round(hit.score, 4),
        probability=hit.probability,
        text=text,
        cut=cut,
    )
    return unit, cost + FRAME
