"""Contrastive maps: InfoNCE over pairs, in-batch, k-NN and BM25 negatives, near-duplicates of the answer masked."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from tellapart.encoders.maps import ResidualMap
from tellapart.learning.adapting.pairs import NEAR, Pairs
from tellapart.learning.objectives.contrastive import info_nce

HIDDEN = 192
STEPS = 50
"""Our choice between 25 steps, which do no harm, and 100, which do (docs/benchmarks/adaptation.md)."""

HARD = 30
"""Nearest units from which hard negatives are drawn; every other one is from what BM25 ranks highest."""


class Residual(nn.Module):
    """x + tanh(x A' + b) B', the identity at first."""

    def __init__(self, dim: int, hidden: int = HIDDEN) -> None:
        super().__init__()
        self.inner = nn.Linear(dim, hidden)
        self.outer = nn.Linear(hidden, dim, bias=False)
        nn.init.zeros_(self.outer.weight)

    def forward(self, vectors: torch.Tensor) -> torch.Tensor:
        """Map vectors (n, dim)."""
        mapped: torch.Tensor = vectors + self.outer(torch.tanh(self.inner(vectors)))
        return mapped


@dataclass(frozen=True, slots=True)
class FittedResidual:
    """A trained residual map at full strength."""

    whole: ResidualMap

    def map(self, pull: float) -> ResidualMap:
        """Give the map with its change divided by 1 + pull; a large pull is the identity."""
        return ResidualMap(self.whole.first, self.whole.bias, self.whole.second / np.float32(1 + pull))


def residual(pairs: Pairs, rows: NDArray[np.int64]) -> FittedResidual:
    """Fit a residual map with one hidden layer to some rows of the pairs; the seed is fixed."""
    torch.manual_seed(0)
    network = Residual(pairs.units.shape[1])
    contrast(network, pairs, rows, steps=STEPS)
    first, bias, second = (
        weight.detach().numpy() for weight in (network.inner.weight, network.inner.bias, network.outer.weight)
    )
    return FittedResidual(ResidualMap(first, bias, second))


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
