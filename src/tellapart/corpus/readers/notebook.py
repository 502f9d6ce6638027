"""Jupyter notebooks become Markdown: text cells as they are, code cells fenced, outputs dropped."""

from __future__ import annotations

import json
from typing import Any

from tellapart.corpus.readers.extracted import Extracted, NotReadableError, clean, fenced


def extract_notebook(content: str) -> Extracted:
    """Read a notebook of format 3 or 4 (https://nbformat.readthedocs.io); places are its cells, counted from 1.

    Raises:
        NotReadableError: this is no notebook.
    """
    try:
        notebook = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise NotReadableError(f"not a notebook: not JSON ({error})") from error
    cells = _cells(notebook)
    language = _language(notebook)
    text, places = "", []
    for number, cell in enumerate(cells, start=1):
        block = clean(_block(cell, language)) if isinstance(cell, dict) else ""
        if block:
            text += "\n\n" if text else ""
            places.append((len(text), number))
            text += block
    return Extracted(text, title=clean(_title(notebook)), language="markdown", places={"cell": tuple(places)})


def _cells(notebook: object) -> list[Any]:
    if isinstance(notebook, dict):
        cells = notebook.get("cells")
        if cells is None and isinstance(worksheets := notebook.get("worksheets"), list):  # format 3
            sheets = [sheet.get("cells") for sheet in worksheets if isinstance(sheet, dict)]
            cells = [cell for sheet in sheets if isinstance(sheet, list) for cell in sheet]
        if isinstance(cells, list):
            return cells
    raise NotReadableError("not a notebook: it has no cells")


def _block(cell: dict[str, Any], language: str) -> str:
    source = cell.get("source", cell.get("input", ""))
    pieces = source if isinstance(source, list) else [source]
    text = "".join(piece for piece in pieces if isinstance(piece, str)).strip("\n")  # null is no text
    if not text or text.isspace():
        return ""
    kind = cell.get("cell_type")
    if kind == "code":
        return fenced(text, str(cell.get("language", language)))
    if kind == "heading":  # format 3
        level = cell.get("level", 1)
        return f"{'#' * (level if isinstance(level, int) and 1 <= level <= 6 else 1)} {text}"
    return text


def _language(notebook: dict[str, Any]) -> str:
    metadata = notebook.get("metadata")
    if isinstance(metadata, dict):
        for key, name in (("language_info", "name"), ("kernelspec", "language")):
            entry = metadata.get(key)
            if isinstance(entry, dict) and isinstance(entry.get(name), str):
                return str(entry[name]).lower()
    return "python"


def _title(notebook: dict[str, Any]) -> str:
    metadata = notebook.get("metadata")
    title = metadata.get("title", "") if isinstance(metadata, dict) else ""
    return title if isinstance(title, str) else ""
