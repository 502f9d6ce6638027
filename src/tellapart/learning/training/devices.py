"""Where tensors are: a device by name, and the workers of this process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.distributed as dist

from tellapart.errors import TellapartError
from tellapart.learning.centres.workers import Workers


def choose_device(name: str | None = None) -> torch.device:
    """Read cpu, cuda, cuda:N or mps; None = a GPU for each worker of this machine if there are so many, else the CPU.

    Raises:
        TellapartError: There is no such device here.
    """
    rank, here = int(os.environ.get("LOCAL_RANK", "0")), int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    present = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name is None:
        return torch.device("cuda", rank) if present >= here else torch.device("cpu")
    if name == "cuda":
        if not present:
            raise TellapartError("--device cuda: torch sees no GPU here; give --device cpu")
        if present < here:
            raise TellapartError(
                f"--device cuda: {here} workers share {present} GPUs; start one worker for each"
            )
        return torch.device("cuda", rank)
    if name == "mps" and not torch.backends.mps.is_available():
        raise TellapartError("--device mps: torch sees no Apple GPU here; give --device cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise TellapartError(f"--device {name!r} is unknown: give cpu, cuda or mps") from error
    if device.type == "cuda" and (device.index or 0) >= present:
        raise TellapartError(f"--device {name}: torch sees {present} GPUs here")
    return device


@contextmanager
def all_workers(device: torch.device) -> Iterator[Workers]:
    """Meet the other workers that torchrun has started, if it has, and part at the end."""
    if device.type == "cuda":
        torch.cuda.set_device(device)
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield Workers.present()
        return
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield Workers.present()
    finally:
        dist.destroy_process_group()
