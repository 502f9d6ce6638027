"""Vectors on disk and their search: exact scans, 1-bit codes from 30,000 rows on, and moments."""

from tellapart.index.vectors.building import build_derived
from tellapart.index.vectors.index import VectorIndex
from tellapart.index.vectors.moments import Moments, Spectrum
from tellapart.index.vectors.reading import VectorReader
from tellapart.index.vectors.segment import checksum, map_file, open_vectors, write_vectors

__all__ = [
    "Moments",
    "Spectrum",
    "VectorIndex",
    "VectorReader",
    "build_derived",
    "checksum",
    "map_file",
    "open_vectors",
    "write_vectors",
]
