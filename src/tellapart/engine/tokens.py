"""Counting tokens, and cutting a text so that it fits a number of them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from tellapart.encoders.folder import MINILM_FOLDER
from tellapart.encoders.tokens import TokenizerFile

TOKENIZER = "minilm"
"""The bundled tokenizer (30,522 word pieces, lower case) counts, since no other is there without a download. It
makes more tokens of a text than the larger vocabularies of language models do, so that a budget is rather
underspent; white space counts nothing in it."""

SPECIAL = 2
"""Start and end that the tokenizer adds to each text; a context has none."""


@cache
def _tokens() -> TokenizerFile:
    return TokenizerFile(MINILM_FOLDER / "tokenizer.json")


def count_tokens(text: str) -> int:
    """Tokens of a text, as the tokenizer named `TOKENIZER` counts them."""
    return int(_tokens().counts([text])[0]) - SPECIAL


def count_tokens_of(texts: Sequence[str]) -> list[int]:
    """Tokens of each of several texts, counted together."""
    return [int(count) - SPECIAL for count in _tokens().counts(texts)]


def cut_to_tokens(text: str, limit: int) -> str:
    """Give the longest beginning of whole lines that has at most `limit` tokens.

    A first line that is too long by itself is cut behind a token.
    """
    if limit <= 0:
        return ""
    encoding = _tokens().tokenizer.encode(text, add_special_tokens=False)
    if len(encoding.ids) <= limit:
        return text
    end = encoding.offsets[limit][0]
    line = text.rfind("\n", 0, end) + 1
    return text[: line or end]
