"""Learning from judged queries."""

from __future__ import annotations

import numpy as np

from tellapart.corpus.types import Granularity
from tellapart.encoders.rows import unit_rows
from tellapart.learning.adapting.judges import Judges
from tellapart.learning.adapting.taught import JudgedPairs, divided, teach
from tellapart.learning.adapting.units import Units


def people(*, noisy: int, count: int = 300, documents: int = 250, dim: int = 24, seed: int = 0) -> Judges:
    """Give queries with one or two answers each, which differ from them by noise, most of it in the first axes."""
    random = np.random.default_rng(seed)
    units = random.normal(size=(documents, dim))
    units[1::10] = units[0::10] + 0.01  # near-duplicates
    answer = random.integers(0, documents, count)
    spread = np.where(np.arange(dim) < noisy, 1.6, 0.5)
    queries = units[answer] + spread * random.normal(size=(count, dim))
    queries[1::20] = queries[0::20] + 0.01
    names = tuple(f"d{number:03d}" for number in range(documents))
    grades = tuple(
        {names[int(other)]: int(other % 2), names[row]: 1}
        for row, other in zip(answer.tolist(), random.integers(0, documents, count), strict=True)
    )
    asked = tuple(f"q{number:03d}" for number in range(count))
    placed = Units(unit_rows(units, encoder="x"), np.arange(documents), np.arange(documents), names)
    vectors = unit_rows(queries, encoder="x")
    made = Judges(
        names=asked,
        texts=asked,
        grades=grades,
        queries=vectors,
        units=placed,
        level=Granularity.DOCUMENT,
        untouched=np.zeros(count),
        bm25=random.random(count),
        clusters=asked,
    )
    untouched = made.values(np.arange(count), vectors, placed.vectors)
    return Judges(**{name: getattr(made, name) for name in Judges.__slots__} | {"untouched": untouched})


def test_nothing_that_answers_a_held_out_query_is_learned_from():
    made = people(noisy=4)
    pairs, folds = JudgedPairs.of(made), divided(made, seed=0)
    near = made.units.vectors @ made.units.vectors.T >= 0.95
    for fold in range(5):
        held = folds == fold
        learned = pairs.without(held, made)
        answers = pairs.documents[held[pairs.queries]]
        assert not held[learned.queries].any()
        assert not near[np.ix_(answers, learned.documents)].any()
        assert len(learned.queries) > 100
    twins = made.queries @ made.queries.T >= 0.95
    first, second = np.nonzero(twins)
    assert (folds[first] == folds[second]).all()
    assert (first != second).any()


def test_noise_shared_by_all_queries_is_unlearned_and_luck_is_not_recommended():
    found = teach(people(noisy=8))
    assert found is not None
    assert found.recommended
    assert found.evidence[0].source == "judged"
    gains = np.diag(found.map)
    assert gains[:8].max() < gains[8:].min()
    for seed in range(3):
        luck = teach(people(noisy=0, seed=seed), seed=seed)
        assert luck is not None
        assert not luck.recommended


def test_too_few_judgements_are_not_learned_from():
    assert teach(people(noisy=8, count=40)) is None
