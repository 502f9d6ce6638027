"""What is wrong with a request, in one line; HTTP and MCP say it alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

NAMED = 5
"""Mistakes of one request that are named; the others are counted."""


def describe_mistakes(found: Sequence[Mapping[str, Any]]) -> str:
    """Say in one line what is wrong with a request, field by field.

    Args:
        found: pydantic's errors; the first part of each `loc` says where the field was sent (body, query, arguments).
    """
    told = dict.fromkeys(map(_mistake, found))
    shown = list(told)[:NAMED]
    more = f"; and {len(told) - NAMED} more" if len(told) > NAMED else ""
    return "; ".join(shown) + more


def _mistake(mistake: Mapping[str, Any]) -> str:
    if mistake["type"] == "json_invalid":
        place = f" at character {mistake['loc'][-1]}" if isinstance(mistake["loc"][-1], int) else ""
        return f"the body is not JSON ({mistake.get('ctx', {}).get('error', 'cut off')}{place})"
    return f"{_field(mistake['loc'])}: {_plainly(mistake)}"


def _field(location: Sequence[str | int]) -> str:
    """The body's field or the parameter, as its sender wrote it."""
    return ".".join(str(part) for part in location[1:]) or str(location[0])


def _plainly(mistake: Mapping[str, Any]) -> str:
    if mistake["type"] == "extra_forbidden":
        return "is not known here, leave it out"
    if mistake["type"] == "missing":
        return "is missing"
    message = str(mistake["msg"])
    return message[:1].lower() + message[1:]
