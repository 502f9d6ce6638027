"""One thing found about an index, with what it means and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Concern(StrEnum):
    """What a diagnostic says; `unknown` where this corpus cannot show it."""

    FINE = "fine"
    LOOK = "look"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """A value with its verdict.

    `value` is None where nothing could be measured; `healthy` says what is usual, `meaning` what the value
    does to a search, `action` what to do about it, `verify` the command that shows whether it helped.
    """

    name: str
    value: float | None
    shown: str
    verdict: Concern
    healthy: str
    meaning: str
    action: str
    verify: str
