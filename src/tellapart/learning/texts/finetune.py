"""Fine-tuning all of MiniLM on pairs of query and answer, and writing it as an encoder's folder."""

from __future__ import annotations

import math
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from tellapart.encoders.config import write_config
from tellapart.encoders.folder import FolderConfig, FolderEncoder
from tellapart.encoders.protocol import Vectors
from tellapart.encoders.tokens import TokenIds
from tellapart.errors import TellapartError
from tellapart.learning.objectives.contrastive import info_nce
from tellapart.learning.texts.graph import graph, read_weights
from tellapart.learning.texts.network import MiniLm, padded
from tellapart.progress import Progress, silent

CLOSE = 0.999
"""Least cosine between the network's vectors and those of the float32 graph written from it."""

CLIPPED = 1.0


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a fine-tuning run goes. Our choices, not tuned; no gain on cranfield (docs/benchmarks/adapters.md).

    Answers are cut to `tokens`. A batch is `batch` pairs: some drawn at random, the others their `neighbours` among
    the answers, so that hard negatives stand in the batch.
    """

    steps: int = 60
    batch: int = 32
    neighbours: int = 3
    tokens: int = 128
    rate: float = 2e-5
    warm_up: float = 0.1
    seed: int = 0


@dataclass(frozen=True, slots=True)
class TextPairs:
    """Token numbers of n queries and answers; `places` (n, d) are the answers' vectors by the untouched encoder."""

    queries: Sequence[TokenIds]
    answers: Sequence[TokenIds]
    places: Vectors
    near: float


def fine_tune(
    network: MiniLm, pairs: TextPairs, recipe: Recipe | None = None, *, progress: Progress = silent
) -> list[float]:
    """Train by symmetric InfoNCE, answers nearer than `pairs.near` to another's masked; give the losses.

    Raises:
        TellapartError: A loss is not finite.
    """
    recipe = recipe or Recipe()
    torch.manual_seed(recipe.seed)
    draw = np.random.default_rng(recipe.seed)
    optimiser = torch.optim.AdamW(network.parameters(), lr=recipe.rate, weight_decay=0.01)
    half = bool(torch.cpu._is_amx_tile_supported())  # elsewhere bfloat16 is emulated, slower than float32
    losses: list[float] = []
    network.train()
    with progress("fine-tuning", recipe.steps) as advance:
        for step in range(recipe.steps):
            rows = _batch(pairs, recipe, draw)
            for group in optimiser.param_groups:
                group["lr"] = recipe.rate * _share(step, recipe)
            with torch.autocast("cpu", torch.bfloat16, enabled=half):
                asked = network(*padded([pairs.queries[row] for row in rows]))
                offered = network(*padded([pairs.answers[row][: recipe.tokens] for row in rows]))
            near = torch.from_numpy(pairs.places[rows] @ pairs.places[rows].T >= pairs.near)
            near.fill_diagonal_(False)
            loss = info_nce(asked.float(), offered.float(), ignore=near, symmetric=True)
            if not bool(loss.isfinite()):
                raise TellapartError(
                    f"step {step}: the loss is {float(loss):g}: the pairs cannot be learned from"
                )
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), CLIPPED)
            optimiser.step()
            losses.append(float(loss.detach()))
            advance(1)
    network.eval()
    return losses


def load_network(base: FolderEncoder) -> MiniLm:
    """Take the weights out of an encoder's graph.

    Raises:
        TellapartError: It is no MiniLM.
    """
    path = base.folder / base.config.model
    try:
        return MiniLm(read_weights(path))
    except (KeyError, ValueError, RuntimeError) as error:
        raise TellapartError(
            f"{path} is not the graph of a MiniLM: only 'minilm', or what was made from it, can be trained in full"
        ) from error


def export_network(network: MiniLm, base: FolderEncoder, folder: Path, name: str) -> FolderEncoder:
    """Write config.json, model.onnx (float32) and the tokenizer of the base, and compare with the network.

    Raises:
        TellapartError: What was written does not give the network's vectors.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(graph(network.weights(), int8=False))
    shutil.copyfile(base.folder / base.config.tokenizer, folder / "tokenizer.json")
    config = FolderConfig(
        name=name, dim=base.dim, max_tokens=base.config.max_tokens, pooling="mean", tokenizer="tokenizer.json"
    )
    write_config(config, folder)
    encoder = FolderEncoder(folder)
    texts = ["How are retries handled?", "A bridge spans an obstacle. " * 10, "def add(a, b): return a + b"]
    with torch.inference_mode():
        wanted = network(*padded(encoder.token_ids(texts))).numpy()
    wanted /= np.linalg.norm(wanted, axis=1, keepdims=True)
    least = float(np.einsum("nd,nd->n", wanted, encoder.encode_document(texts)).min())
    if least < CLOSE:
        raise TellapartError(
            f"the graph written to {folder} has a cosine of {least:.3f} to the trained network: train again with other"
            " versions of torch or onnxruntime, and report this"
        )
    return encoder


def _batch(pairs: TextPairs, recipe: Recipe, draw: np.random.Generator) -> NDArray[np.int64]:
    """Pairs drawn at random, each with its nearest others that are no near-duplicates; distinct rows."""
    size = min(recipe.batch, len(pairs.queries))
    order = draw.permutation(len(pairs.queries))
    chosen: dict[int, None] = {}
    for row in order.tolist():
        if len(chosen) >= size:
            break
        cosines = pairs.places @ pairs.places[row]
        cosines[cosines >= pairs.near] = -np.inf
        nearest = np.argsort(-cosines, kind="stable")[: recipe.neighbours]
        chosen.update(dict.fromkeys([row, *nearest.tolist()]))
    return np.array(list(chosen)[:size], dtype=np.int64)


def _share(step: int, recipe: Recipe) -> float:
    """Share of the highest rate: linear warm-up, then linear down to 0."""
    warm = max(1, math.ceil(recipe.warm_up * recipe.steps))
    return min((step + 1) / warm, (recipe.steps - step) / max(1, recipe.steps - warm))
