"""Answers as an agent reads them: one line that sums up, then places and their text."""

from __future__ import annotations

from pydantic import BaseModel

from tellapart.engine.context import rendered
from tellapart.serving.mcp_models import ContextAnswer, FoundUnit, SearchAnswer, UnitAnswer


def as_text(answer: BaseModel) -> str:
    """Write an answer; what is no list of hits, no passages and no unit is written as its JSON."""
    match answer:
        case SearchAnswer():
            return _search(answer)
        case ContextAnswer():
            given = [rendered(each.number, each.place, each.text) for each in answer.passages]
            return "\n\n".join(["\n".join([answer.summary, *_notes(answer.notes)]), *given])
        case UnitAnswer():
            around = ", ".join(
                f"{each.granularity} {each.label}".rstrip() + f" {_lines(each.lines)}"
                for each in answer.parents
            )
            more = [f"(continues: first_line={answer.next_line})"] if answer.next_line else []
            return "\n".join([answer.summary, f"inside: {around or 'nothing'}", answer.text, *more])
        case _:
            return answer.model_dump_json(exclude_none=True)


def _search(answer: SearchAnswer) -> str:
    lines = [answer.summary, *_notes(answer.notes)]
    for hit in answer.hits:
        lines += ["", _head(hit), *([hit.text] if hit.text else [])]
    if answer.next_offset is not None:
        lines += ["", f"(more: offset={answer.next_offset})"]
    return "\n".join(lines)


def _notes(notes: list[str]) -> list[str]:
    return [f"note: {note}" for note in notes]


def _head(hit: FoundUnit) -> str:
    chance = "" if hit.probability is None else f"  P {hit.probability:.2f}"
    cut = "  (cut: get shows the rest)" if hit.cut else ""
    return f"{hit.path}:{hit.lines[0]}-{hit.lines[1]}  {hit.granularity}{chance}{cut}  id={hit.id}"


def _lines(lines: tuple[int, int]) -> str:
    return f"{lines[0]}-{lines[1]}"
