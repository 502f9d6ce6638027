"""A linear map made as contrastive learning makes it, for comparison."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from tellapart.learning.adapting.pairs import Pairs
from tellapart.learning.adapting.residual import contrast


def contrastive(pairs: Pairs, steps: int) -> NDArray[np.float32]:
    """Fit x + W x by the objective of the residual map, but linear."""
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
