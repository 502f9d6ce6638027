"""A gallery of texts that share words: identities in microseconds, without weights."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tellapart.identities import Gallery

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def word_encoder(word_encoder):
    """In so many dimensions that texts without a common word are far apart."""
    return type(word_encoder)(dim=256)


@pytest.fixture
def gallery(tmp_path, word_encoder):
    opened = Gallery.open(tmp_path / "people.gal", encoder=word_encoder)
    yield opened
    opened.close()
