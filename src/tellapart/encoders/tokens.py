"""Texts to token numbers, without padding and without silent truncation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

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
