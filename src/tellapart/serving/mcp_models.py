"""What the MCP tools answer: the shapes that a client reads as structured content."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from tellapart.engine.context import rendered
from tellapart.serving.explaining import WordEvidence
from tellapart.serving.units import EnclosingUnit

State = Literal["ready", "indexing"]


class FoundUnit(BaseModel):
    """A unit that was found."""

    path: str = Field(description="Document the unit is from; a file's path below the searched folder.")
    lines: tuple[int, int] = Field(description="First and last line, from 1, inclusive.")
    granularity: str
    unit: str = Field(description="What it is: the granularity, or block for code that is no function.")
    label: str = Field(description="Its name, as of a function, or its headings; empty without.")
    id: str = Field(description="Give it to get, find_related or explain_score.")
    score: float = Field(description="Orders the hits of this search, means nothing beyond.")
    probability: float | None = Field(description="P(relevant); null until scores are calibrated.")
    text: str
    cut: bool = Field(default=False, description="The text was cut to fit the budget: get gives the rest.")


class SearchAnswer(BaseModel):
    """Hits, best first, after one line that sums them up."""

    summary: str
    state: State
    configuration: str = ""
    why: str = ""
    notes: list[str] = []
    hits: list[FoundUnit] = []
    next_offset: int | None = Field(default=None, description="Ask again with this offset for further hits.")
    tokens: int = Field(default=0, description="Tokens of the hits, counted with the bundled tokenizer.")


class GivenPassage(BaseModel):
    """A piece of a document that answers; `number` is what to cite."""

    number: int
    path: str = Field(description="Document the passage is from; a file's path below the searched folder.")
    place: str = Field(description="Where it stands: path:lines, or a page, cell or row.")
    lines: tuple[int, int] = Field(description="First and last line, from 1, inclusive.")
    text: str
    probability: float | None = Field(description="P(relevant); null until scores are calibrated.")


class ContextAnswer(BaseModel):
    """Passages that belong to a question, within a budget, or why nothing here answers it."""

    summary: str
    state: State
    absent: str | None = Field(default=None, description="Why nothing here answers; null otherwise.")
    why: str = ""
    notes: list[str] = []
    passages: list[GivenPassage] = []
    tokens: int = Field(default=0, description="Tokens of the passages, counted with the bundled tokenizer.")


class UnitAnswer(BaseModel):
    """A unit and what it lies in."""

    summary: str
    path: str
    lines: tuple[int, int] = Field(description="Lines of the whole unit.")
    shown: tuple[int, int] = Field(description="Lines that `text` holds.")
    granularity: str
    label: str
    id: str
    text: str
    parents: list[EnclosingUnit]
    next_line: int | None = Field(default=None, description="Ask again with this first_line for the rest.")


class StatusAnswer(BaseModel):
    """What is indexed, how old it is, and what is going on."""

    summary: str
    state: State
    index: str
    root: str
    documents: int = 0
    skipped: int = 0
    units: dict[str, int] = {}
    encoders: list[str] = []
    updated: str | None = None
    changed_sources: int = 0
    working_on: str | None = None
    verdict: str | None = None


class ComparedConfiguration(BaseModel):
    """One configuration of an evaluation: its mean with a 95 % interval."""

    name: str
    mean: float | None
    low: float | None
    high: float | None
    tied_with_best: bool
    query_ms: float | None


class EvaluationAnswer(BaseModel):
    """The verdict, or how far the evaluation is."""

    summary: str
    state: Literal["running", "done", "failed"]
    measure: str | None = None
    queries: int | None = None
    choice: str | None = None
    reason: str | None = None
    configurations: list[ComparedConfiguration] = []
    notes: list[str] = []


class ExplanationAnswer(BaseModel):
    """Why a unit scores as it does."""

    summary: str
    path: str
    lines: tuple[int, int]
    granularity: str
    configuration: str
    why: str
    rank: int
    of: int
    score: float | None = Field(description="Null where this ranker cannot find the unit at all.")
    percentile: float = Field(description="Share of units that score lower.")
    words: list[WordEvidence]
    cosine: float | None
    cosine_percentile: float | None
    unrelated_cosine: float | None = Field(description="99 % of pairs of unrelated units stay below.")


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
    return f"{hit.path}:{hit.lines[0]}-{hit.lines[1]}  {f'{hit.unit} {hit.label}'.rstrip()}{chance}{cut}  id={hit.id}"


def _lines(lines: tuple[int, int]) -> str:
    return f"{lines[0]}-{lines[1]}"
