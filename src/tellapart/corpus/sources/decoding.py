"""Bytes become text: any encoding, never an error, or the verdict that this is no text."""

from __future__ import annotations

import codecs
import re
from typing import NamedTuple

from tellapart.corpus.sources.encodings import old_encoding

_HEAD = 8_000
"""Bytes looked at for the marks of binary content; git's own limit (buffer_is_binary)."""

_SAMPLE = 65_536
"""Bytes of lines with non-ASCII signs that decide between old encodings (ours, not measured)."""

_MAGIC = (
    b"\x89PNG", b"\xff\xd8\xff", b"PK\x03\x04", b"PK\x05\x06", b"\x1f\x8b", b"\xfd7zXZ", b"7z\xbc\xaf",
    b"\x28\xb5\x2f\xfd", b"\x7fELF", b"\xca\xfe\xba\xbe", b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe",
    b"\xd0\xcf\x11\xe0", b"%PDF-",
)  # fmt: skip
"""First bytes of well-known binary formats, from their specifications; only such as no text begins with."""

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)

_NOT_TEXT_CODECS = frozenset(
    {"unicode-escape", "raw-unicode-escape", "punycode", "idna", "utf-7", "undefined", "mbcs", "oem"}
)
_DECLARED = re.compile(
    rb"""(?:coding[:=]|charset\s*=\s*["']?|<\?xml[^>]{0,80}encoding\s*=\s*["'])\s*([-\w.]{2,30})""",
    re.IGNORECASE,
)


class Decoded(NamedTuple):
    """Text with its line ends but without a byte order mark, and the codec it was read with."""

    text: str
    encoding: str


def is_binary(content: bytes) -> bool:
    """Whether these bytes are no text in any encoding that is known here."""
    if content.startswith(tuple(mark for mark, _ in _BOMS)):
        return False
    if content.startswith(_MAGIC):
        return True
    head = content[:_HEAD]
    if b"\0" in head:
        return _unmarked_utf16(head) is None
    controls = len(head) - len(head.translate(None, bytes({*range(32), 127} - set(b"\t\n\r\f\b\x1b\v\x1a"))))
    # text has none of these, evenly distributed bytes a tenth (25 of 256)
    return controls * 20 > len(head)


def decode(content: bytes) -> Decoded:
    """Read bytes as text in the encoding they are most likely in; what cannot be decoded becomes U+FFFD.

    In this order: byte order mark, UTF-8, UTF-16 by its zeros, ISO-2022-JP by its escapes, UTF-8 with some
    damage, what the file declares (`coding:`, `charset=`, XML), the old encodings by how common their signs
    are, Latin-1.
    """
    for mark, encoding in _BOMS:
        if content.startswith(mark):
            return Decoded(content[len(mark) :].decode(encoding, "replace"), encoding)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return _decode_old(content)
    if "\0" in text[:_HEAD] and (wide := _unmarked_utf16(content[:_HEAD])) is not None:
        return Decoded(content.decode(wide, "replace"), wide)
    if "\x1b$" in text and (japanese := _try(content, "iso2022_jp")) is not None:
        return japanese
    return Decoded(text, "utf-8")


def _decode_old(content: bytes) -> Decoded:
    if b"\0" in content[:_HEAD] and (wide := _unmarked_utf16(content[:_HEAD])) is not None:
        return Decoded(content.decode(wide, "replace"), wide)
    damaged = content.decode("utf-8", "replace")
    bad = damaged.count("\ufffd")
    beyond_ascii = len(damaged) - len(damaged.encode("ascii", "ignore"))
    if beyond_ascii - bad > 4 * bad:
        return Decoded(damaged, "utf-8")
    declared = _DECLARED.search(content[:1024])
    if declared is not None and (found := _try(content, declared[1].decode("ascii"))) is not None:
        return found
    encoding = old_encoding(_sample(content))
    if encoding is None or encoding == "cp1252":
        return _try(content, "cp1252") or Decoded(content.decode("latin-1"), "latin-1")
    return Decoded(content.decode(encoding, "replace"), encoding)


def _try(content: bytes, encoding: str) -> Decoded | None:
    try:
        name = codecs.lookup(encoding).name
        if name in _NOT_TEXT_CODECS:
            return None
        return Decoded(content.decode(name), name)
    except (LookupError, UnicodeError, ValueError):
        return None


def _unmarked_utf16(head: bytes) -> str | None:
    """UTF-16 without a mark, seen by the zeros of its ASCII half; None for other bytes with zeros."""
    even, odd = head[0::2].count(0), head[1::2].count(0)
    half = max(1, len(head) // 2)
    if odd > 0.3 * half and even < 0.02 * half:
        return "utf-16-le"
    if even > 0.3 * half and odd < 0.02 * half:
        return "utf-16-be"
    return None


def _sample(content: bytes) -> bytes:
    """Lines that hold non-ASCII bytes, up to _SAMPLE bytes of them."""
    lines: list[bytes] = []
    size = position = 0
    beyond = re.compile(rb"[\x80-\xff]")
    while size < _SAMPLE and (hit := beyond.search(content, position)) is not None:
        # an unusual line end or none at all must not make the sample the whole file
        start = max(content.rfind(b"\n", 0, hit.start()) + 1, position)
        end = content.find(b"\n", hit.end())
        end = len(content) if end < 0 else end + 1
        line = (
            content[start : min(end, start + _SAMPLE)]
            if hit.start() - start < _SAMPLE
            else content[hit.start() : end]
        )
        lines.append(line[:_SAMPLE])
        size += len(line)
        position = end
    return b"".join(lines)
