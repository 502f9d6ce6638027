"""An index of five small documents."""

from __future__ import annotations

import numpy as np
import pytest

from tellapart import Index
from tellapart.corpus.types import Granularity, Kind
from tellapart.encoders.rows import unit_rows
from tellapart.learning.adapting.pairs import Pairs


@pytest.fixture(scope="module")
def index(tmp_path_factory) -> Index:
    folder = tmp_path_factory.mktemp("corpus")
    for number, word in enumerate(["roses", "tomatoes", "frost", "straw", "valves"]):
        text = f"All about {word}\n\nHow {word} are kept. Keep the {word} away from number {number}.\n"
        (folder / f"{word}.txt").write_text(text)
    return Index.build([folder], folder / "my.idx")


def _pairs(
    *,
    noisy: int,
    count: int = 600,
    documents: int = 400,
    dim: int = 24,
    kind: Kind = Kind.PROSE,
    seed: int = 0,
) -> Pairs:
    """Give queries that differ from their answers by noise, most of it in the first `noisy` axes."""
    random = np.random.default_rng(seed)
    units = random.normal(size=(documents, dim))
    answer = random.integers(0, documents, count)
    spread = np.where(np.arange(dim) < noisy, 1.6, 0.7)
    queries = units[answer] + spread * random.normal(size=(count, dim))
    return Pairs(
        queries=unit_rows(queries, encoder="x"),
        units=unit_rows(units, encoder="x"),
        answer=answer,
        starts=np.arange(documents),
        document=answer,
        sources=random.choice(np.array(["title", "sentence", "heading"]), count),
        groups=answer,
        bm25=random.random(count),
        lexical=random.integers(0, documents, (count, 30)),
        kind=kind,
        level=Granularity.DOCUMENT,
    )


@pytest.fixture(scope="session")
def pairs():
    """Give the function that makes pairs."""
    return _pairs
