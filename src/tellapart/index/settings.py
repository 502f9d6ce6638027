"""What an index was told to hold, kept so that `index` without arguments brings it up to date."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from tellapart.corpus.document import Granularity, Kind
from tellapart.index.database import connect_reading
from tellapart.index.store import FILE, Store

if TYPE_CHECKING:
    from tellapart.corpus.sources import ScanOptions
    from tellapart.index.reading import DocumentStore

KEY = "settings"
COPY = "settings.json"
STDIN = "-"


@dataclass(frozen=True, slots=True)
class Settings:
    """Sources and options of an index; granularities empty = all, max_bytes None = the default limit.

    `encoded` are levels whose units are encoded by themselves although their vectors could be pooled from those of
    others. `words_only` says that the user wants no encoder, and not only has none yet; `images` that an encoder
    sees them; `comments` that headers, footers and comments of Word documents are read; `vectors_for` holds globs of
    the documents that get vectors, in .gitignore syntax (empty = all). `compress` says how vectors are kept ("" = as
    they are, see `CompressionSpec`). `dataset` is where documents and vectors come from in place of sources: a Lance
    dataset that a cluster made.
    """

    sources: tuple[str, ...] = ()
    kind: Kind | None = None
    include: tuple[str, ...] = ()
    max_bytes: int | None = None
    granularities: tuple[Granularity, ...] = ()
    encoders: tuple[str, ...] = ()
    words_only: bool = False
    images: bool = False
    encoded: tuple[Granularity, ...] = ()
    comments: bool = False
    vectors_for: tuple[str, ...] = ()
    compress: str = ""
    dataset: str = ""

    def scan_options(self) -> ScanOptions:
        """Give the options for finding and reading the sources."""
        from tellapart.corpus.sources import ScanOptions

        return ScanOptions(self.max_bytes, self.kind, self.include, self.images, self.comments)


def encoded_settings(settings: Settings) -> str:
    """Write settings as JSON."""
    return json.dumps(asdict(settings))


def keep_settings(store: Store, settings: Settings) -> None:
    """Write the settings of an index, and a copy beside the store, so that a damaged one can be rebuilt."""
    content = encoded_settings(settings)
    store.set_meta(KEY, content)
    copy = store.path.with_name(COPY)
    beside = copy.with_suffix(".part")
    beside.write_text(content, encoding="utf-8")
    beside.replace(copy)


def kept_settings(store: DocumentStore) -> Settings:
    """Read the settings of an index."""
    return _parsed(store.meta(KEY) or "{}")


def recovered_settings(folder: Path) -> Settings | None:
    """Read the settings of an index whose store is damaged or of another version; None where they are lost."""
    with suppress(sqlite3.Error, OSError, ValueError, KeyError, TypeError):
        store = Store(connect_reading(folder / FILE), folder / FILE)
        try:
            return kept_settings(store)
        finally:
            store.close()
    with suppress(OSError, ValueError, KeyError, TypeError):
        return _parsed((folder / COPY).read_text(encoding="utf-8"))
    return None


@lru_cache(maxsize=8)  # every search asks for them
def _parsed(content: str) -> Settings:
    kept = json.loads(content)
    if not kept:
        return Settings()
    return Settings(
        sources=tuple(kept["sources"]),
        kind=Kind(kept["kind"]) if kept["kind"] else None,
        include=tuple(kept["include"]),
        max_bytes=kept["max_bytes"],
        granularities=tuple(Granularity(g) for g in kept["granularities"]),
        encoders=tuple(kept["encoders"]),
        words_only=kept["words_only"],
        images=kept.get("images", False),
        encoded=tuple(Granularity(g) for g in kept.get("encoded", ())),
        comments=kept.get("comments", False),
        vectors_for=tuple(kept.get("vectors_for", ())),
        compress=kept.get("compress", ""),
        dataset=kept.get("dataset", ""),
    )


def portable(sources: Sequence[Path | str], index: Path) -> tuple[str, ...]:
    """Write source paths relative to the index where they lie around it, so that both can be moved."""
    home = index.resolve().parent
    return tuple(_portable(source, home) for source in sources)


def _portable(source: Path | str, home: Path) -> str:
    if str(source) == STDIN:
        return STDIN
    resolved = Path(os.path.abspath(source))
    if resolved == home or home in resolved.parents:
        return os.path.relpath(resolved, home)
    return str(resolved)


def located(sources: Sequence[str], index: Path) -> list[str]:
    """Turn kept source paths back into paths that can be opened from anywhere."""
    home = index.resolve().parent
    return [source if source == STDIN else os.path.normpath(home / source) for source in sources]
