"""From a source to its documents: open, decode, extract, recognise."""

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO, cast

from tellapart.corpus.decode import decode, is_binary
from tellapart.corpus.document import Document, Kind
from tellapart.corpus.readers.extracted import Extracted, NotReadableError
from tellapart.corpus.sources import (
    COLLECTIONS,
    PACKED_RECORDS,
    UNSEEN,
    Format,
    ScanOptions,
    Skipped,
    Source,
    Unreadable,
)

Opener = Callable[[Source], BinaryIO]
"""Opens a source for reading bytes, as `open_source` does; raises Unreadable."""

_MARKUP = {Format.MARKDOWN: "markdown", Format.RST: "rst", Format.HTML: "html"}


def read(
    source: Source,
    options: ScanOptions,
    skipped: list[Skipped] | None = None,
    content: bytes | None = None,
    *,
    opener: Opener | None = None,
) -> Iterator[Document]:
    """Yield the documents of one source as they are read; records that are none are added to `skipped`.

    `content` is what `load` gave of the source, where somebody has looked at it already; `opener` opens sources that
    lie elsewhere than on this machine.

    Markdown and rst keep their text; HTML, PDF, DOCX and notebooks become Markdown, all of them prose; an image
    becomes its caption and size. Any
    other file is plain text whose kind and language `recognise` tells: source code, but also CSV, JSON, YAML,
    TOML, settings and logs are kept line for line, so that every line can be found. With `options.kind` =
    code, HTML, Markdown and rst are source text like any other. Line ends stay as they are in the file; a
    byte order mark goes.

    Raises:
        Unreadable: the source vanished, cannot be read or decoded, holds no text, or (unless the user chose
            it) is generated or minified. A collection may fail after some documents were yielded: drop those.
        TellapartError: a collection named by the user holds no records.
    """
    odd = [] if skipped is None else skipped
    opener = opener or open_source
    if source.format in COLLECTIONS:
        yield from _read_collection(source, options, odd, opener)
        return
    if content is None:
        content = load(source, options, opener)
    if source.file is None and _looks_like_records(content):
        yield from _read_collection(source, options, odd, opener, content)
        return
    yield _single(source, content, options)


def _single(source: Source, content: bytes, options: ScanOptions) -> Document:
    """Make one document of a file's bytes."""
    if source.format is Format.IMAGE:
        return _image(source, content, options)
    form = Format.PDF if content.startswith(b"%PDF-") else source.format
    as_code = options.kind is Kind.CODE and form in _MARKUP
    if form in (Format.PDF, Format.DOCX):
        extracted = _extract(source, form, content, options)
    elif is_binary(content):
        raise Unreadable(source.key, "binary")
    elif as_code:
        extracted = Extracted(decode(content).text, language=_MARKUP[form])
    else:
        extracted = _extract(source, form, content, options)
    if not extracted.text or extracted.text.isspace():
        raise Unreadable(source.key, extracted.without_text)
    kind, language = _kind_and_language(source, extracted, options, as_code=as_code)
    if kind is Kind.CODE and not source.chosen:
        reason = useless_code(extracted.text, language)
        if reason is not None:
            raise Unreadable(source.key, reason)
    return Document(
        id=source.key,
        text=extracted.text,
        kind=kind,
        language=language,
        title=extracted.title,
        path=source.key if source.file is not None else None,
        places=extracted.places,
    )


def _image(source: Source, content: bytes, options: ScanOptions) -> Document:
    """Make a document of an image: its text is what the file says in words."""
    if not options.images:
        raise Unreadable(source.key, UNSEEN)
    from tellapart.corpus.readers.images import content_hash, describe

    try:
        text = describe(content)
    except NotReadableError as error:
        raise Unreadable(source.key, str(error)) from error
    return Document(
        source.key, text, Kind.IMAGE, path=source.key, metadata={"content": content_hash(content)}
    )


def _kind_and_language(
    source: Source, extracted: Extracted, options: ScanOptions, *, as_code: bool
) -> tuple[Kind, str | None]:
    if as_code:
        return Kind.CODE, extracted.language
    if extracted.language is not None:
        return options.kind or Kind.PROSE, extracted.language
    from tellapart.corpus.recognise import recognise

    path = None if source.file is None else source.key
    recognised = recognise(extracted.text, path=path, declared=options.kind)
    return recognised.kind, recognised.language


def _extract(source: Source, form: Format, content: bytes, options: ScanOptions) -> Extracted:
    """Call the reader of a format; readers and what they need are imported only here."""
    try:
        match form:
            case Format.PDF:
                from tellapart.corpus.readers.pdf import extract_pdf

                return extract_pdf(content)
            case Format.DOCX:
                from tellapart.corpus.readers.docx import extract_docx

                return extract_docx(content, comments=options.comments)
            case Format.HTML:
                from tellapart.corpus.readers.html import extract_html

                return extract_html(decode(content).text)
            case Format.NOTEBOOK:
                from tellapart.corpus.readers.notebook import extract_notebook

                return extract_notebook(decode(content).text)
            case _:
                return Extracted(decode(content).text, language=_MARKUP.get(form))
    except NotReadableError as error:
        raise Unreadable(source.key, str(error)) from error


def _read_collection(
    source: Source,
    options: ScanOptions,
    skipped: list[Skipped],
    opener: Opener,
    content: bytes | None = None,
) -> Iterator[Document]:
    """Read records; a file found in a folder that turns out to hold none is read as plain text."""
    import gzip
    import io
    import zlib

    from tellapart.corpus.readers.records import NoRecordsError, read_records

    stream = opener(source) if content is None else io.BytesIO(content)
    packed = source.key.lower().endswith(PACKED_RECORDS)
    with stream:
        try:
            records = cast("BinaryIO", gzip.GzipFile(fileobj=stream)) if packed else stream
            yield from read_records(records, source, options.kind, skipped)
            return
        except (EOFError, zlib.error) as error:
            raise Unreadable(source.key, f"damaged: {error}") from error
        except NoRecordsError:
            if source.chosen:
                raise
        except OSError as error:
            raise Unreadable(source.key, error.strerror or str(error)) from error
    limit = options.limit(Format.TEXT)
    if source.size > limit:
        raise Unreadable(source.key, f"no records, and {source.size:,} bytes: over the limit of {limit:,}")
    yield _single(source, load(source, options, opener), options)


def _looks_like_records(content: bytes) -> bool:
    """Whether standard input begins with a record rather than with prose."""
    from tellapart.corpus.readers.records import is_record

    first = content.lstrip()[:1_000_000].split(b"\n", 1)[0]
    return first.startswith(b"{") and is_record(first)


_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_NO_LINKS = getattr(os, "O_NOFOLLOW", 0)


def open_source(source: Source) -> BinaryIO:
    """Open a source for reading bytes; the caller closes it (of standard input it is a copy).

    Raises:
        Unreadable: it vanished, may not be read, or is no regular file any more.
    """
    if source.file is None:
        if sys.stdin is None:
            raise Unreadable(source.key, "standard input is closed")
        try:
            return os.fdopen(os.dup(sys.stdin.fileno()), "rb")
        except (OSError, ValueError, AttributeError):
            return sys.stdin.buffer  # replaced by an object without a descriptor, as test runners do
    try:
        descriptor = os.open(source.file, _FLAGS | (_NO_LINKS if source.limited else 0))
    except OSError as error:
        raise Unreadable(source.key, why_unread(error)) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise Unreadable(source.key, "no regular file any more")
    return os.fdopen(descriptor, "rb")


def load(source: Source, options: ScanOptions, opener: Opener = open_source) -> bytes:
    """Read all bytes of a source.

    Raises:
        Unreadable: it cannot be read, or has grown beyond the size limit since it was listed.
    """
    limit = options.limit(source.format)
    with opener(source) as stream:
        try:
            content = stream.read(limit + 1 if source.limited else -1)
        except (OSError, MemoryError) as error:
            raise Unreadable(source.key, why_unread(error)) from error
    if source.limited and len(content) > limit:
        raise Unreadable(source.key, f"has grown over the limit of {limit:,} bytes")
    return content


def why_unread(error: OSError | MemoryError) -> str:
    """Say why a source could not be read."""
    if isinstance(error, MemoryError):
        return "larger than the memory"
    if isinstance(error, FileNotFoundError):
        return "vanished since it was listed"
    if isinstance(error, PermissionError):
        return "permission denied"
    return error.strerror or str(error)


_GENERATED = re.compile(
    r"^[^\w\n@]{0,12}(?:"
    r"@generated\b"
    r"|(?:this (?:file|code|module|class) (?:is|was|has been) )?(?:file |code )?"
    r"(?:auto(?:matically)?[- ]?)?generated\b[^\n]{0,200}\bdo not (?:edit|modify|change)"
    r"|do not (?:edit|modify)[^\n]{0,80}\bgenerated\b"
    r"|this (?:file|code|module|class) (?:is|was|has been) (?:auto(?:matically)?[- ]?)generated\b"
    r")",
    re.IGNORECASE | re.MULTILINE,
)
"""Marks at the start of a comment line: Go's convention (`go help generate`), Facebook's `@generated`,
protoc, and the sentences of other generators in the same words."""

_GENERATED_WORD = "generated"
_HEAD_CHARACTERS = 3_000
"""Where the mark must stand; beyond the licence header that often comes first (ours, not measured)."""

_WEB_LINE = 110
"""Mean characters a line above which JavaScript and CSS count as minified; github-linguist's rule and
number."""

_CODE_LINE = 500
"""The same for other code; ours: five times linguist's, since their lines carry data too."""

_LEAST_MINIFIED = 1_000
"""Characters below which nothing is called minified; a one-line script is just short."""


_IN_WORDS = re.compile(r"(?<![^\W_])[^\W\d_]{3,24}")
_ASCII_IN_WORDS = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{3,24}")
_DATA_SAMPLE = 8_000
"""Characters from the middle of a file, behind its licence, that say whether it is data (ours, not measured)."""

_LONGEST_TOKEN = 72
"""Characters without a blank above which they are encoded bytes (base64 breaks its lines at 76, MIME) or minified."""

_LEAST_IN_WORDS = 0.1
"""Share of the visible characters that words of 3 to 24 letters must have. Of 2,150 files of Python, JavaScript, C,
Perl and JSON (what a Debian has installed), tables of code points and of numbers lie below .04, all else above .17."""


_GLANCE = 3_000
"""Characters read first; they tell nearly all code from data (not measured)."""


def _is_data(text: str) -> bool:
    """Whether too few of the visible characters of a sample stand in words."""
    middle = max(0, (len(text) - _DATA_SAMPLE) // 2)
    sample = text[middle : middle + _DATA_SAMPLE]
    glance = sample[:_GLANCE].split()[:-1]  # the last one may be cut
    if _in_words(glance) >= _LEAST_IN_WORDS * len(sample):
        return False
    tokens = sample.split()
    return bool(tokens) and _in_words(tokens) / sum(map(len, tokens)) < _LEAST_IN_WORDS


def _in_words(tokens: Sequence[str]) -> int:
    """Count the characters that stand in words of 3 to 24 letters."""
    short = " ".join([token for token in tokens if len(token) <= _LONGEST_TOKEN])
    return sum(map(len, (_ASCII_IN_WORDS if short.isascii() else _IN_WORDS).findall(short)))


def useless_code(text: str, language: str | None) -> str | None:
    """Why code is not worth indexing (generated, minified, data), or None; prose is never asked."""
    head = text[:_HEAD_CHARACTERS]
    if _GENERATED_WORD in head.lower() and _GENERATED.search(head):
        return "generated: it says so at its top"
    if len(text) >= _LEAST_MINIFIED:
        mean = len(text) / (text.count("\n") + 1)
        if mean > (_WEB_LINE if language in ("javascript", "css") else _CODE_LINE):
            return f"minified: {mean:,.0f} characters a line"
        if _is_data(text):
            return "data: numbers, paths of drawings or encoded bytes, hardly a word"
    return None
