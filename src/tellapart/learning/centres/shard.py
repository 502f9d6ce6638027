"""The class centres of one worker."""

from __future__ import annotations

import ctypes
import mmap
from dataclasses import dataclass

import torch
from torch import Tensor

from tellapart.errors import TellapartError
from tellapart.learning.centres.workers import Workers

BLOCK = 65_536
"""Rows drawn from one seed: the centres do not depend on the number of workers (part of the seed's meaning)."""


@dataclass(frozen=True, slots=True)
class Shard:
    """Centres of the classes first .. first + held - 1 of all `classes`; the weight and momentum change in place.

    `weight` and `momentum` are (held * sub_centres, dim); momentum None means an optimiser without.
    """

    weight: Tensor
    momentum: Tensor | None
    first: int
    classes: int
    sub_centres: int = 1

    @property
    def held(self) -> int:
        """How many classes stand here."""
        return len(self.weight) // self.sub_centres

    def local(self, labels: Tensor) -> Tensor:
        """Number global labels from this shard's first class; -1 where another worker holds it."""
        places = labels - self.first
        return places.masked_fill_((places < 0) | (places >= self.held), -1)

    @classmethod
    def empty(
        cls,
        classes: int,
        dim: int,
        workers: Workers,
        *,
        sub_centres: int = 1,
        momentum: bool = True,
        device: torch.device | str = "cpu",
    ) -> Shard:
        """Make room for this worker's part; all starts at 0."""
        if classes < 1 or dim < 1:
            raise TellapartError(f"{classes} classes of dimension {dim}: give positive numbers")
        part = workers.share(classes)
        rows = len(part) * sub_centres
        velocity = zeros(rows, dim, device) if momentum else None
        return cls(zeros(rows, dim, device), velocity, part.start, classes, sub_centres)

    @classmethod
    def drawn(
        cls,
        classes: int,
        dim: int,
        workers: Workers,
        *,
        seed: int = 0,
        sub_centres: int = 1,
        momentum: bool = True,
        device: torch.device | str = "cpu",
    ) -> Shard:
        """Draw normal centres of expected length 1; the same for any number of workers."""
        shard = cls.empty(classes, dim, workers, sub_centres=sub_centres, momentum=momentum, device=device)
        start = shard.first * sub_centres
        stop = start + len(shard.weight)
        for block in range(start // BLOCK, -(-stop // BLOCK)):
            draw = torch.Generator().manual_seed(seed * 1_000_003 + block)
            rows = torch.randn(BLOCK, dim, generator=draw).div_(dim**0.5)
            low, high = max(start, block * BLOCK), min(stop, (block + 1) * BLOCK)
            shard.weight[low - start : high - start] = rows[low - block * BLOCK : high - block * BLOCK]
        return shard


LARGE_PAGE = 2 << 20
"""Bytes of a transparent huge page on x86-64 and on arm64 with pages of 4 KiB."""


def zeros(rows: int, dim: int, device: torch.device | str) -> Tensor:
    """Make a float32 array of zeros; on Linux its memory comes in large pages where the system grants them.

    A row of 128 floats fills an eighth of a common page: each sampled row would cost a walk through the page tables
    besides its own bytes (docs/benchmarks/sampled_softmax.md has the time of a step by the number of rows).
    """
    made = torch.empty(rows, dim, device=device)
    advice = getattr(mmap, "MADV_HUGEPAGE", None)
    start = -(-made.data_ptr() // LARGE_PAGE) * LARGE_PAGE
    size = made.data_ptr() + made.nbytes - start
    if made.device.type == "cpu" and advice is not None and size >= LARGE_PAGE:
        # a refusal leaves common pages, which are as correct
        ctypes.CDLL(None).madvise(ctypes.c_void_p(start), ctypes.c_size_t(size), advice)
    return made.zero_()


def put_rows(target: Tensor, rows: Tensor, values: Tensor) -> None:
    """Do target[rows] = values for contiguous (n, d) tensors of one dtype; on a CPU row by row as bytes.

    torch's index_copy_ moves single floats, which takes two to three times as long (bench/sampled_softmax.py).
    """
    if target.device.type != "cpu":
        target.index_copy_(0, rows, values)
        return
    whole = f"V{target.shape[1] * target.element_size()}"
    bytes_of = [tensor.detach().view(torch.uint8).numpy().view(whole)[:, 0] for tensor in (target, values)]
    bytes_of[0][rows.numpy()] = bytes_of[1]
    torch.autograd.graph.increment_version(target)
