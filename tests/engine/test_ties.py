"""Units of several granularities in one list: ties go by granularity, document and place; few units lean on all."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from tellapart.corpus.document import Granularity
from tellapart.engine import searching
from tellapart.engine.searching import joint_spreads, rank_documents, rank_units
from tellapart.rankers.query import Ranking, Spread


def level(granularity, places):
    rows = np.arange(len(places))
    ranking = Ranking(rows, np.ones(len(places), dtype=np.float32), {})
    numbers, ordinals = (np.array(each) for each in zip(*places, strict=True))
    return SimpleNamespace(
        granularity=granularity,
        query=None,
        units=None,
        matches=None,
        ranker=SimpleNamespace(rank=lambda *_: ranking),
        table=SimpleNamespace(locate=lambda rows: (numbers[rows], ordinals[rows])),
    )


def test_equal_scores_are_ordered_by_granularity_document_and_place():
    first = level(Granularity.PARAGRAPH, [(2, 0), (1, 3), (1, 1)])
    second = level(Granularity.FUNCTION, [(1, 2), (0, 5), (3, 0)])
    found = [(each.granularity, each.document, each.ordinal) for each in rank_units([first, second], 6)]
    assert found == sorted(found)


def test_equal_matches_of_a_regular_expression_are_ordered_by_document_and_place(monkeypatch):
    monkeypatch.setattr(searching, "unit_scores", lambda queries: [np.zeros(3, np.float32)] * 2)
    places = ([(1, 1), (1, 3), (2, 0)], [(0, 5), (1, 2), (2, 1)])
    levels = [
        level(g, own) for g, own in zip((Granularity.PARAGRAPH, Granularity.FUNCTION), places, strict=True)
    ]
    for each in levels:
        each.matches = np.ones(3, np.int32)
    found = [(each.document, each.ordinal) for each in rank_units(levels, 6)]
    assert found == sorted(found)
    assert rank_units(levels, 2) == rank_units(levels, 6)[:2]


def test_two_units_of_a_kind_lean_on_fifty_of_all():
    few, many = (
        {"bm25": Spread(n, mean, 1.0), "knn": Spread(n, mean, 1.0)} for n, mean in ((2, 1.0), (98, 0.0))
    )
    pooled = 2 * 1.0 / 100
    leaning = (2 * 1.0 + 50 * pooled) / 52
    found = joint_spreads([few, many])[0]["knn"]
    assert found.mean == pytest.approx(pooled - (leaning - pooled))


def test_documents_with_equal_scores_come_in_the_order_of_the_index():
    table = SimpleNamespace(offsets=np.arange(101), documents=np.arange(100))
    scores = np.repeat(np.float32([1.0, 2.0]), 50)
    numbers, _ = rank_documents([SimpleNamespace(table=table)], 100, [scores])
    assert numbers == [*range(50, 100), *range(50)]
