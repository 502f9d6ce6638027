"""Contrastive losses over batches that do not fit in memory (Gao et al. 2021, GradCache).

Gradient accumulation is no substitute: it adds up losses over small batches, each with few negatives. Here the
embeddings of the whole batch come first, without a graph; the loss gives their gradients; then each part is encoded
again, with the random state it had, and takes its share of the gradient. Memory holds one part's graph.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Tower:
    """One side of the loss: how a part is encoded, (n, d), and the parts of the batch in order."""

    encode: Callable[[Any], Tensor]
    parts: Sequence[Any]


def cached_backward(objective: Callable[..., Tensor], *towers: Tower) -> Tensor:
    """Add the gradients of `objective(embeddings of each tower)` to the parameters, as backward() would.

    Returns:
        The loss, detached.
    """
    states: list[list[_RandomState]] = [[] for _ in towers]
    embeddings: list[list[Tensor]] = []
    with torch.no_grad():
        for tower, kept in zip(towers, states, strict=True):
            encoded: list[Tensor] = []
            for part in tower.parts:
                kept.append(_RandomState.present())
                encoded.append(tower.encode(part))
            embeddings.append(encoded)
    leaves = [torch.cat(encoded).requires_grad_() for encoded in embeddings]
    loss = objective(*leaves)
    gradients = torch.autograd.grad(loss, leaves, allow_unused=True)
    for tower, kept, encoded, gradient in zip(towers, states, embeddings, gradients, strict=True):
        if gradient is None:
            continue
        shares = gradient.split([len(part) for part in encoded])
        for part, state, share in zip(tower.parts, kept, shares, strict=True):
            with state.restored():
                again = tower.encode(part)
            if again.requires_grad:
                again.backward(share)
    return loss.detach()


@dataclass(frozen=True, slots=True)
class _RandomState:
    cpu: Tensor
    devices: tuple[Tensor, ...]

    @classmethod
    def present(cls) -> _RandomState:
        return cls(
            torch.get_rng_state(), tuple(torch.cuda.get_rng_state_all()) if torch.cuda.is_available() else ()
        )

    @contextmanager
    def restored(self) -> Iterator[None]:
        """Draw the same numbers again, and leave the outer sequence as it was."""
        with torch.random.fork_rng():
            torch.set_rng_state(self.cpu)
            if self.devices:
                torch.cuda.set_rng_state_all(list(self.devices))
            yield
