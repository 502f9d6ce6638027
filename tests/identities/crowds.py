"""Made-up people: texts that share words: identities in microseconds, without weights."""

from __future__ import annotations

import numpy as np

from tellapart.identities import View


def phrases(person: int, count: int, *, seed: int = 0) -> list[str]:
    """Texts of one author: most words are their own, some are everybody's."""
    random = np.random.default_rng([seed, person])
    own = [f"w{person}x{n}" for n in range(12)]
    return [
        " ".join([*random.permutation(own)[:8], *(f"common{n}" for n in random.integers(0, 40, 3))])
        for _ in range(count)
    ]


def crowd(
    people: int, each: int, *, dim: int = 16, noise: float = 0.35, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors around random directions, and whose they are."""
    random = np.random.default_rng(seed)
    centres = random.normal(size=(people, dim))
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    owners = np.repeat(np.arange(people), each)
    rows = centres[owners] + noise * random.normal(size=(len(owners), dim)) / np.sqrt(dim) * 2
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32), owners


def views_of(vectors: np.ndarray, *, start: int = 0) -> list[View]:
    return [
        View(f"view {start + row}", vector, (start + row).to_bytes(16, "big"))
        for row, vector in enumerate(vectors)
    ]
