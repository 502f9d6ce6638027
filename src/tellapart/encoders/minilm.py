"""The bundled encoder: all-MiniLM-L6-v2 in int8, package data, no download."""

from __future__ import annotations

from pathlib import Path

from tellapart.encoders.folder import FolderEncoder

NAME = "minilm"
FOLDER = Path(__file__).parent / "data" / "minilm"
"""Made by tools/build_minilm.py."""


def open_minilm(*, threads: int | None = None) -> FolderEncoder:
    """Open the bundled encoder; its fingerprint stands in config.json and a test compares it with the files."""
    return FolderEncoder(FOLDER, name=NAME, trusted=True, threads=threads)
