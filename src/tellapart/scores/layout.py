"""Vectors in the plane: by the two directions in which they differ most, or by who is near whom."""

from __future__ import annotations

from enum import StrEnum
from typing import cast

import numpy as np
from numpy.typing import NDArray

from tellapart.encoders.protocol import Vectors
from tellapart.errors import require
from tellapart.progress import Progress, silent

LEARNT = 20_000
"""Units that t-SNE arranges, which takes a minute or two; others are put where their nearest among these are."""

ITERATIONS = (150, 350)
"""Steps of t-SNE with exaggeration and without it; openTSNE's defaults are 250 and 500, and look the same here."""

REDUCED = 50
"""Dimensions that t-SNE sees, by PCA, as is usual (van der Maaten and Hinton 2008)."""

PERPLEXITY = 30.0
NEAREST = 5
EDGE = 0.995
"""Share of points that fill the picture; what lies beyond is moved to its rim."""

Plane = NDArray[np.float32]


class MapLayout(StrEnum):
    """How points are arranged."""

    AXES = "axes"
    NEIGHBOURS = "neighbours"


def arranged(vectors: Vectors, layout: MapLayout, *, seed: int = 0, progress: Progress = silent) -> Plane:
    """Place vectors (n, dim) in the plane: (n, 2) within -1 to 1."""
    if layout is MapLayout.AXES:
        with progress("finding axes", None):
            return _fitted(_principal(vectors, 2))
    return _fitted(_by_neighbours(vectors, seed, progress))


def nearest_of(vectors: Vectors, among: Vectors) -> tuple[NDArray[np.int64], Vectors]:
    """Rows (n, NEAREST) of the nearest by inner product, and those products."""
    k = min(NEAREST, len(among))
    rows = np.empty((len(vectors), k), dtype=np.int64)
    products = np.empty((len(vectors), k), dtype=np.float32)
    for first in range(0, len(vectors), 512):
        scores = vectors[first : first + 512] @ among.T
        near = np.argpartition(-scores, k - 1, axis=1)[:, :k]
        rows[first : first + 512] = near
        products[first : first + 512] = np.take_along_axis(scores, near, axis=1)
    return rows, products


def placed(vectors: Vectors, among: Vectors, places: Plane) -> Plane:
    """Place vectors (m, dim) in the middle of their nearest among (n, dim), which lie at `places` (n, 2)."""
    rows, products = nearest_of(vectors, among)
    weights = np.exp(10 * (products - products.max(axis=1, keepdims=True)))
    weights /= weights.sum(axis=1, keepdims=True)
    return np.asarray((places[rows] * weights[:, :, None]).sum(axis=1), dtype=np.float32)


def _principal(vectors: Vectors, dimensions: int) -> Vectors:
    centred = vectors - vectors.mean(axis=0)
    _, directions = np.linalg.eigh((centred.T @ centred).astype(np.float64))
    return np.asarray(centred @ directions[:, ::-1][:, :dimensions], dtype=np.float32)


def _by_neighbours(vectors: Vectors, seed: int, progress: Progress) -> Plane:
    require("openTSNE", extra="serve")
    from openTSNE import TSNEEmbedding
    from openTSNE.affinity import PerplexityBasedNN

    draw = np.random.default_rng(seed)
    learnt = np.arange(len(vectors))
    if len(vectors) > LEARNT:
        learnt = np.sort(draw.choice(learnt, LEARNT, replace=False))
    reduced = _principal(vectors[learnt], min(REDUCED, vectors.shape[1]))
    with progress("finding neighbours", None):
        affinities = PerplexityBasedNN(
            reduced, perplexity=min(PERPLEXITY, (len(learnt) - 1) / 3), metric="euclidean", random_state=seed
        )
    start = reduced[:, :2] / max(float(reduced[:, 0].std()), 1e-9) * 1e-4
    with progress("arranging by neighbours", sum(ITERATIONS)) as advance:

        def told(_iteration: int, _error: float, _embedding: object) -> bool:
            advance(25)
            return False

        each = {"callbacks": [told], "callbacks_every_iters": 25, "inplace": True}
        embedding = TSNEEmbedding(start.astype(np.float64), affinities, random_state=seed)
        embedding.optimize(n_iter=ITERATIONS[0], exaggeration=12, momentum=0.5, **each)
        embedding.optimize(n_iter=ITERATIONS[1], momentum=0.8, **each)
    places = _fitted(np.asarray(embedding, dtype=np.float32))
    if len(learnt) == len(vectors):
        return places
    with progress("placing the others", None):
        whole = placed(vectors, vectors[learnt], places)
    whole[learnt] = places
    return whole


def _fitted(places: Vectors) -> Plane:
    """Shift and scale so that nearly all points lie within -1 to 1, with one scale for both sides."""
    low, high = (cast("Vectors", np.quantile(places, share, axis=0)) for share in (1 - EDGE, EDGE))
    reach = max(float((high - low).max()), 1e-9) / 2
    return np.asarray(np.clip((places - (low + high) / 2) / (1.05 * reach), -1, 1), dtype=np.float32)
