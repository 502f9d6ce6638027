"""What a run needs to go on after kill -9: tensors in safetensors, the rest in JSON, one folder, no pickle.

A checkpoint is written beside the last one, flushed, and put in its place by one rename; until then the last one
counts.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tellapart.errors import TellapartError, require

FORMAT = 1
STATE, TENSORS = "state.json", "tensors.safetensors"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Tensors by name, and everything else as JSON holds it."""

    tensors: Mapping[str, Tensor]
    state: Mapping[str, Any]


def write_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Replace the checkpoint in `folder`."""
    save_file = require("safetensors.torch", extra="train").save_file
    part, old = folder.with_name(folder.name + ".part"), folder.with_name(folder.name + ".old")
    for left in (part, old):
        shutil.rmtree(left, ignore_errors=True)
    part.mkdir(parents=True)
    save_file(
        {name: tensor.detach().contiguous() for name, tensor in checkpoint.tensors.items()}, part / TENSORS
    )
    (part / STATE).write_text(json.dumps({"format": FORMAT, **checkpoint.state}), encoding="utf-8")
    for name in (TENSORS, STATE):
        _flush(part / name)
    _flush(part)
    if folder.exists():
        os.replace(folder, old)  # a kill between these two lines leaves the old one, which is read then
    os.replace(part, folder)
    _flush(folder.parent)
    shutil.rmtree(old, ignore_errors=True)


def read_checkpoint(folder: Path) -> Checkpoint | None:
    """Read the last complete checkpoint, None where there is none.

    Raises:
        TellapartError: It is damaged or of another format.
    """
    load_file = require("safetensors.torch", extra="train").load_file
    for place in (folder, folder.with_name(folder.name + ".old")):
        if not place.is_dir():
            continue
        try:
            state = json.loads((place / STATE).read_text(encoding="utf-8"))
            tensors = load_file(place / TENSORS)
        except Exception as error:  # safetensors has an error class of its own
            raise TellapartError(
                f"the checkpoint {place} cannot be read ({error}): remove it to begin anew"
            ) from error
        if state.pop("format", None) != FORMAT:
            raise TellapartError(f"the checkpoint {place} is of another version: remove it to begin anew")
        return Checkpoint(tensors, state)
    return None


def remove_checkpoint(folder: Path) -> None:
    """Forget a run that is done."""
    for suffix in ("", ".part", ".old"):
        shutil.rmtree(folder.with_name(folder.name + suffix), ignore_errors=True)


def optimiser_tensors(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Give an optimiser's state as named tensors."""
    state = optimiser.state_dict()["state"]
    return {
        f"{number}.{name}": torch.as_tensor(value)
        for number, entries in state.items()
        for name, value in entries.items()
    }


def restore_optimiser(optimiser: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Take over what `optimiser_tensors` gave."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        number, _, name = key.partition(".")
        state.setdefault(int(number), {})[name] = tensor
    optimiser.load_state_dict({**optimiser.state_dict(), "state": state})


def named(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Put a prefix before each name; a tensor shared with another owner is copied, as safetensors asks for."""
    return {f"{prefix}.{name}": tensor.detach().clone() for name, tensor in tensors.items()}


def under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Give the tensors below a prefix, without it."""
    start = prefix + "."
    return {name[len(start) :]: tensor for name, tensor in tensors.items() if name.startswith(start)}


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
