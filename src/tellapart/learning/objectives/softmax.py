"""Margin softmax in one process: a function, and a module that owns its centres."""

from __future__ import annotations

import torch
from torch import Tensor

from tellapart.errors import TellapartError
from tellapart.learning.objectives.chunked import chunked_losses
from tellapart.learning.objectives.margins import Margin
from tellapart.learning.objectives.plan import Alone, Plan, check_labels, chunk_for


def margin_softmax(
    features: Tensor, centres: Tensor, labels: Tensor, margin: Margin, *, chunk: int | None = None
) -> Tensor:
    """Mean cross-entropy of features against class centres; exact, in batch x chunk memory.

    Args:
        features: (B, d); not normalised by the caller, and left as they are.
        centres: (classes * margin.sub_centres, d).
        labels: (B,) int64.
        margin: what happens to the target's cosine.
        chunk: classes held at once; by default what fits the cache.
    """
    if len(centres) % margin.sub_centres:
        raise TellapartError(
            f"{len(centres)} centres do not make classes of {margin.sub_centres} sub-centres"
        )
    if not len(features):
        return (features.sum() + centres[:0].sum()) * 0
    check_labels(labels, len(centres) // margin.sub_centres)
    plan = Plan(margin, chunk or chunk_for(features), Alone())
    return chunked_losses(features, centres, labels, plan).mean()


class MarginHead(torch.nn.Module):
    """Class centres as a parameter, for any torch optimiser: `loss = head(features, labels)`."""

    def __init__(self, classes: int, dim: int, margin: Margin, *, seed: int = 0) -> None:
        super().__init__()
        self.margin = margin
        draw = torch.Generator().manual_seed(seed)
        # unit length in expectation: a learning rate then means the same at every dim
        rows = torch.randn(classes * margin.sub_centres, dim, generator=draw) / dim**0.5
        self.centres = torch.nn.Parameter(rows)

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        """Mean loss of a batch; features (B, dim), labels (B,) int64."""
        return margin_softmax(features, self.centres, labels, self.margin)
