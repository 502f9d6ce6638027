"""Rows that lie far apart in memory: large pages, and a scatter that copies whole rows."""

from __future__ import annotations

import ctypes
import mmap

import torch
from torch import Tensor

LARGE_PAGE = 2 << 20
"""Bytes of a transparent huge page on x86-64 and on arm64 with pages of 4 KiB."""


def zeros(rows: int, dim: int, device: torch.device | str) -> Tensor:
    """Make a float32 array of zeros; on Linux its memory comes in large pages where the system grants them.

    A row of 128 floats fills an eighth of a common page: each sampled row would cost a walk through the page tables
    besides its own bytes. A step with 20,000 of 10 million rows takes 1.13 times that with 20,000 of 100,000, with
    common pages 1.17 times (measured once).
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
