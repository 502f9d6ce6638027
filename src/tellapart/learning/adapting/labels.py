"""A map fitted to labelled vectors, for new labels: shrink what varies within one, stress what separates them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tellapart.encoders.protocol import Vectors
from tellapart.errors import TellapartError
from tellapart.experiments.verification import nearest_neighbours
from tellapart.learning.adapting.components import Components, class_means
from tellapart.learning.adapting.judging import mapped

PULLS = (30.0, 10.0, 3.0)
STRESSES = (0.0, 0.1, 0.25, 0.5)
"""Tried by cross-validation over labels. Our choice, after a look at banking77 (bench/unseen_intents.py)."""

FOLDS = 4


@dataclass(frozen=True, slots=True)
class LabelledMap:
    """A map (d, d) with the pull and stress that were best for labels left out; both 0: none helped.

    `gain` is the mean gain in MAP@R on left-out labels, which chose them (so it is optimistic).
    """

    matrix: NDArray[np.float32]
    pull: float
    stress: float
    gain: float


def adapt_to_labels(vectors: Vectors, labels: ArrayLike, *, seed: int = 0) -> LabelledMap:
    """Fit a map to unit vectors (n, d) with labels (n,); what is judged are always labels that the fit never saw.

    Raises:
        TellapartError: Too few labels to leave any out.
    """
    _, numbers = np.unique(np.asarray(labels), return_inverse=True)
    count = int(numbers.max()) + 1
    if count < 2 * FOLDS:
        raise TellapartError(f"{count} labels are too few to leave some out: give at least {2 * FOLDS}")
    fold = np.random.default_rng(seed).permutation(count) % FOLDS
    grid = list(product(PULLS, STRESSES))
    gains = np.zeros(len(grid))
    for left_out in range(FOLDS):
        held = fold[numbers] == left_out
        base = nearest_neighbours(vectors[held], numbers[held]).map_at_r.mean()
        for place, matrix in enumerate(_maps(vectors[~held], numbers[~held])):
            found = nearest_neighbours(mapped(vectors[held], matrix), numbers[held])
            gains[place] += (found.map_at_r.mean() - base) / FOLDS
    best = int(gains.argmax())
    if gains[best] <= 0:
        return LabelledMap(np.eye(vectors.shape[1], dtype=np.float32), 0.0, 0.0, 0.0)
    matrix = list(_maps(vectors, numbers))[best]
    return LabelledMap(matrix, *grid[best], float(gains[best]))


def _maps(vectors: Vectors, numbers: NDArray[np.int64]) -> Iterator[NDArray[np.float32]]:
    """Give the map of every cell of the grid: (I + stress V (s / mean s) V') W, with s, V of the means under W."""
    _, own = np.unique(numbers, return_inverse=True)
    components = Components.within(vectors, own)
    means = class_means(vectors, own)
    means -= means.mean(axis=0)
    for pull in PULLS:
        shrunk = components.map(pull).astype(np.float64)
        _, strengths, directions = np.linalg.svd(means @ shrunk, full_matrices=False)
        stressed = (directions.T * (strengths / strengths.mean())) @ directions
        for stress in STRESSES:
            yield ((np.eye(len(shrunk)) + stress * stressed) @ shrunk).astype(np.float32)
