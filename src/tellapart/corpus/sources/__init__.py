"""Where documents come from: scanning paths, ignore rules, decoding, and reading what was found."""

from tellapart.corpus.sources.reading import read
from tellapart.corpus.sources.scanning import scan
from tellapart.corpus.sources.types import (
    COLLECTIONS,
    DEFAULT_MAX_BYTES,
    Format,
    ScanOptions,
    Skipped,
    Source,
    Unreadable,
)

__all__ = [
    "COLLECTIONS",
    "DEFAULT_MAX_BYTES",
    "Format",
    "ScanOptions",
    "Skipped",
    "Source",
    "Unreadable",
    "read",
    "scan",
]
