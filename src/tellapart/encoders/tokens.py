"""Texts to token numbers, without padding and without silent truncation; cutting a text that has too many."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from tellapart.encoders.protocol import Span
from tellapart.errors import TellapartError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

COUNTED_TOGETHER = 1_000
"""Encodings held at once while counting: some 10 MB of 250-token texts."""

TokenIds = NDArray[np.int64]
Number = TypeVar("Number", np.int32, np.int64)


class TokenizerFile:
    """A `tokenizer.json`; loaded on first use (some 40 ms for 30,000 word pieces)."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer, neither truncating nor padding whatever its file says."""
        from tokenizers import Tokenizer

        try:
            tokenizer = Tokenizer.from_file(str(self.path))
        except Exception as error:  # tokenizers raises bare Exception
            raise TellapartError(
                f"cannot read the tokenizer {self.path}: {error}; get the folder again"
            ) from error
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return tokenizer

    @cached_property
    def _tail(self) -> int:
        """Special tokens after the text, which survive cutting."""
        mask = self.tokenizer.encode("a").special_tokens_mask
        tail = 0
        while tail < len(mask) and mask[-1 - tail]:
            tail += 1
        return tail

    def ids(self, texts: Sequence[str], limit: int | None) -> list[TokenIds]:
        """Token numbers of each text, special tokens included, cut to `limit` before the final special ones."""
        return [self._cut(np.array(ids, dtype=np.int64), limit) for ids in self._encoded(texts)]

    def placed(self, texts: Sequence[str], limit: int | None) -> list[tuple[TokenIds, NDArray[np.int32]]]:
        """Token numbers as `ids` gives them, and where in its text each token starts; -1 for special ones."""
        encodings = self.tokenizer.encode_batch([_whole(text) for text in texts])
        made = []
        for encoding in encodings:
            starts = np.array([start for start, _ in encoding.offsets], dtype=np.int32)
            starts[np.array(encoding.special_tokens_mask, dtype=bool)] = -1
            ids = np.array(encoding.ids, dtype=np.int64)
            made.append((self._cut(ids, limit), self._cut(starts, limit)))
        return made

    def pair(self, query: str, text: str, limit: int) -> tuple[TokenIds, TokenIds]:
        """Token and segment numbers of a query and a text together; the text is cut so that all are `limit`.

        A query that leaves it less than half is cut too.
        """
        asked = self.tokenizer.encode(_whole(query), add_special_tokens=False)
        asked.truncate(limit // 2)
        found = self.tokenizer.encode(_whole(text), add_special_tokens=False)
        found.truncate(
            max(limit - len(asked.ids) - self.tokenizer.num_special_tokens_to_add(is_pair=True), 1)
        )
        both = self.tokenizer.post_process(asked, found)
        return np.array(both.ids, dtype=np.int64), np.array(both.type_ids, dtype=np.int64)

    def counts(self, texts: Sequence[str]) -> NDArray[np.int32]:
        """Tokens of each text (n,), special tokens included, uncut."""
        return np.fromiter((len(ids) for ids in self._encoded(texts)), dtype=np.int32, count=len(texts))

    def _encoded(self, texts: Sequence[str]) -> Iterator[list[int]]:
        for start in range(0, len(texts), COUNTED_TOGETHER):
            block = [_whole(text) for text in texts[start : start + COUNTED_TOGETHER]]
            for encoding in self.tokenizer.encode_batch_fast(block):
                yield encoding.ids

    def _cut(self, ids: NDArray[Number], limit: int | None) -> NDArray[Number]:
        if limit is None or len(ids) <= limit:
            return ids
        tail = self._tail
        return np.concatenate([ids[: limit - tail], ids[len(ids) - tail :]])


def _whole(text: str) -> str:
    """Replace half characters (lone surrogates), which a tokenizer refuses."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


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
