"""Models of the Hugging Face hub as local folders; the network is touched only for a model not yet here."""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path

from tellapart.encoders.digests import file_digest
from tellapart.errors import TellapartError, require

TAKEN = ("*.json", "*.txt", "*.model", "*.safetensors")
LEFT = ("onnx/*", "openvino/*", "*/onnx/*", "*/openvino/*")
"""Weights are read from safetensors only: a pickle runs whatever code its author put in."""


def model_folder(name: str, *, extra: str) -> Path:
    """Give the folder of a model: a local one, one from the hub's cache, or else a download.

    Args:
        name: A folder, or ORG/MODEL on the hub.
        extra: Of tellapart, which brings what is needed to download.

    Raises:
        TellapartError: No such folder or model, the network fails, or the model has no safetensors.
    """
    folder = Path(name).expanduser()
    if folder.is_dir():
        return _with_weights(folder, name)
    if name.count("/") != 1 or name.startswith((".", "/", "~")) or name.endswith("/"):
        raise TellapartError(f"{name!r} is neither a folder here nor ORG/MODEL on the hub: correct the name")
    hub = require("huggingface_hub", extra=extra)
    options = {"allow_patterns": list(TAKEN), "ignore_patterns": list(LEFT)}
    with contextlib.suppress(Exception):  # not kept yet; the hub's class for this changed over its versions
        kept = Path(hub.snapshot_download(name, local_files_only=True, **options))
        if any(kept.rglob("*.safetensors")):
            return kept
    try:
        fetched = Path(hub.snapshot_download(name, **options))
    except Exception as error:  # dozens of classes, from DNS to authorisation
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise TellapartError(
            f"cannot get the model {name!r} from the hub: {reason}; check the name and the network, or name a folder"
        ) from error
    return _with_weights(fetched, name)


def _with_weights(folder: Path, name: str) -> Path:
    if not any(folder.rglob("*.safetensors")):
        raise TellapartError(
            f"the model {name!r} has no .safetensors weights ({folder}): choose one that has"
        )
    return folder


def folder_fingerprint(folder: Path) -> str:
    """Hash weights, tokenizer and settings of a model's folder, by their contents and relative paths."""
    hashed = hashlib.blake2b(digest_size=16)
    for path in sorted(path for pattern in TAKEN for path in folder.rglob(pattern)):
        inside = path.relative_to(folder)
        if any(inside.match(pattern) for pattern in LEFT) or any(
            part.startswith(".") for part in inside.parts
        ):
            continue
        hashed.update(inside.as_posix().encode())
        hashed.update(file_digest(path))
    return hashed.hexdigest()
