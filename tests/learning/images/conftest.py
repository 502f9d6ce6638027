"""Glyphs that a small net tells apart in seconds."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra train")

from tellapart.learning.images.reading import LabelledImages  # noqa: E402


def glyphs(identities: int, each: int, *, seed: int = 0, size: int = 16) -> LabelledImages:
    """Give random blocks of 4 x 4, shifted by up to two pixels and with noise."""
    random = np.random.default_rng(seed)
    shapes = np.kron(random.integers(0, 2, (identities, 3, 3)), np.ones((4, 4))) * 180
    labels = np.repeat(np.arange(identities), each)
    images = random.integers(0, 40, (len(labels), size, size, 1))
    for row, label in enumerate(labels):
        top, left = random.integers(0, size - 11, 2)
        images[row, top : top + 12, left : left + 12, 0] += shapes[label].astype(np.int64)
    names = tuple(f"glyph{number}" for number in range(identities))
    sources = tuple(f"{names[label]}/{row}.png" for row, label in enumerate(labels))
    return LabelledImages(images.clip(0, 255).astype(np.uint8), labels, names, sources)


@pytest.fixture(scope="session")
def some_glyphs() -> LabelledImages:
    return glyphs(24, 8)


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
