"""What a run needs to go on after kill -9: tensors in safetensors, the rest in JSON, one folder, no pickle.

A checkpoint is a folder step-N beside the last one, written as step-N.partial, flushed and renamed; until then the last
one counts. Centres that are spread over workers stand in it too, a file for each worker.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tellapart.errors import TellapartError, require
from tellapart.learning.centres.checkpoint import save
from tellapart.learning.centres.shard import Shard
from tellapart.learning.centres.workers import Workers

FORMAT = 2
STATE, TENSORS = "state.json", "tensors.safetensors"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Tensors by name, everything else as JSON holds it, and the folder it was read from."""

    tensors: Mapping[str, Tensor]
    state: Mapping[str, Any]
    folder: Path | None = None


def write_checkpoint(
    folder: Path,
    step: int,
    checkpoint: Checkpoint,
    *,
    workers: Workers | None = None,
    shard: Shard | None = None,
) -> Path:
    """Write `folder`/step-N and remove the older ones; all workers must call it, worker 0 writes what they share."""
    workers = workers or Workers()
    target = folder / f"step-{step:09d}"
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in checkpoint.tensors.items()}
    state = json.dumps({"format": FORMAT, "step": step, **checkpoint.state})
    save(target, shard, workers, {TENSORS: tensors, STATE: state})
    if workers.rank == 0:
        for older in finished(folder):
            if older != target:
                shutil.rmtree(older)
    return target


def read_checkpoint(folder: Path) -> Checkpoint | None:
    """Read the newest complete checkpoint, None where there is none.

    Raises:
        TellapartError: It is damaged or of another format.
    """
    load_file = require("safetensors.torch", extra="train").load_file
    found = finished(folder)
    if not found:
        return None
    place = found[-1]
    try:
        state = json.loads((place / STATE).read_text(encoding="utf-8"))
        tensors = load_file(place / TENSORS)
    except FileNotFoundError as error:
        raise TellapartError(
            f"the checkpoint {place} lacks {Path(str(error.filename)).name}: copy it again, or remove it to begin anew"
        ) from error
    except Exception as error:  # safetensors has an error class of its own
        raise TellapartError(
            f"the checkpoint {place} cannot be read ({error}): remove it to begin anew"
        ) from error
    if state.pop("format", None) != FORMAT:
        raise TellapartError(f"the checkpoint {place} is of another version: remove it to begin anew")
    return Checkpoint(tensors, state, place)


def finished(folder: Path) -> list[Path]:
    """Complete checkpoints of a folder, oldest first."""
    return sorted(path for path in folder.glob("step-*") if not path.suffix)


def remove_checkpoint(folder: Path) -> None:
    """Forget a run that is done."""
    shutil.rmtree(folder, ignore_errors=True)


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
