"""Collections of one JSON record a line: BEIR's corpus.jsonl and JSONL in general."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from tellapart.corpus.decode import decode, is_binary
from tellapart.corpus.document import Document, Kind
from tellapart.corpus.readers.extracted import clean
from tellapart.corpus.sources import Skipped, Source, printable
from tellapart.errors import TellapartError

if TYPE_CHECKING:
    from tellapart.corpus.recognise import Recognised

TEXT_FIELDS = ("text", "contents", "content", "body")
"""Where a record's text may stand, the first present counts: BEIR, Pyserini, and two common names."""

_ID_FIELDS = ("_id", "id")
_OWN_FIELDS = frozenset({"title", "path", "kind", "language", "metadata", *_ID_FIELDS})
_LANGUAGE_NAMES = """python javascript typescript tsx go rust java kotlin scala c cpp csharp swift objc php
ruby lua elixir haskell ocaml zig bash sql r julia dart perl css json yaml toml xml markdown rst"""
_LANGUAGES = frozenset(_LANGUAGE_NAMES.split())
"""What a record's `language` is believed to say about its kind; "en" says nothing and is metadata."""

_MAX_LINE = 64_000_000
"""Bytes of one record (ours: beyond the survival test's line of 50 MB); more is no collection of records."""

SAMPLE = 200
"""Records whose kind decides for those that are hard to tell. A share
between two kinds is then known within .07 (two standard errors); half would do, twice reads longer."""

_CLEAR_MAJORITY = 0.8
"""Share of the certain records of the sample that must agree (ours, not measured: the judged sets are all one
kind)."""


_JSON_NAMES = {str: "a string", list: "an array", type(None): "null", bool: "true or false"}

MOST_NAMED = 20
"""Records of one file that are listed one by one when they are skipped; of the others their number is."""


class NoRecordsError(TellapartError):
    """None of the file's first records has a text: it is not a collection at all."""


class _OddRecordError(Exception):
    """One record cannot be used; the message is the reason, for a person."""


class _Record(NamedTuple):
    line: int
    fields: dict[str, Any]
    text: str


def read_records(
    stream: BinaryIO, source: Source, kind: Kind | None, skipped: list[Skipped]
) -> Iterator[Document]:
    """Yield one document a record; its text is title, newline, text, or the one of them that there is.

    `title` and `path` are the document's, `kind` (prose, code) is believed, `language` is where the record is
    code or markup; `metadata` and all other fields are kept as metadata; the place is the line of the file. A record
    without an id is called file:line. Kind and language of the others are recognised one by one; the uncertain follow
    a clear majority of the sample. A line that is no record, and a second record with one id, go to `skipped`, and
    the others stay.

    Raises:
        NoRecordsError: none of the first 200 lines is a record.
    """
    odd: list[tuple[int, str]] = []
    records = _parse(stream, source, odd)
    sample = list(itertools.islice(records, SAMPLE))
    recognised = [_recognise(record, kind) for record in sample]
    majority = _majority(recognised)
    first_lines: dict[str, int] = {}
    for record, guess in itertools.chain(
        zip(sample, recognised, strict=True), ((record, _recognise(record, kind)) for record in records)
    ):
        try:
            yield _document(record, guess, majority, source, first_lines)
        except _OddRecordError as problem:
            odd.append((record.line, str(problem)))
    odd.sort()
    skipped += [Skipped(f"{source.key}:{line}", reason) for line, reason in odd[:MOST_NAMED]]
    if len(odd) > MOST_NAMED:
        more = len(odd) - MOST_NAMED
        skipped.append(Skipped(source.key, f"{more:,} more lines that are no records"))


def is_record(line: bytes) -> bool:
    """Whether a line is a JSON object with a text."""
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(fields, dict) and any(isinstance(fields.get(name), str) for name in TEXT_FIELDS)


def _parse(stream: BinaryIO, source: Source, odd: list[tuple[int, str]]) -> Iterator[_Record]:
    """Yield the records; what is none goes to `odd`, unless nothing in the first lines is one."""
    seen = False
    first = f"{_where(source)}: holds no record"
    for number, line in enumerate(_lines(stream, source), start=1):
        if line is not None and (not line or line.isspace()):
            continue
        try:
            record = _record(line, number)
        except _OddRecordError as problem:
            if not odd:
                first = f"{_where(source)}:{number}: {problem}"
            odd.append((number, str(problem)))
            if not seen and len(odd) >= SAMPLE:
                break
            continue
        seen = True
        yield record
    if not seen:
        raise NoRecordsError(
            f"{first}; each line must be a JSON object with a text ({', '.join(TEXT_FIELDS)})"
        )


def _lines(stream: BinaryIO, source: Source) -> Iterator[str | None]:
    """Read line by line, None for one that is too long.

    A UTF-16 or UTF-32 file, which has no lines of bytes, is decoded as a whole.
    """
    head = stream.read(4)
    if head.startswith((b"\xff\xfe", b"\xfe\xff", b"\0\0\xfe\xff")):
        yield from decode(head + stream.read()).text.split("\n")
        return
    carried = head.removeprefix(b"\xef\xbb\xbf")
    number = 0
    while True:
        number += 1
        line, carried = _next_line(stream, carried)
        if not line:
            return
        if number == 1 and is_binary(line):
            raise NoRecordsError(f"{_where(source)}: binary; a collection is lines of JSON")
        if len(line) > _MAX_LINE:
            while line and not line.endswith(b"\n"):
                line = stream.readline(_MAX_LINE)
            yield None
            continue
        try:
            yield line.decode("utf-8")
        except UnicodeDecodeError:
            yield decode(line).text


def _next_line(stream: BinaryIO, carried: bytes) -> tuple[bytes, bytes]:
    """One line with its end, at most a little over the limit; `carried` was read ahead of it."""
    cut = carried.find(b"\n") + 1
    if cut:
        return carried[:cut], carried[cut:]
    return carried + stream.readline(_MAX_LINE + 1), b""


def _record(line: str | None, number: int) -> _Record:
    """Parse one line.

    Raises:
        _OddRecordError: it is no record; the message says why.
    """
    if line is None:
        raise _OddRecordError(f"a line of over {_MAX_LINE:,} bytes is not a record")
    try:
        fields = json.loads(line)
    except json.JSONDecodeError as error:
        raise _OddRecordError(f"not JSON ({error.msg} at column {error.colno})") from None
    except (ValueError, RecursionError) as error:
        raise _OddRecordError(f"not JSON that can be read ({error})") from None
    if not isinstance(fields, dict):
        raise _OddRecordError(f"{_JSON_NAMES.get(type(fields), 'a number')}, not an object")
    name = next((name for name in TEXT_FIELDS if name in fields), None)
    if name is None:
        raise _OddRecordError("no field with a text")
    text, title = fields.pop(name), fields.get("title")
    if not isinstance(text, str | None) or not isinstance(title, str | None):
        wrong = "title" if isinstance(text, str | None) else name
        raise _OddRecordError(f"the field {wrong!r} is not a string")
    fields["title"] = clean(title or "")
    text = clean(text or "")
    return _Record(
        number, fields, f"{fields['title']}\n{text}" if fields["title"] and text else fields["title"] or text
    )


def _recognise(record: _Record, kind: Kind | None) -> Recognised:
    from tellapart.corpus.recognise import recognise

    path, language = record.fields.get("path"), record.fields.get("language")
    known = isinstance(language, str) and language.lower() in _LANGUAGES
    return recognise(
        record.text,
        path=path if isinstance(path, str) else None,
        declared=kind or _declared(record),
        language=str(language).lower() if known else None,
    )


def _declared(record: _Record) -> Kind | None:
    """The kind a record claims; an unknown word is metadata like any other."""
    claimed = record.fields.get("kind")
    return Kind(claimed) if isinstance(claimed, str) and claimed in tuple(Kind) else None


def _majority(recognised: list[Recognised]) -> tuple[Kind, str | None] | None:
    """Kind and language of the certain records where they agree."""
    certain = [guess for guess in recognised if guess.certain]
    kinds = Counter(guess.kind for guess in certain)
    if not kinds:
        return None
    kind, votes = kinds.most_common(1)[0]
    if votes < _CLEAR_MAJORITY * len(certain):
        return None
    languages = Counter(guess.language for guess in certain if guess.kind is kind)
    language, votes = languages.most_common(1)[0]
    return kind, language if votes >= _CLEAR_MAJORITY * kinds[kind] else None


def _document(
    record: _Record,
    guess: Recognised,
    majority: tuple[Kind, str | None] | None,
    source: Source,
    first_lines: dict[str, int],
) -> Document:
    kind, language = guess.kind, guess.language
    if not guess.certain and majority is not None and (majority[0] is not kind or majority[1] is not None):
        kind, language = majority
    fields = record.fields
    path = fields.get("path")
    return Document(
        id=source.prefix + _identify(record, source, first_lines),
        text=record.text,
        kind=kind,
        language=language,
        title=fields["title"],
        path=clean(path) if isinstance(path, str) else None,
        metadata=_metadata(fields, kind, language),
        places={"line": ((0, record.line),)},
    )


def _identify(record: _Record, source: Source, first_lines: dict[str, int]) -> str:
    """The record's id, once in its source."""
    given = next((fields for name in _ID_FIELDS if (fields := record.fields.get(name)) is not None), None)
    if isinstance(given, list | dict | bool | float) or given == "":
        raise _OddRecordError(f"the id {given!r} is neither a string nor a whole number")
    name = source.key.rsplit("/", 1)[-1]
    identity = clean(str(given)) if given is not None else f"{name}:{record.line}"
    earlier = first_lines.setdefault(identity, record.line)
    if earlier != record.line:
        raise _OddRecordError(f"the id {identity!r} is already that of line {earlier}")
    return identity


def _metadata(fields: dict[str, Any], kind: Kind, language: str | None) -> dict[str, object]:
    """Everything else a record says; `kind` and `language` too where they were not followed."""
    nested = fields.get("metadata")
    found: dict[str, object] = dict(nested) if isinstance(nested, dict) else {}
    if nested is not None and not isinstance(nested, dict):
        found["metadata"] = nested
    found.update((name, value) for name, value in fields.items() if name not in _OWN_FIELDS)
    for name, followed in (("kind", kind.value), ("language", language)):
        if fields.get(name) not in (None, followed):
            found[name] = fields[name]
    if "id" in fields and "_id" in fields:
        found["id"] = fields["id"]
    return found


def _where(source: Source) -> str:
    return source.key if source.file is None else printable(str(source.file))
