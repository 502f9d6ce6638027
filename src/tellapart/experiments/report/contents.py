"""What a report shows: the verdict, and what stands around it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from tellapart.experiments.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Shown:
    """A hit beside a query: where it is, its first words, and its grade (None: nobody judged it)."""

    place: str
    text: str
    grade: int | None


@dataclass(frozen=True, slots=True)
class ReportSide:
    """What one configuration returned for a query, and what that was worth."""

    name: str
    value: float
    hits: tuple[Shown, ...]


@dataclass(frozen=True, slots=True)
class ReportExample:
    """A query answered by the choice and by the reference."""

    query: str
    choice: ReportSide
    reference: ReportSide


@dataclass(frozen=True, slots=True)
class Contents:
    """Everything on the page.

    `categories` groups queries by id (empty: no such table); `settings` are names and values of what the
    scores were made with; `command` makes the report again.
    """

    verdict: Verdict
    title: str
    command: str
    settings: tuple[tuple[str, str], ...] = ()
    examples: tuple[ReportExample, ...] = ()
    categories: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
