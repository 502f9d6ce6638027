"""Windows to vectors: the cache, one stream of distinct texts, means over windows and over spans of tokens."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tellapart.encoders.cache import VectorCache, key_of
from tellapart.encoders.joined import JoinedEncoder
from tellapart.encoders.protocol import (
    DerivedEncoder,
    Encoder,
    Span,
    SpanEncoder,
    Vectors,
    stored_precision,
    unit_rows,
)
from tellapart.encoders.windows import Layout, Pooling, UnitText, Window, lay_out
from tellapart.errors import TellapartError
from tellapart.progress import Progress, part_of, silent

KEPT_TOGETHER = 256
"""Texts encoded between two writes to the cache: some 2 s of 120 tokens on two cores, what a kill can cost."""

CHARACTERS_A_TOKEN = 4
"""Of English, about: what a text counts in progress."""

GOLDEN = 0.6180339887498949
"""The golden ratio: its multiples modulo 1 spread evenly however many there are."""


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


def embed(
    encoder: Encoder,
    units: Sequence[UnitText],
    *,
    cache: VectorCache | None = None,
    progress: Progress = silent,
    pooling: Pooling = Pooling.MEAN,
) -> tuple[Vectors, EmbedReport]:
    """Encode each unit by itself: (n, dim) float32, rows of unit length with float16 precision, and what was done.

    A row is zero where the whole unit was blanked.

    Identical texts are encoded once. Each batch is cached as soon as it is made: after Ctrl-C or a kill the same
    call goes on where it was.

    Raises:
        TellapartError: The encoder returned something else than one finite vector for each text.
    """
    layouts = lay_out(encoder, units, pooling=pooling)
    vectors, texts, cached = pool(encoder, layouts, cache=cache, progress=progress)
    return vectors, report_of(layouts, texts, cached)


def report_of(layouts: Sequence[Layout], texts: int, cached: int) -> EmbedReport:
    """Count what became of units laid out by themselves."""
    longer = [layout for layout in layouts if len(layout.windows) > 1 or layout.cut]
    return EmbedReport(
        units=len(layouts),
        texts=texts,
        cached=cached,
        windowed=len(longer),
        windows=sum(len(layout.windows) for layout in longer),
        cut=sum(layout.cut for layout in longer),
    )


def pool(
    encoder: Encoder,
    layouts: Sequence[Layout],
    *,
    cache: VectorCache | None = None,
    progress: Progress = silent,
) -> tuple[Vectors, int, int]:
    """Encode every distinct window once and average, for each layout, its windows with their weights.

    Returns:
        Vectors (n, dim) float32, rows of unit length with float16 precision, zero for a layout without windows;
        how many distinct texts there were; how many of them the cache knew.

    Raises:
        TellapartError: The encoder returned something else than finite vectors, or spans are wanted of one that
            gives no vectors of tokens.
    """
    wanted: dict[str, dict[Span | None, int]] = {}
    count = 0
    for window in (window for layout in layouts for window in layout.windows):
        spans = wanted.setdefault(window.text, {})
        if window.span not in spans:
            spans[window.span] = count
            count += 1
    made, cached = _encoded(encoder, wanted, count, cache, progress)
    result = np.zeros((len(layouts), encoder.dim), dtype=np.float32)
    singles = [row for row, layout in enumerate(layouts) if len(layout.windows) == 1]
    if singles:
        firsts = [layouts[row].windows[0] for row in singles]
        result[singles] = made[[wanted[window.text][window.span] for window in firsts]]
    for row, layout in enumerate(layouts):
        if len(layout.windows) > 1:
            places = [wanted[window.text][window.span] for window in layout.windows]
            result[row] = _mean(made[places], layout.windows, encoder.name)
    return result, len(wanted), cached


def _mean(vectors: Vectors, windows: Sequence[Window], name: str) -> Vectors:
    """Average windows with their weights; opposite windows leave the first one."""
    weights = [max(window.weight, 1e-3) for window in windows]
    mean = np.average(vectors.astype(np.float64), axis=0, weights=weights)
    if np.linalg.norm(mean) < 1e-6:
        mean = vectors[0].astype(np.float64)
    return np.asarray(unit_rows(mean, encoder=name)[0], dtype=np.float32)


def _encoded(
    encoder: Encoder,
    wanted: dict[str, dict[Span | None, int]],
    count: int,
    cache: VectorCache | None,
    progress: Progress,
) -> tuple[Vectors, int]:
    """Look up what is wanted of each distinct text, encode the others: (count, dim), and how many texts were known."""
    found = np.zeros(count, dtype=bool)
    vectors = np.zeros((count, encoder.dim), dtype=np.float32)
    texts = list(wanted)
    if cache:
        keys = [key_of(_name(text, span)) for text, spans in wanted.items() for span in spans]
        places = [place for spans in wanted.values() for place in spans.values()]
        found[places], vectors[places] = cache.lookup(encoder.fingerprint, encoder.dim, keys)
    known = [all(found[place] for place in wanted[text].values()) for text in texts]
    tokens = _lengths(encoder, texts)
    missing = sorted(
        (row for row, is_known in enumerate(known) if not is_known), key=lambda row: (-len(texts[row]), row)
    )
    with progress(f"encoding with {encoder.name}", sum(tokens)) as advance:
        advance(sum(count for count, is_known in zip(tokens, known, strict=True) if is_known))
        for rows in _blocks(missing):
            block = [texts[row] for row in rows]
            with part_of(advance, sum(tokens[row] for row in rows))("", len(block)) as step:
                inner = part_of(step, len(block))
                places, made = _encode_block(encoder, block, [wanted[text] for text in block], cache, inner)
            vectors[places] = made
            if cache:
                names = [_name(text, span) for text in block for span in wanted[text]]
                cache.keep(encoder.fingerprint, [key_of(name) for name in names], made)
    return vectors, sum(known)


def _lengths(encoder: Encoder, texts: Sequence[str]) -> list[int]:
    """About so many tokens of each text, at most as many as are read: counting would read all texts once more."""
    limit = encoder.max_tokens or sys.maxsize
    return [min(len(text) // CHARACTERS_A_TOKEN + 1, limit) for text in texts]


def _blocks(rows: Sequence[int]) -> list[Sequence[int]]:
    """Cut rows sorted by length into blocks of like ones, long and short ones by turns: an even pace from the start."""
    blocks = [rows[start : start + KEPT_TOGETHER] for start in range(0, len(rows), KEPT_TOGETHER)]
    return [blocks[place] for place in sorted(range(len(blocks)), key=lambda place: place * GOLDEN % 1)]


def _encode_block(
    encoder: Encoder,
    texts: Sequence[str],
    wanted: Sequence[dict[Span | None, int]],
    cache: VectorCache | None,
    progress: Progress,
) -> tuple[list[int], Vectors]:
    """Encode some texts: where the vectors of each whole and of its spans belong, and they, in the same order."""
    places = [place for spans in wanted for place in spans.values()]
    if isinstance(encoder, DerivedEncoder):
        made = _of_base(encoder.base, texts, wanted, cache, progress)
        shown = [text[slice(*span)] if span else text for text, span in _pairs(texts, wanted)]
        return places, _checked(encoder, encoder.derive(made, shown), len(places))
    if isinstance(encoder, JoinedEncoder):
        with progress("", len(encoder.parts) * len(texts)) as advance:
            parts = [
                _of_base(part, texts, wanted, cache, part_of(advance, len(texts))) for part in encoder.parts
            ]
        return places, _checked(encoder, encoder.join(parts), len(places))
    if all(list(spans) == [None] for spans in wanted):
        return places, _checked(encoder, encoder.encode_document(texts, progress=progress), len(texts))
    if not isinstance(encoder, SpanEncoder):
        raise TellapartError(
            f"the encoder {encoder.name!r} gives no vectors of tokens: encode units by themselves"
        )
    made = encoder.encode_spans(texts, [list(spans) for spans in wanted], progress=progress)
    return places, _checked(encoder, made, len(places))


def _of_base(
    base: Encoder,
    texts: Sequence[str],
    wanted: Sequence[dict[Span | None, int]],
    cache: VectorCache | None,
    progress: Progress,
) -> Vectors:
    """Give the vectors from which an encoder makes its own, of which the cache may know all."""
    rows: dict[str, dict[Span | None, int]] = {}
    pairs = _pairs(texts, wanted)
    for row, (text, span) in enumerate(pairs):
        rows.setdefault(text, {})[span] = row
    return _encoded(base, rows, len(pairs), cache, progress)[0]


def _pairs(texts: Sequence[str], wanted: Sequence[dict[Span | None, int]]) -> list[tuple[str, Span | None]]:
    return [(text, span) for text, spans in zip(texts, wanted, strict=True) for span in spans]


def _checked(encoder: Encoder, made: Vectors, wanted: int) -> Vectors:
    if made.shape != (wanted, encoder.dim):
        raise TellapartError(
            f"the encoder {encoder.name!r} returned an array of shape {made.shape} for {wanted} texts of dimension"
            f" {encoder.dim}: the model changed or its configuration is wrong"
        )
    return stored_precision(unit_rows(made, encoder=encoder.name))


def _name(text: str, span: Span | None) -> str:
    """What the cache knows a vector by: the text, and for a span of it where that lies."""
    return text if span is None else f"{text}\0{span[0]}:{span[1]}"
