"""The vocabulary of sources: what a scan finds, what it leaves out, and what it can be told."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from tellapart.corpus.types import Kind
from tellapart.errors import TellapartError

DEFAULT_MAX_BYTES = 2_000_000
"""Files found in folders beyond this are skipped. Our choice, not measured: a 2 MB text is some 300,000
words, more than a long novel; what is larger in a source tree is data. Files named by the user have no
limit."""

DEFAULT_IMAGE_BYTES = 50_000_000
"""The same for images. Our choice, not measured: photographs of today's cameras have 5 to 30 MB."""

STDIN = "-"
"""How a user names standard input."""

STDIN_KEY = "stdin"
"""What a document from standard input is called."""


class Format(StrEnum):
    """How the content of a source is read; one reader each."""

    TEXT = "text"
    MARKDOWN = "markdown"
    RST = "rst"
    HTML = "html"
    PDF = "pdf"
    DOCX = "docx"
    NOTEBOOK = "notebook"
    IMAGE = "image"
    JSONL = "jsonl"
    BEIR = "beir"


COLLECTIONS = frozenset({Format.JSONL, Format.BEIR})
"""Formats that hold many documents, one a line; the size limit does not apply to them."""


class Unreadable(TellapartError):
    """One source cannot become documents; the caller lists it as skipped and goes on.

    May be raised after some documents of the source were yielded: those are to be dropped.
    """

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason

    def __reduce__(self) -> tuple[type[Unreadable], tuple[str, str]]:
        return type(self), (self.path, self.reason)


@dataclass(frozen=True, slots=True)
class ScanOptions:
    """What a user can say about which files count and what they are.

    `max_bytes` limits files found in folders (None: the default of their format); `kind` overrides recognition for
    every document; `include` holds globs in .gitignore syntax (`*.proto`, `gen/**`) for files that ignore rules,
    hidden names or the marks of generated code would leave out. The size limit and binary content hold all the
    same. `images` says that images are documents too: without an encoder that sees them they could hardly be found.
    """

    max_bytes: int | None = None
    kind: Kind | None = None
    include: tuple[str, ...] = ()
    images: bool = False

    def limit(self, form: Format) -> int:
        """Bytes that a file of this format may have if it was found in a folder."""
        if self.max_bytes is not None:
            return self.max_bytes
        return DEFAULT_IMAGE_BYTES if form is Format.IMAGE else DEFAULT_MAX_BYTES

    def __post_init__(self) -> None:
        if self.kind is Kind.IMAGE:
            raise TellapartError(
                "kind image: images are known by their names; say prose or code of the others"
            )
        if self.max_bytes is not None and self.max_bytes < 1:
            raise TellapartError(f"max_bytes = {self.max_bytes}: the size limit must be at least 1 byte")
        if blank := [glob for glob in self.include if not glob.strip("!/ ")]:
            raise TellapartError(f"include {blank[0]!r}: give a glob of file names such as '*.proto'")


@dataclass(frozen=True, slots=True)
class Source:
    """A file (or standard input) that holds one document, or a collection of records.

    `key` is unique in the corpus and printable: the document's id, or for a collection the name under which
    it is listed. `prefix` stands before the ids of a collection's records. `file` is None for standard input.
    `size` is in bytes. `root` is the path the user gave that led here. `chosen` says that the user named the
    file (or force-included it), so that nothing about its content but being unreadable keeps it out;
    `limited` says that the size limit applies.
    """

    key: str
    file: Path | None
    size: int
    mtime_ns: int
    format: Format
    root: str
    prefix: str = ""
    chosen: bool = False
    limited: bool = True


@dataclass(frozen=True, slots=True)
class Skipped:
    """Something that was not read, and why; a folder ends with a slash and stands for all that it holds."""

    path: str
    reason: str
