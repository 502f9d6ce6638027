"""Sources: what is found in the paths a user gives, what is left out by its name, and what can be told."""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath

from tellapart.corpus.document import Kind
from tellapart.errors import TellapartError

DEFAULT_MAX_BYTES = 2_000_000
"""Files found in folders beyond this are skipped. A limit of size, not of quality: a 2 MB text is some 300,000
words, more than a long novel; what is larger in a source tree is data. Files named by the user have no
limit."""

DEFAULT_IMAGE_BYTES = 50_000_000
"""The same for images: photographs of today's cameras have 5 to 30 MB, so half would refuse some of them."""

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
    `comments` says that headers, footers and comments of Word documents are read too.
    """

    max_bytes: int | None = None
    kind: Kind | None = None
    include: tuple[str, ...] = ()
    images: bool = False
    comments: bool = False

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


IMAGES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm"})
"""Extensions of images that can be read."""

FORMATS = {
    ".md": Format.MARKDOWN,
    ".markdown": Format.MARKDOWN,
    ".mdown": Format.MARKDOWN,
    ".mkd": Format.MARKDOWN,
    ".mdx": Format.MARKDOWN,
    ".rst": Format.RST,
    ".rest": Format.RST,
    ".html": Format.HTML,
    ".htm": Format.HTML,
    ".xhtml": Format.HTML,
    ".pdf": Format.PDF,
    ".docx": Format.DOCX,
    ".docm": Format.DOCX,
    ".ipynb": Format.NOTEBOOK,
    ".jsonl": Format.JSONL,
    ".ndjson": Format.JSONL,
    **dict.fromkeys(IMAGES, Format.IMAGE),
}
"""Extensions with a reader of their own; every other file is read as plain text."""

PACKED_RECORDS = (".jsonl.gz", ".ndjson.gz")
"""Collections that are unpacked as they are read."""

_PICTURES_AND_SOUND = """.ico .icns .avif .heic .psd .xcf
.mp3 .wav .flac .ogg .opus .m4a .aac .mp4 .m4v .mkv .mov .avi .webm .wmv .ttf
.otf .woff .woff2 .eot"""
_ARCHIVES_AND_PROGRAMS = """.zip .gz .tgz .bz2 .xz .zst .7z .rar .tar .lz4 .br .whl .egg .jar .war .ear
.apk .deb .rpm .dmg .iso .msi .nupkg .o .a .so .dylib .dll .exe .pyc .pyo .pyd
.class .dex .wasm .pdb .rlib .rmeta .beam .cmo .cmi"""
_DATA_AND_OFFICE = """.npy .npz .pkl .pickle .parquet .feather .arrow .h5 .hdf5 .sqlite .sqlite3 .db
.pt .pth .ckpt .safetensors .onnx .gguf .tflite .pb .mo .xls .xlsx .ppt .pptx
.doc .odt .ods .odp .epub .mobi .djvu .swf .blend .fbx .glb"""
_BINARY_NAMES = f"{_PICTURES_AND_SOUND} {_ARCHIVES_AND_PROGRAMS} {_DATA_AND_OFFICE}"
_BINARY = frozenset(_BINARY_NAMES.split())
"""Extensions not worth opening; any other binary file is recognised by its bytes when it is read."""

_LOCK_NAMES = """package-lock.json npm-shrinkwrap.json yarn.lock pnpm-lock.yaml bun.lock
bun.lockb deno.lock poetry.lock pdm.lock uv.lock pixi.lock Pipfile.lock conda-
lock.yml Cargo.lock Gemfile.lock composer.lock go.sum go.work.sum mix.lock
rebar.lock pubspec.lock Podfile.lock Package.resolved Cartfile.resolved
packages.lock.json paket.lock project.assets.json gradle.lockfile buildscript-
gradle.lockfile flake.lock MODULE.bazel.lock .terraform.lock.hcl
cabal.project.freeze stack.yaml.lock opam.locked Manifest.toml.lock"""
_LOCK_FILES = frozenset(_LOCK_NAMES.split())
"""Files that package managers write; the names are those managers' own."""

_MINIFIED = (".min.js", ".min.mjs", ".min.cjs", ".min.css", ".min.html", "-min.js", "-min.css")
_SOURCE_MAPS = (".js.map", ".mjs.map", ".cjs.map", ".css.map", ".ts.map")


def format_of(name: str) -> Format:
    """The reader for a file of this name."""
    if name.lower().endswith(PACKED_RECORDS):
        return Format.JSONL
    return FORMATS.get(os.path.splitext(name)[1].lower(), Format.TEXT)


UNSEEN = "an image: needs an encoder that sees images, such as --encoder pixels"
"""Without one, images are no documents: they could only be found by their names."""


def useless(name: str, *, chosen: bool, images: bool) -> str | None:
    """Why a file of this name is not worth opening, or None; what is `chosen` need only be text or an image."""
    lower = name.lower()
    if format_of(name) is Format.IMAGE:
        return None if images else UNSEEN
    if os.path.splitext(lower)[1] in _BINARY and not lower.endswith(PACKED_RECORDS):
        return "binary"
    if chosen:
        return None
    if lower.endswith((".svg", ".svgz")):
        return "a drawing: its paths are noise among words"
    if name in _LOCK_FILES:
        return "generated: a package manager's lock file"
    if lower.endswith(_SOURCE_MAPS):
        return "generated: a source map"
    return "minified" if lower.endswith(_MINIFIED) else None


def printable(path: str) -> str:
    r"""Write a path so that it can be shown, stored and typed: one line of valid Unicode, forward slashes.

    Bytes that are no text become `\xhh`, control characters `\n`, `\x1b`..., and so that two names never
    become one, a backslash becomes two.
    """
    if os.sep != "/":
        path = path.replace(os.sep, "/")
    if path.isascii() and path.isprintable() and "\\" not in path:
        return path
    return "".join(map(_printable_character, path))


def _printable_character(character: str) -> str:
    point = ord(character)
    if character == "\\":
        return "\\\\"
    if 0xDC80 <= point <= 0xDCFF:  # surrogateescape: the byte that could not be decoded
        return f"\\x{point - 0xDC00:02x}"
    if 0xD800 <= point <= 0xDFFF:
        return f"\\u{point:04x}"
    if point < 0x20 or 0x7F <= point < 0xA0 or character in "\u2028\u2029":
        return character.encode("unicode_escape").decode("ascii")
    return character


RECENT_NS = 7 * 24 * 3600 * 10**9
"""A week: files changed since then are being worked on. It decides what is encoded first, never what is found."""

SUPPORTING = frozenset(
    {"test", "tests", "testing", "spec", "specs", "__tests__", "fixtures", "testdata", "mocks", "benchmarks"}
)
"""Folders of code that checks other code."""

BORROWED = frozenset({"vendor", "vendored", "_vendor", "third_party", "thirdparty", "external", "extern"})
"""Folders of copies whose owner is somebody else."""

DATA = frozenset({".json", ".jsonl", ".csv", ".tsv", ".lock", ".xml", ".svg", ".po", ".log", ".snap", ".map"})


def need(source: Source, *, now: int) -> tuple[int, int, str]:
    """Order sources by what a user needs: smaller first.

    README files and what changed within a week; then source and prose; tests; data and copies of others' code. Among
    equals the one changed last, to the day, so that a fresh checkout keeps the order of its names.

    Args:
        source: A file or collection.
        now: Nanoseconds since 1970.
    """
    path = PurePosixPath(source.key.lower())
    folders = set(path.parts[:-1])
    if path.suffix in DATA or folders & BORROWED:
        rank = 3
    elif (
        folders & SUPPORTING
        or path.stem.startswith("test_")
        or path.stem.endswith(("_test", ".test", ".spec"))
    ):
        rank = 2
    elif path.stem == "readme" or now - source.mtime_ns < RECENT_NS:
        rank = 0
    else:
        rank = 1
    return rank, -(source.mtime_ns // (24 * 3600 * 10**9)), source.key
