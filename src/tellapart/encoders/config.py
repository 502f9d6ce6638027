"""config.json of an encoder's folder: which kind it is, and its fields, checked."""

from __future__ import annotations

import json
from dataclasses import MISSING, asdict, fields
from pathlib import Path
from typing import Any, TypeVar

from tellapart.errors import TellapartError

FORMAT = 1
FILE = "config.json"
IMAGE_KIND = "onnx-image"
"""What config.json calls an encoder of images."""

Config = TypeVar("Config")

_TYPES: dict[str, type] = {"int": int, "str": str, "float": float}


def read_content(folder: Path) -> dict[str, Any]:
    """Read config.json of a folder.

    Raises:
        TellapartError: It is missing, unreadable, or of another format.
    """
    path = folder / FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise TellapartError(
            f"{folder} is not an encoder folder: it has no {FILE}; name one made by 'train'"
        ) from None
    except (OSError, ValueError) as error:
        raise TellapartError(f"cannot read {path}: {error}; make or copy the encoder again") from error
    if not isinstance(content, dict):
        raise TellapartError(f"{path} holds no JSON object: make or copy the encoder again")
    return content


def config_of(kind: str, cls: type[Config], folder: Path) -> Config:
    """Read config.json as one kind of encoder writes it.

    Args:
        kind: What its field "kind" must say.
        cls: A dataclass whose fields, `int`, `str` or `float`, are those of the file.
        folder: Where the file lies.

    Raises:
        TellapartError: Another format or kind, a field too many or too few, or one of another type.
    """
    path, content = folder / FILE, read_content(folder)
    if content.get("format") != FORMAT or content.get("kind") != kind:
        raise TellapartError(
            f"{path} has format {content.get('format')!r}, kind {content.get('kind')!r}; this version reads"
            f" format {FORMAT}, kind {kind!r}: export the encoder again"
        )
    known = {field.name: field for field in fields(cls)}  # type: ignore[arg-type]
    for name, field in known.items():
        value = content.get(name)
        if name in content and (not isinstance(value, _TYPES[str(field.type)]) or isinstance(value, bool)):
            raise TellapartError(f"{path}: {name!r} is {value!r}, not of type {field.type}: correct it")
    unknown = sorted(content.keys() - known)
    missing = sorted(name for name in known.keys() - content.keys() if known[name].default is MISSING)
    if unknown or missing:
        raise TellapartError(f"{path}: unknown fields {unknown}, missing fields {missing}: correct it")
    return cls(**content)


def write_config(config: Any, folder: Path) -> None:  # noqa: ANN401 - one dataclass for each kind
    """Write config.json, which makes a folder an encoder's, as `config_of` reads it."""
    text = json.dumps(asdict(config), ensure_ascii=False, indent=1)
    (folder / FILE).write_text(f"{text}\n", encoding="utf-8")


def need_files(folder: Path, *names: str) -> None:
    """Refuse a folder that lacks a file which its config.json names."""
    for name in names:
        if not (folder / name).is_file():
            raise TellapartError(f"{folder} lacks {name}, which its {FILE} names: copy the whole folder")
