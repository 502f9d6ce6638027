"""What a file's name alone says: its format, and whether it is worth opening."""

from __future__ import annotations

import os

from tellapart.corpus.sources.types import Format

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
    return FORMATS.get(os.path.splitext(name)[1].lower(), Format.TEXT)


UNSEEN = "an image: needs an encoder that sees images, such as --encoder pixels"
"""Without one, images are no documents: they could only be found by their names."""


def useless(name: str, *, chosen: bool, images: bool) -> str | None:
    """Why a file of this name is not worth opening, or None; what is `chosen` need only be text or an image."""
    lower = name.lower()
    if format_of(name) is Format.IMAGE:
        return None if images else UNSEEN
    if os.path.splitext(lower)[1] in _BINARY:
        return "binary"
    if chosen:
        return None
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
