"""An index of five small documents, and queries that differ from their answers by noise."""

from __future__ import annotations

import numpy as np
import pytest

from tellapart import Index
from tellapart.corpus.document import Granularity, Kind
from tellapart.encoders.protocol import unit_rows
from tellapart.encoders.windows import UnitText
from tellapart.experiments.qrels import Qrels
from tellapart.experiments.query_set import Provenance, QuerySet
from tellapart.learning.adapting.queries import AdaptationQueries
from tellapart.learning.adapting.units import UnitMatrix

NOTHING = np.zeros(0, dtype=np.int64)


@pytest.fixture(scope="module")
def index(tmp_path_factory) -> Index:
    folder = tmp_path_factory.mktemp("corpus")
    for number, word in enumerate(["roses", "tomatoes", "frost", "straw", "valves"]):
        text = f"All about {word}\n\nHow {word} are kept. Keep the {word} away from number {number}.\n"
        (folder / f"{word}.txt").write_text(text)
    return Index.build([folder], folder / "my.idx")


def _queries(
    *,
    noisy: int,
    count: int = 600,
    documents: int = 400,
    dim: int = 24,
    kind: Kind = Kind.PROSE,
    sources: tuple[str, ...] = ("title", "sentence", "heading"),
    spread: tuple[float, float] = (1.6, 0.7),
    seed: int = 0,
) -> AdaptationQueries:
    """Give queries that differ from their answers by noise, most of it in the first `noisy` axes.

    Without sources they count as judged by people.
    """
    random = np.random.default_rng(seed)
    units = random.normal(size=(documents, dim))
    answer = random.integers(0, documents, count)
    noise = np.where(np.arange(dim) < noisy, *spread)
    queries = units[answer] + noise * random.normal(size=(count, dim))
    names = tuple(f"q{row:03d}" for row in range(count))
    known = tuple(f"d{number:03d}" for number in range(documents))
    of = dict(zip(names, random.choice(np.array(sources), count).tolist(), strict=True)) if sources else {}
    return AdaptationQueries(
        query_set=QuerySet(
            dict.fromkeys(names, "some words"),
            Qrels({name: {known[row]: 1} for name, row in zip(names, answer.tolist(), strict=True)}),
            provenance=Provenance.SYNTHETIC if sources else Provenance.JUDGED,
            sources=of,
            clusters={name: f"d{row}" for name, row in zip(names, answer.tolist(), strict=True)},
        ),
        names=names,
        queries=unit_rows(queries, encoder="x"),
        units=UnitMatrix(unit_rows(units, encoder="x"), np.arange(documents), np.arange(documents), known),
        contents=tuple(UnitText("", f"text {number}") for number in range(documents)),
        pairs=np.column_stack([np.arange(count), answer, answer]),
        near=(NOTHING,) * count,
        bm25=random.random(count),
        kind=kind,
        level=Granularity.DOCUMENT,
    )


@pytest.fixture(scope="session")
def queries():
    """Give the function that makes queries."""
    return _queries
