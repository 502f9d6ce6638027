"""What a reader gives back, and what readers share."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Extracted:
    """The text of one file; `language` None leaves kind and language to be recognised.

    `without_text` is what the user is told where the text is empty.
    """

    text: str
    title: str = ""
    language: str | None = None
    without_text: str = "holds no text"


class NotReadableError(Exception):
    """A reader cannot make sense of a file; the message is the reason, for a person."""


def clean(text: str) -> str:
    """Replace what no file can store: half surrogate pairs, as JSON's escapes can make them."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


_TICKS = re.compile(r"^[ ]{0,3}(`{3,})", re.MULTILINE)


def fenced(code: str, language: str = "") -> str:
    """Put code into a Markdown fence longer than any fence inside it (CommonMark 4.5)."""
    longest = max((len(ticks) for ticks in _TICKS.findall(code)), default=2)
    fence = "`" * (longest + 1)
    info = language if re.fullmatch(r"[\w.+#-]{1,40}", language) else ""
    return f"{fence}{info}\n{code}\n{fence}"
