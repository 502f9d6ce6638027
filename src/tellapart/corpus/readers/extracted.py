"""What a reader gives back, and what readers share."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from tellapart.corpus.document import Places


@dataclass(frozen=True, slots=True)
class Extracted:
    """The text of one file; `language` None leaves kind and language to be recognised.

    `without_text` is what the user is told where the text is empty. `places` says where its parts stand in the file.
    """

    text: str
    title: str = ""
    language: str | None = None
    without_text: str = "holds no text"
    places: Places = field(default_factory=dict)


class NotReadableError(Exception):
    """A reader cannot make sense of a file; the message is the reason, for a person."""


def clean(text: str) -> str:
    """Replace what no file can store: half surrogate pairs, as JSON's escapes can make them."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


MARK = "\0"
_MARKED = re.compile(r"\0(\d*)\0")


def mark(place: int) -> str:
    """Write a place (a line, a page) into a text that is being put together; `lift_marks` takes it out again.

    So a place survives joining, indenting and the like. What is read must be freed of NUL before.
    """
    return f"{MARK}{place}{MARK}"


_LEAD = re.compile(r"^([^\0\n]+)(\0\d*\0)", re.MULTILINE)


def led(block: str) -> str:
    """Let a block, and each line of it, stand where its first words do: marks of lists and fences have no place."""
    first = _MARKED.search(block)
    return (first[0] if first else "") + _LEAD.sub(r"\2\1", block)


def without_marks(text: str) -> str:
    """Give the text as it will be."""
    return _MARKED.sub("", text) if MARK in text else text


def lift_marks(text: str) -> tuple[str, tuple[tuple[int, int], ...]]:
    """Take the marks out of a text: the text, and pairs of an offset in it and the place from there on."""
    pairs: list[tuple[int, int]] = []
    pieces: list[str] = []
    offset = position = 0
    for found in _MARKED.finditer(text):
        pieces.append(text[position : found.start()])
        offset += len(pieces[-1])
        position = found.end()
        if pairs and pairs[-1][0] == offset:
            pairs.pop()
        if not pairs or pairs[-1][1] != int(found[1]):
            pairs.append((offset, int(found[1])))
    pieces.append(text[position:])
    return "".join(pieces), tuple(pairs)


_ASCII_SPACE = re.compile(r"[ \t\n\r\f\v]+")
SPACE = " \t\n\r\f\v"
"""The white space that markup may add and drop; NBSP, U+3000 and joiners are the author's and stay."""


def collapsed(text: str) -> str:
    """Write one blank for each run of ASCII white space, none at the ends (as HTML shows text)."""
    return _ASCII_SPACE.sub(" ", text).strip(SPACE)


_TICKS = re.compile(r"^[ ]{0,3}(`{3,})", re.MULTILINE)


def fenced(code: str, language: str = "") -> str:
    """Put code into a Markdown fence longer than any fence inside it (CommonMark 4.5)."""
    longest = max((len(ticks) for ticks in _TICKS.findall(without_marks(code))), default=2)
    fence = "`" * (longest + 1)
    info = language if re.fullmatch(r"[\w.+#-]{1,40}", language) else ""
    return f"{fence}{info}\n{code}\n{fence}"
