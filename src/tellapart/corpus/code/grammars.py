"""Tree-sitter grammars out of the bundle of the package semble-grammars; nothing is downloaded."""

from __future__ import annotations

import logging
import os
import re
import shutil
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tellapart.caches import VARIABLE, cache_folder

if TYPE_CHECKING:
    import tree_sitter

_FOLDER = "SEMBLE_GRAMMARS_CACHE_DIR"
"""Where semble-grammars unpacks its libraries (semble_grammars/cache.py, 0.1.2); it adds no version below this."""

_INHERITS = "; inherits: "

PARSE_SECONDS = 0.5
PARSE_SECONDS_PER_BYTE = 2e-6
"""Processor time (not wall time, so that a busy machine changes little) that a text may take. Only garbage gets
there, and it must be stopped early: "/*a" 5,000 times makes the Python grammar take 1 GB of memory a second."""

_log = logging.getLogger("tellapart")
_loading = threading.Lock()


@dataclass(frozen=True, slots=True)
class Grammar:
    """A language tree-sitter can parse, and the query that finds its definitions.

    `kinds[p]` is what the whole text of the capture @kind must match for pattern `p` of the query to count, None for
    anything. It stands in the query as `(#set! kind "...")`; predicates (`#eq?`, `#match?`) are not to be used: where
    a tree was parsed through a callback, as all are here, evaluating them reads memory that is not theirs (0.26.1).
    """

    language: tree_sitter.Language
    query: tree_sitter.Query
    kinds: tuple[re.Pattern[str] | None, ...]

    def parse(self, source: bytes) -> tree_sitter.Tree | None:
        """Parse UTF-8, None when it takes too long; a parser holds state, so that each call gets its own."""
        from tree_sitter import Parser, Point

        seconds = PARSE_SECONDS + PARSE_SECONDS_PER_BYTE * len(source)
        deadline, earliest = time.thread_time() + seconds, time.monotonic() + seconds

        view = memoryview(source)

        def read(offset: int, _: Point) -> memoryview:
            return view[offset:]  # a view, as the parser keeps every piece it was given: copies took 500 MB

        def is_late(_offset: int, _has_error: bool) -> bool:
            # Wall time never runs slower, and reading it costs a fraction.
            return time.monotonic() > earliest and time.thread_time() > deadline

        try:
            return Parser(self.language).parse(read, progress_callback=is_late)
        except ValueError:  # "Parsing failed": how a cancelled parse ends
            return None


@cache
def load(grammar: str, query: str) -> Grammar | None:
    """Load a grammar with its query, once per process; None (said once in the log) where it cannot be had.

    The library is unpacked into the user's cache, atomically, so that processes may race; where that folder cannot
    be written or holds a damaged file, into a private temporary folder that is removed at once.
    """
    try:
        from tree_sitter import Query
    except ImportError as missing:  # pragma: no cover - a dependency; only a broken installation lacks it
        _log.warning("code is split by blank lines: %s", missing)
        return None
    language = _language(grammar)
    if language is None:
        return None
    compiled = Query(language, _patterns(query))
    settings = [compiled.pattern_settings(pattern).get("kind") for pattern in range(compiled.pattern_count)]
    kinds = tuple(re.compile(kind, re.DOTALL) if kind else None for kind in settings)
    return Grammar(language, compiled, kinds)


def _patterns(query: str) -> str:
    """Read a query file; a first line `; inherits: NAME` puts the patterns of another one before its own."""
    text = (resources.files(__package__) / "queries" / f"{query}.scm").read_text(encoding="utf-8")
    inherited = text.startswith(_INHERITS) and text.partition("\n")[0].removeprefix(_INHERITS)
    return f"{_patterns(inherited)}\n{text}" if inherited else text


def _language(grammar: str) -> tree_sitter.Language | None:
    with _loading:
        return _from_cache(grammar) or _from_temporary(grammar)


def _from_cache(grammar: str) -> tree_sitter.Language | None:
    if not os.environ.get(VARIABLE) or os.environ.get(_FOLDER):
        return _get(grammar)
    cache = cache_folder()
    if cache is None:
        return None
    import semble_grammars

    return _get_from(cache / "grammars" / semble_grammars.__version__, grammar)


def _from_temporary(grammar: str) -> tree_sitter.Language | None:
    try:
        folder = tempfile.mkdtemp(prefix="tellapart-grammar-")
    except OSError as full:
        _log.warning("code in %s is split by blank lines, its grammar cannot be unpacked: %s", grammar, full)
        return None
    try:
        language = _get_from(Path(folder), grammar)
    finally:
        shutil.rmtree(folder, ignore_errors=True)  # what is mapped stays usable; Windows keeps the file
    if language is None:
        _log.warning("code in %s is split by blank lines: this platform has no grammar for it", grammar)
    return language


def _get_from(folder: Path, grammar: str) -> tree_sitter.Language | None:
    """Load with the bundle unpacked into `folder`: the environment is all that the package listens to."""
    before = os.environ.get(_FOLDER)
    os.environ[_FOLDER] = str(folder)
    try:
        return _get(grammar)
    finally:
        if before is None:
            del os.environ[_FOLDER]
        else:
            os.environ[_FOLDER] = before


def _get(grammar: str) -> tree_sitter.Language | None:
    from semble_grammars import (
        GrammarLoadError,
        LanguageNotFoundError,
        UnsupportedPlatformError,
        get_language,
    )

    try:
        language: tree_sitter.Language = get_language(grammar)
    except (
        GrammarLoadError,
        LanguageNotFoundError,
        UnsupportedPlatformError,
        OSError,
        RuntimeError,
    ) as failure:
        _log.debug("grammar %s: %s", grammar, failure)  # RuntimeError: there is no home folder at all
        return None
    return language


@dataclass(frozen=True, slots=True)
class SourceText:
    """The bytes that are parsed (UTF-8) and the text they stand for, with the way back to code points.

    `before` bytes of a wrapper stand in front of the text. `offsets[b]` is the number of characters that start
    before byte `b` of the text, None where every character is one byte.
    """

    text: str
    data: bytes
    before: int
    offsets: Sequence[int] | None

    @classmethod
    def of(cls, text: str, wrappers: tuple[str, str] = ("", "")) -> SourceText:
        """Encode a text, lone surrogates included; the parser may call those errors but counts them."""
        body = text.encode("utf-8", "surrogatepass")
        offsets = None if len(body) == len(text) else _offsets(body)
        before, after = (wrapper.encode() for wrapper in wrappers)
        return cls(text, before + body + after if before or after else body, len(before), offsets)

    def position(self, byte: int) -> int:
        """Code point of a byte of `data`; -1 in the wrapper before the text, the text's length in the one after."""
        byte -= self.before
        if byte < 0:
            return -1
        if self.offsets is None:
            return min(byte, len(self.text))
        return int(self.offsets[min(byte, len(self.offsets) - 1)])

    def span(self, node: tree_sitter.Node) -> tuple[int, int]:
        """Start and end of a node in code points."""
        if self.offsets is None and not self.before:
            return node.start_byte, min(node.end_byte, len(self.text))
        return self.position(node.start_byte), self.position(node.end_byte)

    def slice(self, node: tree_sitter.Node) -> str:
        """Text of a node."""
        start, end = self.span(node)
        return self.text[max(start, 0) : end]


def _offsets(body: bytes) -> Sequence[int]:
    """Characters that start before each byte: continuation bytes are 10xxxxxx (RFC 3629, 3)."""
    starts = (np.frombuffer(body, dtype=np.uint8) & 0xC0) != 0x80
    offsets = np.zeros(len(body) + 1, dtype=np.int32)
    np.cumsum(starts, out=offsets[1:])
    return memoryview(offsets.data)
