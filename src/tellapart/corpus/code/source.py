"""A text as the parser sees it (UTF-8 bytes), with the way back to code points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import tree_sitter


@dataclass(frozen=True, slots=True)
class Source:
    """The bytes that are parsed and the text they stand for.

    `before` bytes of a wrapper stand in front of the text. `offsets[b]` is the number of characters that start
    before byte `b` of the text, None where every character is one byte.
    """

    text: str
    data: bytes
    before: int
    offsets: Sequence[int] | None

    @classmethod
    def of(cls, text: str, wrappers: tuple[str, str] = ("", "")) -> Source:
        """Encode a text, lone surrogates included; the parser may call those errors but counts them."""
        body = text.encode("utf-8", "surrogatepass")
        offsets = None if len(body) == len(text) else _offsets(body)
        before, after = (wrapper.encode() for wrapper in wrappers)
        return cls(text, before + body + after if before or after else body, len(before), offsets)

    def position(self, byte: int) -> int:
        """Code point of a byte of `data`; -1 in the wrapper before the text, the text's length in the one after."""
        byte -= self.before
        if byte < 0:
            return -1
        if self.offsets is None:
            return min(byte, len(self.text))
        return int(self.offsets[min(byte, len(self.offsets) - 1)])

    def span(self, node: tree_sitter.Node) -> tuple[int, int]:
        """Start and end of a node in code points."""
        return self.position(node.start_byte), self.position(node.end_byte)

    def slice(self, node: tree_sitter.Node) -> str:
        """Text of a node."""
        start, end = self.span(node)
        return self.text[max(start, 0) : end]


def _offsets(body: bytes) -> Sequence[int]:
    """Characters that start before each byte: continuation bytes are 10xxxxxx (RFC 3629, 3)."""
    starts = (np.frombuffer(body, dtype=np.uint8) & 0xC0) != 0x80
    offsets = np.zeros(len(body) + 1, dtype=np.int32)
    np.cumsum(starts, out=offsets[1:])
    return memoryview(offsets.data)
