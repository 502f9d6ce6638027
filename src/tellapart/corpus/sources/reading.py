"""From a source to its documents."""

from __future__ import annotations

from collections.abc import Iterator

from tellapart.corpus.readers.types import Extracted, NotReadableError
from tellapart.corpus.sources.decoding import decode, is_binary
from tellapart.corpus.sources.judging import useless_code
from tellapart.corpus.sources.names import UNSEEN
from tellapart.corpus.sources.opening import load, open_source
from tellapart.corpus.sources.types import COLLECTIONS, Format, ScanOptions, Source, Unreadable
from tellapart.corpus.types import Document, Kind

_MARKUP = {Format.MARKDOWN: "markdown", Format.RST: "rst", Format.HTML: "html"}


def read(source: Source, options: ScanOptions) -> Iterator[Document]:
    """Yield the documents of one source as they are read.

    Markdown and rst keep their text; HTML, PDF, DOCX and notebooks become Markdown, all of them prose; an image
    becomes its caption and size. Any
    other file is plain text whose kind and language `recognise` tells: source code, but also CSV, JSON, YAML,
    TOML, settings and logs are kept line for line, so that every line can be found. With `options.kind` =
    code, HTML, Markdown and rst are source text like any other. Line ends stay as they are in the file; a
    byte order mark goes.

    Raises:
        Unreadable: the source vanished, cannot be read or decoded, holds no text, or (unless the user chose
            it) is generated or minified. A collection may fail after some documents were yielded: drop those.
        TellapartError: a collection named by the user holds a line that is no record, or one id twice.
    """
    if source.format in COLLECTIONS:
        yield from _read_collection(source, options)
        return
    content = load(source, options)
    if source.file is None and _looks_like_records(content):
        yield from _read_collection(source, options, content)
        return
    yield _single(source, content, options)


def _single(source: Source, content: bytes, options: ScanOptions) -> Document:
    """Make one document of a file's bytes."""
    if source.format is Format.IMAGE:
        return _image(source, content, options)
    form = Format.PDF if content.startswith(b"%PDF-") else source.format
    as_code = options.kind is Kind.CODE and form in _MARKUP
    if form in (Format.PDF, Format.DOCX):
        extracted = _extract(source, form, content)
    elif is_binary(content):
        raise Unreadable(source.key, "binary")
    elif as_code:
        extracted = Extracted(decode(content).text, language=_MARKUP[form])
    else:
        extracted = _extract(source, form, content)
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


def _extract(source: Source, form: Format, content: bytes) -> Extracted:
    """Call the reader of a format; readers and what they need are imported only here."""
    try:
        match form:
            case Format.PDF:
                from tellapart.corpus.readers.pdf import extract_pdf

                return extract_pdf(content)
            case Format.DOCX:
                from tellapart.corpus.readers.docx import extract_docx

                return extract_docx(content)
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
    source: Source, options: ScanOptions, content: bytes | None = None
) -> Iterator[Document]:
    """Read records; a file found in a folder that turns out to hold none is read as plain text."""
    import io

    from tellapart.corpus.readers.records import NoRecordsError, read_records

    stream = open_source(source) if content is None else io.BytesIO(content)
    with stream:
        try:
            yield from read_records(stream, source, options.kind)
            return
        except NoRecordsError:
            if source.chosen:
                raise
        except OSError as error:
            raise Unreadable(source.key, error.strerror or str(error)) from error
    limit = options.limit(Format.TEXT)
    if source.size > limit:
        raise Unreadable(source.key, f"no records, and {source.size:,} bytes: over the limit of {limit:,}")
    yield _single(source, load(source, options), options)


def _looks_like_records(content: bytes) -> bool:
    """Whether standard input begins with a record rather than with prose."""
    from tellapart.corpus.readers.records import is_record

    first = content.lstrip()[:1_000_000].split(b"\n", 1)[0]
    return first.startswith(b"{") and is_record(first)
