"""Labelled items: a folder of folders, an .npz of images, or a table of texts."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from tellapart.errors import TellapartError
from tellapart.experiments.textfiles import LineError, numbered_lines
from tellapart.identities.views import Item, labelled_files


def labelled_items(path: Path, *, images: bool) -> tuple[list[str], list[Item]]:
    """Read names and items: (n,) and (n,).

    A folder has a folder for each identity; an .npz holds `images` (n, height, width[, 3]) uint8 and `labels` (n,);
    a .tsv has a text and a name on each line, a .jsonl objects with "text" and "label".

    Raises:
        TellapartError: It is none of these, or does not fit the encoder.
    """
    if path.is_dir():
        grouped = labelled_files(path, images=images)
        return [name for name, files in grouped.items() for _ in files], [
            file for files in grouped.values() for file in files
        ]
    if not path.is_file():
        raise TellapartError(f"there is no {path}: give a folder of folders, an .npz, a .tsv or a .jsonl")
    if (path.suffix == ".npz") != images:
        raise TellapartError(
            f"{path} does not fit the encoder, which looks at {'images' if images else 'texts'}: choose with --encoder"
        )
    return _arrays(path) if images else _texts(path)


def _arrays(path: Path) -> tuple[list[str], list[Item]]:
    try:
        with np.load(path, allow_pickle=False) as content:
            images, labels = content["images"], content["labels"]
    except (ValueError, KeyError, OSError) as error:
        raise TellapartError(f"{path} must hold the arrays 'images' and 'labels': {error}") from error
    if images.dtype != np.uint8 or len(images) != len(labels):
        raise TellapartError(
            f"{path}: {len(images)} images of {images.dtype} for {len(labels)} labels; give uint8"
        )
    return [str(label) for label in labels.tolist()], list(images)


def _texts(path: Path) -> tuple[list[str], list[Item]]:
    names: list[str] = []
    items: list[Item] = []
    for number, line in numbered_lines(path):
        if path.suffix == ".tsv":
            text, tab, name = line.rpartition("\t")
            if not tab:
                raise LineError(path, number, "expected a text, a tab and a name")
        else:
            try:
                entry = json.loads(line)
                text, name = str(entry["text"]), str(entry["label"])
            except (ValueError, KeyError, TypeError) as error:
                raise LineError(path, number, 'expected {"text": ..., "label": ...}') from error
        names.append(name)
        items.append(text)
    if not names:
        raise TellapartError(f"{path} is empty")
    return names, items
