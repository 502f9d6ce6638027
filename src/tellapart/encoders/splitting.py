"""Cutting a text at the best places so that every piece fits a budget of tokens."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from tellapart.encoders.protocol import Span

Count = Callable[[Sequence[str]], NDArray[np.int64]]
"""Tokens of texts, special tokens left out."""

COUNTED_CHARACTERS = 8_000
"""A piece longer than this is cut before it is counted, so that no tokenizer sees megabytes at once."""

REACH = 0.25
"""How far from the ideal place, as a share of the part's length, a line's end or white space is looked for."""

SLACK = 1.1
"""Parts are made this much smaller than the budget asks, since tokens are not spread evenly."""

LINE_END = re.compile(r"\n")
SPACE = re.compile(r"\s(?=\S)")


def pieces(text: str, cuts: NDArray[np.int32], budget: int, count: Count) -> tuple[list[Span], list[int]]:
    """Cut a text at its child units, and inside those that exceed the budget at lines, white space, anywhere.

    Returns:
        Spans without gaps or overlap, and their tokens; only a single character may still exceed the budget.
    """
    inner = sorted({int(cut) for cut in cuts if 0 < cut < len(text)})
    bounds = [0, *inner, len(text)]
    uncounted = [span for start, end in itertools.pairwise(bounds) for span in _coarse(text, start, end)]
    tokens: dict[Span, int] = {}
    done: list[Span] = []
    while uncounted:
        counted = count([text[start:end] for start, end in uncounted]).tolist()
        again: list[Span] = []
        for span, amount in zip(uncounted, counted, strict=True):
            if amount <= budget or span[1] - span[0] <= 1:
                done.append(span)
                tokens[span] = amount
            else:
                again += _divided(text, *span, parts=-int(-amount * SLACK // budget))
        uncounted = again
    done.sort()
    return done, [tokens[span] for span in done]


def fill(spans: Sequence[Span], tokens: Sequence[int], budget: int) -> tuple[list[Span], list[int]]:
    """Join consecutive spans greedily as long as their tokens stay within the budget."""
    joined: list[Span] = []
    sums: list[int] = []
    for span, amount in zip(spans, tokens, strict=True):
        if joined and sums[-1] + amount <= budget:
            joined[-1] = (joined[-1][0], span[1])
            sums[-1] += amount
        else:
            joined.append(span)
            sums.append(amount)
    return joined, sums


def _coarse(text: str, start: int, end: int) -> list[Span]:
    if end - start <= COUNTED_CHARACTERS:
        return [(start, end)]
    return _divided(text, start, end, parts=-(-(end - start) // COUNTED_CHARACTERS))


def _divided(text: str, start: int, end: int, parts: int) -> list[Span]:
    """Cut a span into about equal parts, each at the best place near the ideal one; always at least two."""
    parts = min(max(parts, 2), end - start)
    size = (end - start) / parts
    spans = []
    last = start
    for part in range(1, parts):
        place = _near(text, last, round(start + part * size), end, int(size * REACH))
        if last < place < end:
            spans.append((last, place))
            last = place
    return [*spans, (last, end)]


def _near(text: str, low: int, ideal: int, high: int, reach: int) -> int:
    """Find the line's start, else the word's start, nearest to the ideal place; else the place itself."""
    first, stop = max(low + 1, ideal - reach), min(high - 1, ideal + reach)
    for boundary in (LINE_END, SPACE):
        found = [match.end() for match in boundary.finditer(text, max(low, first - 1), stop)]
        if found:
            return min(found, key=lambda place: (abs(place - ideal), place))
    return min(max(ideal, low + 1), high - 1)
