"""A contrastive linear map, beside which the closed-form one is judged: InfoNCE with hard negatives."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from tellapart.learning.adapting.pairs import NEAR, Pairs
from tellapart.learning.objectives.contrastive import info_nce

HARD = 30
"""Nearest units from which hard negatives are drawn; every other one is from what BM25 ranks highest."""


def contrastive(pairs: Pairs, steps: int) -> NDArray[np.float32]:
    """Fit x + W x by InfoNCE."""
    torch.set_num_threads(1)
    width = pairs.units.shape[1]
    change = torch.nn.Linear(width, width, bias=False)
    torch.nn.init.zeros_(change.weight)

    class Changed(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.change = change

        def forward(self, vectors: torch.Tensor) -> torch.Tensor:
            return vectors + self.change(vectors)

    contrast(Changed(), pairs, np.arange(len(pairs.queries)), steps=steps)
    return (torch.eye(width) + change.weight.detach()).numpy()


def contrast(
    network: nn.Module,
    pairs: Pairs,
    rows: NDArray[np.int64],
    *,
    steps: int,
    batch: int = 256,
    rate: float = 1e-3,
    seed: int = 0,
) -> None:
    """Train a map of vectors by Adam on some rows of the pairs."""
    random = np.random.default_rng(seed)
    queries, units = torch.from_numpy(pairs.queries), torch.from_numpy(pairs.units)
    optimiser = torch.optim.Adam(network.parameters(), lr=rate)
    for _ in range(steps):
        chosen = rows[random.choice(len(rows), min(batch, len(rows)), replace=False)]
        drawn = _hard_negatives(pairs, chosen, random)
        answers = np.concatenate([pairs.answer[chosen], drawn])
        near = torch.from_numpy(pairs.units[pairs.answer[chosen]] @ pairs.units[answers].T >= NEAR)
        loss = info_nce(network(queries[chosen]), network(units[answers]), ignore=near, symmetric=True)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()


def _hard_negatives(
    pairs: Pairs, chosen: NDArray[np.int64], random: np.random.Generator
) -> NDArray[np.int64]:
    """Draw a unit for each query: one of the nearest, or the nearest one of a document that BM25 ranks high."""
    near = pairs.queries[chosen] @ pairs.units.T
    count, each = min(HARD, len(pairs.units)), np.arange(len(chosen))
    nearest = np.argpartition(-near, count - 1, axis=1)[:, :count]
    drawn = nearest[each, random.integers(0, count, len(chosen))]
    documents = pairs.lexical[chosen, random.integers(0, pairs.lexical.shape[1], len(chosen))]
    ends = np.append(pairs.starts[1:], len(pairs.units))
    for row in range(0, len(chosen), 2):
        first = pairs.starts[documents[row]]
        drawn[row] = first + int(np.argmax(near[row, first : ends[documents[row]]]))
    return drawn
