"""Units as windows: texts that fit into the encoder, each encoded once however many units it is part of.

A unit that fits is one window, its context before it. A longer one becomes several: runs of consecutive child units
filled greedily. Every character of the unit lies in exactly one window; nothing is cut away (except a context that
would fill half a window). pooling.py makes vectors of what is laid out here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from tellapart.encoders.protocol import Encoder, Span
from tellapart.encoders.tokens import fill, pieces

WINDOW_TOKENS = 256
"""Of one window, context and special tokens included; less where the encoder takes less."""

CONTEXT_SHARE = 0.5
"""Of a window at most: a longer context (a very long path or title) is cut, and the report counts it."""

SURELY_LONG = 40
"""Characters for each token of the limit beyond which a text is not tokenised as a whole (50 MB on one line)."""

TIGHTENED = 8
"""Tokens by which windows are made smaller when joining their pieces made one too long."""


class Pooling(StrEnum):
    """How a unit longer than the encoder becomes one vector.

    The mean is the default: on xquad-en's articles +.085 nDCG@10 over truncation (p < .001), nowhere
    significantly worse (docs/benchmarks/long_units.md).
    """

    MEAN = "mean"
    TRUNCATE = "truncate"


@dataclass(frozen=True, slots=True)
class UnitText:
    """What is encoded of a unit; `cuts` = offsets inside `text` where its child units start (int32, increasing).

    `layout` is what the unit was before parts of it were blanked (its text as long as `text`): the windows stay
    where they were, so that those without a blank are known to the cache; a unit blanked altogether has no vector.
    """

    context: str
    text: str
    cuts: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, dtype=np.int32))
    layout: UnitText | None = None

    @property
    def blanked(self) -> bool:
        """Whether nothing is left of a unit that said something."""
        return self.layout is not None and not self.text.strip()


@dataclass(frozen=True, slots=True)
class Window:
    """A text for the encoder: a context of `lead` characters, then what stands in the unit from `start` on.

    Attributes:
        text: Context, newline, text; what is encoded.
        weight: Of its vector in a mean: the tokens of the unit's own text, or their square root (`joined`).
        lead: Characters of the context and its newline.
        start: Offset in the unit's text of what follows them.
        span: The characters of `text` whose tokens are averaged; None = the encoder's own vector of the whole.
    """

    text: str
    weight: float = 1
    lead: int = 0
    start: int = 0
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class Layout:
    """The windows that a unit's vector is the mean of; none if it has no vector. `cut` of them lost something."""

    windows: tuple[Window, ...]
    cut: int = 0


NOWHERE = Layout(())


def lay_out(
    encoder: Encoder,
    units: Sequence[UnitText],
    *,
    pooling: Pooling = Pooling.MEAN,
    weighted: bool = False,
) -> list[Layout]:
    """Lay out each unit as windows of its own.

    Args:
        encoder: Counts the tokens.
        units: What is encoded of them.
        pooling: What becomes of units longer than the encoder.
        weighted: Count the tokens of single windows too, for means over several units.
    """
    plain = [whole(unit) for unit in units]
    shapes = [whole(unit.layout) if unit.layout else text for unit, text in zip(units, plain, strict=True)]
    if weighted and all(unit.layout is None for unit in units):
        long, weights = _counted(encoder, units, plain)
    else:
        long = _longer(encoder, shapes)
        weights = _weights(encoder, units) if weighted else np.ones(len(units), dtype=np.int64)
    known: dict[tuple[str, str, bytes, str], Layout] = {}
    layouts: list[Layout] = []
    for row, unit in enumerate(units):
        if unit.blanked:
            layouts.append(NOWHERE)
        elif not long[row]:
            window = Window(plain[row], int(weights[row]), len(plain[row]) - len(unit.text))
            layouts.append(Layout((window,)))
        else:
            same = (unit.context, unit.text, unit.cuts.tobytes(), unit.layout.text if unit.layout else "")
            if same not in known:
                known[same] = _windowed(encoder, unit, pooling)
            layouts.append(known[same])
    return layouts


def joined(layouts: Sequence[Layout]) -> Layout:
    """Lay out a unit as the windows of the units inside it; windows without a token count where there is no other.

    A window weighs as the square root of its tokens: with tokens as weights articles lost against windows of their own,
    without weights functions of code did (docs/benchmarks/one_pass.md has what the root does).
    """
    every = [window for layout in layouts for window in layout.windows]
    telling = [replace(window, weight=math.sqrt(window.weight)) for window in every if window.weight > 0]
    return Layout(tuple(telling or every))


def inside(layout: Layout, span: Span, text: str) -> Layout:
    """Lay out a unit inside another one, at `span` of its text, as those characters of the other one's windows.

    The tokens keep what they took from the text around them: late chunking (Guenther et al. 2024, arXiv:2409.04701).
    """
    found = []
    for window in layout.windows:
        low = max(span[0], window.start)
        high = min(span[1], window.start + len(window.text) - window.lead)
        if low < high and text[low:high].strip():
            shift = window.lead - window.start
            found.append(
                Window(window.text, high - low, window.lead, window.start, (low + shift, high + shift))
            )
    return Layout(tuple(found))


def whole(unit: UnitText) -> str:
    """Give the text of a unit that fits into the encoder: context, newline, text."""
    return f"{unit.context}\n{unit.text}" if unit.context else unit.text


def windows(encoder: Encoder, unit: UnitText) -> list[Span]:
    """Cut a unit into windows: spans of its text, without gaps or overlap; one span if it fits."""
    layout = unit.layout or unit
    if not _longer(encoder, [whole(layout)])[0]:
        return [(0, len(unit.text))]
    return _spans(encoder, layout)[0]


def _counted(
    encoder: Encoder, units: Sequence[UnitText], texts: Sequence[str]
) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Say in one reading which texts are longer than the encoder takes, and how many tokens each unit itself has."""
    special = int(encoder.count_tokens([""])[0])
    limit = encoder.max_tokens or WINDOW_TOKENS
    endless = np.fromiter((len(text) > SURELY_LONG * limit for text in texts), dtype=bool, count=len(texts))
    read = ["" if skip else text for text, skip in zip(texts, endless.tolist(), strict=True)]
    tokens = encoder.count_tokens(read).astype(np.int64) - special
    contexts = list(dict.fromkeys(unit.context for unit in units if unit.context))
    counted = encoder.count_tokens([f"{context}\n" for context in contexts]).tolist() if contexts else []
    lead = dict(zip(contexts, (count - special for count in counted), strict=True))
    own = tokens - np.fromiter(
        (lead.get(unit.context, 0) for unit in units), dtype=np.int64, count=len(units)
    )
    longer = endless | (tokens + special > limit) if encoder.max_tokens else np.zeros(len(units), dtype=bool)
    return longer, np.maximum(own, 0)


def _weights(encoder: Encoder, units: Sequence[UnitText]) -> NDArray[np.int64]:
    """Tokens of each unit's own text, none where it is longer than anything that is encoded in one piece."""
    special = int(encoder.count_tokens([""])[0])
    limit = SURELY_LONG * (encoder.max_tokens or WINDOW_TOKENS)
    counted = encoder.count_tokens([unit.text if len(unit.text) <= limit else "" for unit in units])
    return counted.astype(np.int64) - special


def _windowed(encoder: Encoder, unit: UnitText, pooling: Pooling) -> Layout:
    if pooling is Pooling.TRUNCATE:  # the encoder cuts it
        text = whole(unit)
        return Layout((Window(text, lead=len(text) - len(unit.text)),), cut=1)
    spans, weights, context, cut = _spans(encoder, unit.layout or unit)
    if unit.layout:
        context, weights = _blanked(encoder, unit, unit.layout, spans, weights)
    texts = [whole(UnitText(context, unit.text[start:end])) for start, end in spans]
    kept = [place for place, weight in enumerate(weights) if weight > 0] or [0]
    made = [
        Window(text, max(weights[place], 1), len(text) - (spans[place][1] - spans[place][0]), spans[place][0])
        for place, text in ((place, texts[place]) for place in kept)
    ]
    return Layout(tuple(made), cut)


def _blanked(
    encoder: Encoder, unit: UnitText, layout: UnitText, spans: Sequence[Span], weights: Sequence[int]
) -> tuple[str, list[int]]:
    """Give the context of a blanked unit's windows, and their tokens without what was blanked."""
    context = _fitting(encoder, unit.context)
    changed = [
        place for place, (start, end) in enumerate(spans) if unit.text[start:end] != layout.text[start:end]
    ]
    left = list(weights)
    if changed:
        special = int(encoder.count_tokens([""])[0])
        tokens = encoder.count_tokens([unit.text[slice(*spans[place])] for place in changed])
        for place, count in zip(changed, tokens.tolist(), strict=True):
            left[place] = count - special
    return context, left


def _spans(encoder: Encoder, unit: UnitText) -> tuple[list[Span], list[int], str, int]:
    """Windows, their tokens without context, the context that goes before each, texts that lost something."""
    window = _window(encoder)
    special = int(encoder.count_tokens([""])[0])
    context = _fitting(encoder, unit.context)
    lead = int(encoder.count_tokens([f"{context}\n"])[0]) if context else special
    budget = max(1, window - lead)

    def count(texts: Sequence[str]) -> NDArray[np.int64]:
        return encoder.count_tokens(texts).astype(np.int64) - special

    atoms, tokens = pieces(unit.text, unit.cuts, budget, count)
    for allowed in range(budget, 0, -TIGHTENED):
        spans, weights = fill(atoms, tokens, allowed)
        # Joined pieces may take a token more than their sum (a word cut in two, a byte-pair merge).
        sizes = encoder.count_tokens([whole(UnitText(context, unit.text[start:end])) for start, end in spans])
        if (sizes <= window).all() or len(spans) == len(atoms):
            break
    cut = int((sizes > window).sum()) + (context != unit.context)
    return spans, weights, context, cut


def _window(encoder: Encoder) -> int:
    return min(WINDOW_TOKENS, encoder.max_tokens or WINDOW_TOKENS)


def _fitting(encoder: Encoder, context: str) -> str:
    """Take the end off a context that would leave too little room for the text."""
    special = int(encoder.count_tokens([""])[0])
    limit = special + int((_window(encoder) - special) * CONTEXT_SHARE)
    while context and int(encoder.count_tokens([f"{context}\n"])[0]) > limit:
        tokens = int(encoder.count_tokens([f"{context}\n"])[0])
        context = context[: min(len(context) - 1, len(context) * limit // tokens)]
    return context


def _longer(encoder: Encoder, texts: Sequence[str]) -> NDArray[np.bool_]:
    """Which texts are longer than the encoder takes, (n,)."""
    longer = np.zeros(len(texts), dtype=bool)
    limit = encoder.max_tokens
    if limit is None or not texts:
        return longer
    # A token covers at least one ASCII character: short texts need no counting, most of the work otherwise.
    room = limit - int(encoder.count_tokens([""])[0]) - 1  # 1: a word-start mark before the text
    doubtful = []
    for row, text in enumerate(texts):
        longer[row] = len(text) > SURELY_LONG * limit
        if not longer[row] and (len(text) > room or not text.isascii()):
            doubtful.append(row)
    longer[doubtful] = encoder.count_tokens([texts[row] for row in doubtful]) > limit
    return longer
