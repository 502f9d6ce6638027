"""The transformer of all-MiniLM-L6-v2 in torch, fed with the weights that the graph holds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tellapart.learning.texts.graph import DIM, HEADS, LAYERS, MAX_TOKENS, Weights

INNER = 4 * DIM
EPSILON = 1e-12


class Attention(nn.Module):
    """Self-attention with its residual and norm; names as in the published file."""

    def __init__(self) -> None:
        super().__init__()
        self.self = nn.ModuleDict({role: nn.Linear(DIM, DIM) for role in ("query", "key", "value")})
        self.output = nn.ModuleDict({"dense": nn.Linear(DIM, DIM), "LayerNorm": nn.LayerNorm(DIM, EPSILON)})

    def forward(self, hidden: Tensor, allowed: Tensor) -> Tensor:
        """Give (b, s, DIM); `allowed` (b, 1, 1, s) says what is text."""
        batch, length, _ = hidden.shape
        query, key, value = (
            self.self[role](hidden).view(batch, length, HEADS, DIM // HEADS).transpose(1, 2)
            for role in ("query", "key", "value")
        )
        found = nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=allowed)
        joined = self.output["dense"](found.transpose(1, 2).reshape(batch, length, DIM))
        normed: Tensor = self.output["LayerNorm"](joined + hidden)
        return normed


class Layer(nn.Module):
    """Attention, then two linear layers around an exact GELU."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = Attention()
        self.intermediate = nn.ModuleDict({"dense": nn.Linear(DIM, INNER)})
        self.output = nn.ModuleDict({"dense": nn.Linear(INNER, DIM), "LayerNorm": nn.LayerNorm(DIM, EPSILON)})

    def forward(self, hidden: Tensor, allowed: Tensor) -> Tensor:
        """Give (b, s, DIM)."""
        middle = self.attention(hidden, allowed)
        wide = nn.functional.gelu(self.intermediate["dense"](middle))
        normed: Tensor = self.output["LayerNorm"](self.output["dense"](wide) + middle)
        return normed


class MiniLm(nn.Module):
    """Token numbers to the mean of token vectors (b, DIM), not normalised."""

    def __init__(self, weights: Weights) -> None:
        """Take over weights; word, position and type embeddings are one frozen sum."""
        super().__init__()
        names = ("word_embeddings", "position_embeddings", "token_type_embeddings")
        words, positions, types = (torch.tensor(weights[f"embeddings.{name}.weight"]) for name in names)
        self.register_buffer("words", words)
        self.register_buffer("positions", positions[:MAX_TOKENS] + types[0])
        self.embeddings = nn.ModuleDict({"LayerNorm": nn.LayerNorm(DIM, EPSILON)})
        self.encoder = nn.ModuleDict({"layer": nn.ModuleList(Layer() for _ in range(LAYERS))})
        self.load_state_dict(
            {
                "words": self.words,
                "positions": self.positions,
                **{
                    name: torch.tensor(values)
                    for name, values in weights.items()
                    if name.startswith(("encoder.layer.", "embeddings.LayerNorm."))
                },
            }
        )

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """Encode padded token numbers (b, s) of which the first `lengths` (b,) count."""
        text = torch.arange(ids.shape[1]) < lengths[:, None]
        assert isinstance(self.words, Tensor)
        assert isinstance(self.positions, Tensor)
        hidden = self.embeddings["LayerNorm"](self.words[ids] + self.positions[: ids.shape[1]])
        layers = self.encoder["layer"]
        assert isinstance(layers, nn.ModuleList)
        for layer in layers:
            hidden = layer(hidden, text[:, None, None, :])
        kept = hidden * text[:, :, None]
        mean: Tensor = kept.sum(1) / lengths[:, None]
        return mean

    def weights(self) -> Weights:
        """Give the weights as the graph takes them."""
        held = {name: values.detach().numpy() for name, values in self.state_dict().items()}
        return {
            "embeddings.word_embeddings.weight": held.pop("words"),
            "embeddings.position_embeddings.weight": held.pop("positions"),
            "embeddings.token_type_embeddings.weight": np.zeros((2, DIM), dtype=np.float32),
            **held,
        }


def padded(ids: Sequence[NDArray[np.int64]]) -> tuple[Tensor, Tensor]:
    """Stack token numbers of several texts: (b, longest), and their lengths (b,)."""
    lengths = torch.tensor([len(row) for row in ids])
    stacked = torch.zeros(len(ids), int(lengths.max()), dtype=torch.int64)
    for place, row in enumerate(ids):
        stacked[place, : len(row)] = torch.from_numpy(row)
    return stacked, lengths
