"""Units of any length to one vector each: windows, the cache, one length-sorted stream of texts.

A unit that fits into the encoder is one text, its context before it. A longer one becomes windows: runs of
consecutive child units filled greedily, whose vectors are averaged with their tokens as weights. Every character
of the unit lies in exactly one window; nothing is cut away (except a context that would fill half a window).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from tellapart.encoders.cache import Key, VectorCache, key_of
from tellapart.encoders.protocol import Encoder, Vectors
from tellapart.encoders.rows import stored_precision, unit_rows
from tellapart.encoders.splitting import Span, fill, pieces
from tellapart.errors import TellapartError
from tellapart.progress import Progress, silent

WINDOW_TOKENS = 256
"""Of one window, context and special tokens included; less where the encoder takes less."""

CONTEXT_SHARE = 0.5
"""Of a window at most: a longer context (a very long path or title) is cut, and the report counts it."""

SURELY_LONG = 40
"""Characters for each token of the limit beyond which a text is not tokenised as a whole (50 MB on one line)."""

TIGHTENED = 8
"""Tokens by which windows are made smaller when joining their pieces made one too long."""

KEPT_TOGETHER = 256
"""Texts encoded between two writes to the cache: some 2 s of 120 tokens on two cores, what a kill can cost."""


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
class EmbedReport:
    """What became of the units of one call.

    `windowed` units were longer than the encoder and became `windows` windows; `cut` texts lost something: the
    end of a context beyond half a window, or of a single character longer than the encoder. `texts` were
    distinct, `cached` of them known, the others encoded.
    """

    units: int = 0
    texts: int = 0
    cached: int = 0
    windowed: int = 0
    windows: int = 0
    cut: int = 0


@dataclass(frozen=True, slots=True)
class _Parts:
    """The texts of one unit with their weights; `cut` of them lost something."""

    texts: list[str]
    weights: list[int]
    cut: int = 0


def embed(
    encoder: Encoder,
    units: Sequence[UnitText],
    *,
    cache: VectorCache | None = None,
    progress: Progress = silent,
    pooling: Pooling = Pooling.MEAN,
) -> tuple[Vectors, EmbedReport]:
    """Encode units: (n, dim) float32, rows of unit length with float16 precision, and what was done.

    A row is zero where the whole unit was blanked.

    Identical texts are encoded once. Each batch is cached as soon as it is made: after Ctrl-C or a kill the same
    call goes on where it was.

    Raises:
        TellapartError: The encoder returned something else than one finite vector for each text.
    """
    plain = [whole(unit) for unit in units]
    parts = _windowed(encoder, units, plain, pooling)
    known: dict[str, int] = {}
    for row, text in enumerate(plain):
        for wanted in parts[row].texts if row in parts else (text,):
            known.setdefault(wanted, len(known))
    texts = list(known)
    vectors, cached = _vectors(encoder, texts, cache, progress)
    result = np.zeros((len(units), encoder.dim), dtype=np.float32)
    singles = [row for row in range(len(units)) if row not in parts]
    if singles:
        result[singles] = vectors[[known[plain[row]] for row in singles]]
    for row, part in parts.items():
        if part.texts:
            result[row] = _mean(vectors[[known[text] for text in part.texts]], part.weights, encoder.name)
    report = EmbedReport(
        units=len(units),
        texts=len(texts),
        cached=cached,
        windowed=sum(1 for part in parts.values() if part.texts),
        windows=sum(len(part.texts) for part in parts.values()),
        cut=sum(part.cut for part in parts.values()),
    )
    return result, report


def whole(unit: UnitText) -> str:
    """Give the text of a unit that fits into the encoder: context, newline, text."""
    return f"{unit.context}\n{unit.text}" if unit.context else unit.text


def windows(encoder: Encoder, unit: UnitText) -> list[Span]:
    """Cut a unit into windows: spans of its text, without gaps or overlap; one span if it fits."""
    layout = unit.layout or unit
    if not _mask(encoder, [whole(layout)])[0]:
        return [(0, len(unit.text))]
    return _laid_out(encoder, layout)[0]


def _windowed(
    encoder: Encoder, units: Sequence[UnitText], plain: Sequence[str], pooling: Pooling
) -> dict[int, _Parts]:
    """Give the windows of every unit that is too long, by row; none for a unit that was blanked."""
    shapes = [whole(unit.layout) if unit.layout else text for unit, text in zip(units, plain, strict=True)]
    long = [row for row, is_long in enumerate(_mask(encoder, shapes)) if is_long]
    done: dict[tuple[str, str, bytes, str], _Parts] = {}
    parts = {row: _Parts([], []) for row, unit in enumerate(units) if unit.blanked}
    for row in long:
        if row in parts:
            continue
        unit = units[row]
        same = (unit.context, unit.text, unit.cuts.tobytes(), unit.layout.text if unit.layout else "")
        if same not in done:
            done[same] = _parts(encoder, unit, pooling)
        parts[row] = done[same]
    return parts


def _parts(encoder: Encoder, unit: UnitText, pooling: Pooling) -> _Parts:
    if pooling is Pooling.TRUNCATE:  # the encoder cuts it
        return _Parts([whole(unit)], [1], cut=1)
    spans, weights, context, cut = _laid_out(encoder, unit.layout or unit)
    if unit.layout:
        context, weights = _blanked(encoder, unit, unit.layout, spans, weights)
    texts = [whole(UnitText(context, unit.text[start:end])) for start, end in spans]
    kept = [place for place, weight in enumerate(weights) if weight > 0] or [0]
    return _Parts([texts[place] for place in kept], [max(weights[place], 1) for place in kept], cut)


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


def _laid_out(encoder: Encoder, unit: UnitText) -> tuple[list[Span], list[int], str, int]:
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


def _mask(encoder: Encoder, texts: Sequence[str]) -> NDArray[np.bool_]:
    """Which texts are longer than the encoder takes, (n,)."""
    mask = np.zeros(len(texts), dtype=bool)
    if encoder.max_tokens is None or not texts:
        return mask
    # A token covers at least one ASCII character: short texts need no counting, most of the work otherwise.
    room = encoder.max_tokens - int(encoder.count_tokens([""])[0]) - 1  # 1: a word-start mark before the text
    doubtful = [row for row, text in enumerate(texts) if len(text) > room or not text.isascii()]
    mask[doubtful] = _long(encoder, [texts[row] for row in doubtful])
    return mask


def _long(encoder: Encoder, texts: Sequence[str]) -> NDArray[np.bool_]:
    limit = encoder.max_tokens or 0
    long = np.array([len(text) > SURELY_LONG * limit for text in texts], dtype=bool)
    short = np.flatnonzero(~long)
    if len(short):
        long[short] = encoder.count_tokens([texts[place] for place in short.tolist()]) > limit
    return long


def _mean(vectors: Vectors, weights: Sequence[int], name: str) -> Vectors:
    """Average windows with their tokens as weights; opposite windows leave the first one."""
    mean = np.average(vectors.astype(np.float64), axis=0, weights=weights)
    if np.linalg.norm(mean) < 1e-6:
        mean = vectors[0].astype(np.float64)
    return np.asarray(unit_rows(mean, encoder=name)[0], dtype=np.float32)


def _vectors(
    encoder: Encoder, texts: Sequence[str], cache: VectorCache | None, progress: Progress
) -> tuple[Vectors, int]:
    """Look distinct texts up, encode the others longest first, keep each batch: vectors and how many were known."""
    keys: list[Key] = [key_of(text) for text in texts] if cache else []
    if cache:
        found, vectors = cache.lookup(encoder.fingerprint, encoder.dim, keys)
    else:
        found = np.zeros(len(texts), dtype=bool)
        vectors = np.zeros((len(texts), encoder.dim), dtype=np.float32)
    missing = sorted(np.flatnonzero(~found).tolist(), key=lambda row: (-len(texts[row]), row))
    with progress(f"encoding with {encoder.name}", len(texts)) as advance:
        advance(int(found.sum()))
        for start in range(0, len(missing), KEPT_TOGETHER):
            rows = missing[start : start + KEPT_TOGETHER]
            made = _checked(encoder, encoder.encode_document([texts[row] for row in rows]), len(rows))
            vectors[rows] = made
            if cache:
                cache.keep(encoder.fingerprint, [keys[row] for row in rows], made)
            advance(len(rows))
    return vectors, int(found.sum())


def _checked(encoder: Encoder, made: Vectors, wanted: int) -> Vectors:
    if made.shape != (wanted, encoder.dim):
        raise TellapartError(
            f"the encoder {encoder.name!r} returned an array of shape {made.shape} for {wanted} texts of dimension"
            f" {encoder.dim}: the model changed or its configuration is wrong"
        )
    return stored_precision(unit_rows(made, encoder=encoder.name))
