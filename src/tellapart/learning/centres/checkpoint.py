"""Centres on disk, independent of the number of workers that wrote or read them.

A checkpoint is a folder: one safetensors file per writing worker (`weight`, `momentum`; first class in its
metadata), and whatever else the run adds. It appears under its name only when all is written: a killed run leaves
a `.partial` folder, which nobody reads.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from tellapart.errors import TellapartError
from tellapart.learning.centres.shard import Shard
from tellapart.learning.centres.workers import Workers

ROWS = 65_536
"""Rows copied at once, so that saving needs no second copy of a shard: 33 MB at 128 dimensions."""


def save(
    folder: Path,
    shard: Shard | None,
    workers: Workers,
    extra: Mapping[str, dict[str, Tensor] | str] | None = None,
) -> None:
    """Write all shards, if there are any, to a new folder; `extra` are files of worker 0, tensors or text by name."""
    partial = folder.with_name(folder.name + ".partial")
    if workers.rank == 0:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
    workers.wait()
    if shard is not None:
        tensors = {"weight": shard.weight}
        if shard.momentum is not None:
            tensors["momentum"] = shard.momentum
        metadata = {"first": shard.first, "classes": shard.classes, "sub_centres": shard.sub_centres}
        write_safetensors(
            partial / f"centres-{workers.rank:05d}-of-{workers.count:05d}.safetensors", tensors, metadata
        )
    if workers.rank == 0:
        for name, content in (extra or {}).items():
            if isinstance(content, str):
                with (partial / name).open("w", encoding="utf-8") as file:
                    file.write(content)
                    os.fsync(file.fileno())
            else:
                write_safetensors(partial / name, content, {})
    workers.wait()
    if workers.rank == 0:
        shutil.rmtree(folder, ignore_errors=True)
        partial.rename(folder)
        descriptor = os.open(folder.parent, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)
    workers.wait()


def load(folder: Path, workers: Workers, *, device: torch.device | str = "cpu") -> Shard:
    """Read this worker's part of the centres, however many workers wrote them."""
    pieces = sorted(_pieces(folder), key=lambda piece: piece.first)
    whole = pieces[0]
    if sum(piece.held for piece in pieces) != whole.classes:
        raise TellapartError(
            f"{folder} lacks some of its centres-*.safetensors: copy all files of the checkpoint"
        )
    shard = Shard.empty(
        whole.classes,
        whole.dim,
        workers,
        sub_centres=whole.sub_centres,
        momentum=whole.has_momentum,
        device=device,
    )
    targets = {"weight": shard.weight, "momentum": shard.momentum}
    for piece in pieces:
        low = max(piece.first, shard.first)
        high = min(piece.first + piece.held, shard.first + shard.held)
        for name, target in targets.items():
            if low < high and target is not None:
                piece.copy(name, low, high, target[(low - shard.first) * whole.sub_centres :])
    return shard


def write_safetensors(path: Path, tensors: dict[str, Tensor], metadata: dict[str, int]) -> None:
    """Write tensors in blocks, straight from their memory: the library's own writer copies each of them whole."""
    header: dict[str, object] = {"__metadata__": {name: str(value) for name, value in metadata.items()}}
    offset = 0
    names = {
        torch.float32: "F32",
        torch.float64: "F64",
        torch.bfloat16: "BF16",
        torch.float16: "F16",
        torch.int64: "I64",
    }
    for name, tensor in tensors.items():
        size = tensor.numel() * tensor.element_size()
        header[name] = {
            "dtype": names[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [offset, offset + size],
        }
        offset += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for tensor in tensors.values():
            for rows in tensor.detach().reshape(tensor.shape or (1,)).split(ROWS):
                file.write(rows.contiguous().cpu().flatten().view(torch.uint8).numpy())
        file.flush()
        os.fsync(file.fileno())


@dataclass(frozen=True, slots=True)
class _Piece:
    path: Path
    first: int
    held: int
    classes: int
    sub_centres: int
    dim: int
    has_momentum: bool

    def copy(self, name: str, low: int, high: int, target: Tensor) -> None:
        """Copy classes low to high - 1 to the start of `target`."""
        from safetensors import safe_open

        start, stop = ((edge - self.first) * self.sub_centres for edge in (low, high))
        with safe_open(self.path, framework="pt") as file:
            stored = file.get_slice(name)
            for row in range(start, stop, ROWS):
                block = stored[row : min(row + ROWS, stop)]
                target[row - start : row - start + len(block)] = block


def _pieces(folder: Path) -> Iterator[_Piece]:
    from safetensors import SafetensorError, safe_open

    paths = sorted(folder.glob("centres-*.safetensors"))
    if not paths:
        raise TellapartError(f"{folder} holds no centres: name the folder of a finished checkpoint")
    for path in paths:
        try:
            with safe_open(path, framework="pt") as file:
                kept = file.metadata()
                rows, dim = file.get_slice("weight").get_shape()
                yield _Piece(
                    path,
                    int(kept["first"]),
                    rows // int(kept["sub_centres"]),
                    int(kept["classes"]),
                    int(kept["sub_centres"]),
                    dim,
                    "momentum" in file.keys(),  # noqa: SIM118
                )
        except (SafetensorError, KeyError, ValueError) as damage:
            raise TellapartError(f"{path} is damaged ({damage}): resume from another checkpoint") from damage
