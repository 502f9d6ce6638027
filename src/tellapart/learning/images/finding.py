"""Labelled images as people have them: folders, tables, tar files, data sets of Hugging Face."""

from __future__ import annotations

import csv
import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tellapart.corpus.sources import IMAGES
from tellapart.errors import TellapartError, require

PATHS = ("path", "file", "filename", "image")
LABELS = ("label", "identity", "class", "cls", "name")
"""Names of columns that are understood, in this order."""

TABLES = (".csv", ".tsv", ".parquet")


@dataclass(frozen=True, slots=True)
class ImageSource:
    """Where an image is: a file, a part of one (`size` bytes from `start`), or bytes; and what it is called."""

    name: str
    label: str
    place: Path | bytes
    start: int = 0
    size: int = -1

    def content(self) -> Path | bytes:
        """Give what a decoder takes."""
        if self.size < 0 or isinstance(self.place, bytes):
            return self.place
        with self.place.open("rb") as file:
            file.seek(self.start)
            return file.read(self.size)


def find_images(path: Path) -> list[ImageSource]:
    """List the images of a folder for each class, a CSV, TSV or Parquet table, a webdataset tar, or a saved data set.

    Raises:
        TellapartError: It is none of these, or holds no image with a label.
    """
    if path.is_dir():
        saved = any((path / name).is_file() for name in ("dataset_info.json", "state.json"))
        found = list(_saved(path) if saved else _folders(path))
        if not found:
            raise TellapartError(f"{path} holds no folders with images: give one folder for each identity")
        return found
    if path.is_file() and path.suffix.lower() in TABLES:
        found = list(_table(path))
    elif path.is_file() and path.suffix.lower() == ".tar":
        found = list(_tar(path))
    else:
        raise TellapartError(
            f"{path} is neither a folder with a folder of images for each identity nor an .npz, .csv, .tsv, .parquet or"
            " .tar file: give one"
        )
    if not found:
        raise TellapartError(f"{path} holds no images with a label")
    return found


def _folders(path: Path) -> Iterator[ImageSource]:
    for folder in sorted(path.iterdir()):
        if folder.is_dir() and not folder.name.startswith("."):
            for file in sorted(folder.rglob("*")):
                if file.suffix.lower() in IMAGES and file.is_file():
                    yield ImageSource(str(file.relative_to(path)), folder.name, file)


def _table(path: Path) -> Iterator[ImageSource]:
    """Read rows of a path (relative to the table) or bytes, and a label."""
    if path.suffix.lower() == ".parquet":
        parquet = require("pyarrow.parquet", extra="train")
        try:
            table = parquet.read_table(path)
        except (OSError, ValueError) as error:
            raise TellapartError(f"{path} cannot be read as Parquet: {str(error).splitlines()[0]}") from error
        rows: list[dict[str, Any]] = table.to_pylist()
        names = list(table.column_names)
    else:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, delimiter="\t" if path.suffix.lower() == ".tsv" else ",")
            rows, names = list(reader), list(reader.fieldnames or ())
    place, label = _column(path, names, PATHS), _column(path, names, LABELS)
    for number, row in enumerate(rows):
        held, told = row[place], row[label]
        if held in (None, "") or told in (None, ""):
            raise TellapartError(
                f"{path}, row {number + 1}: {place} or {label} is empty: fill it in or drop the row"
            )
        if isinstance(held, dict):  # as Hugging Face writes images: their bytes, or the path to them
            held = held.get("bytes") or held.get("path")
        where = held if isinstance(held, bytes) else path.parent / str(held)
        yield ImageSource(
            f"{path.name}[{number}]" if isinstance(held, bytes) else str(held), str(told), where
        )


def _column(path: Path, names: list[str], known: tuple[str, ...]) -> str:
    for name in known:
        if name in names:
            return name
    raise TellapartError(
        f"{path} has the columns {', '.join(names) or 'none'}: it needs one of {', '.join(known)}"
    )


def _tar(path: Path) -> Iterator[ImageSource]:
    """Read a webdataset: files that share a name up to the first dot are one sample, KEY.jpg and KEY.cls or .json."""
    images: dict[str, tarfile.TarInfo] = {}
    labels: dict[str, str] = {}
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                folder, _, file = member.name.rpartition("/")
                stem, _, suffix = file.partition(".")
                key = f"{folder}/{stem}" if folder else stem
                if not member.isfile():
                    continue
                if f".{suffix.lower()}" in IMAGES:
                    images[key] = member
                elif suffix in ("cls", "json", "txt"):
                    held = archive.extractfile(member)
                    assert held is not None
                    labels[key] = _told(held.read(), suffix, f"{path}: {member.name}")
    except tarfile.TarError as error:
        raise TellapartError(f"{path} cannot be read as tar ({error})") from error
    for key, member in images.items():
        if key not in labels:
            raise TellapartError(f"{path}: {member.name} has no label: add {key}.cls")
        yield ImageSource(member.name, labels[key], path, member.offset_data, member.size)


def _told(content: bytes, suffix: str, where: str) -> str:
    text = content.decode("utf-8", "replace").strip()
    if suffix != "json":
        return text
    try:
        record = json.loads(text)
    except ValueError as error:
        raise TellapartError(f"{where} is not JSON ({error})") from error
    for name in LABELS:
        if isinstance(record, dict) and name in record:
            return str(record[name])
    raise TellapartError(f"{where} has none of {', '.join(LABELS)}")


def _saved(path: Path) -> Iterator[ImageSource]:
    """Read what `datasets.Dataset.save_to_disk` wrote."""
    try:
        import datasets
    except ImportError as missing:
        raise TellapartError(
            f"{path} is a data set of the package 'datasets': pip install datasets"
        ) from missing
    loaded = datasets.load_from_disk(str(path))
    if not hasattr(loaded, "column_names") or isinstance(loaded.column_names, dict):
        raise TellapartError(f"{path} holds several splits: give the folder of one of them")
    place, label = _column(path, loaded.column_names, PATHS), _column(path, loaded.column_names, LABELS)
    names = getattr(loaded.features[label], "names", None)
    plain = loaded.cast_column(place, datasets.Image(decode=False))
    for number, row in enumerate(plain):
        told = names[row[label]] if names and isinstance(row[label], int) else row[label]
        held = row[place]["bytes"] or Path(row[place]["path"])
        yield ImageSource(f"{path.name}[{number}]", str(told), held)
