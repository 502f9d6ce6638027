"""Relations: what a few pairs teach, that they have a direction, and that they survive being kept."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tellapart.errors import TellapartError
from tellapart.scores.relations import RelationModel, decoded, surroundings_of


def world(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """40 things, their 40 kinds a step away, 200 units of no relation; a likeness is nearer than the kind."""
    draw = np.random.default_rng(seed)
    things = draw.normal(size=(40, 48))
    step = 6 * np.eye(48)[0]
    kinds = things + step + 0.9 * draw.normal(size=things.shape)
    likenesses = things + 0.5 * draw.normal(size=things.shape)
    others = np.concatenate([likenesses, draw.normal(size=(160, 48))])
    return tuple(rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (things, kinds, others))


def first_rank(model: RelationModel | None, x: np.ndarray, units: np.ndarray, answer: int) -> int:
    scores = units @ x if model is None else model.score(x, units)
    return int((scores > scores[answer]).sum())


def test_a_few_pairs_find_what_the_cosine_does_not() -> None:
    things, kinds, others = world()
    units = np.concatenate([kinds, others, things])
    model = RelationModel().fit(things[:10], kinds[:10], surroundings_of(units))
    learned = [first_rank(model, things[i], units[:-40], i) for i in range(10, 40)]
    plain = [first_rank(None, things[i], units[:-40], i) for i in range(10, 40)]
    assert np.mean([rank == 0 for rank in learned]) > np.mean([rank == 0 for rank in plain]) + 0.3


def test_a_relation_has_a_direction_unless_it_is_symmetric() -> None:
    things, kinds, others = world()
    surroundings = surroundings_of(np.concatenate([kinds, others, things]))
    pairs = things[:10], kinds[:10]
    model = RelationModel().fit(*pairs, surroundings)
    there = model.score(things[20], np.stack([kinds[20], others[20]]))
    back = model.score(kinds[20], np.stack([things[20], kinds[21]]))
    assert there[0] > there[1]
    assert back[0] < back[1], "a kind's own kinds look like kinds, not like things"
    both = RelationModel(symmetric=True).fit(*pairs, surroundings)
    assert both.sources_.shape == (20, 48)


def test_what_is_kept_scores_the_same() -> None:
    things, kinds, others = world()
    surroundings = surroundings_of(np.concatenate([kinds, others, things]))
    model = RelationModel().fit(things[:8], kinds[:8], surroundings)
    kept = decoded(json.dumps(model.to_json()))
    assert kept is not None
    again = RelationModel.from_json(kept, surroundings)
    np.testing.assert_allclose(again.score(things[9], kinds), model.score(things[9], kinds), atol=0.05)
    assert decoded("{}") is None
    assert decoded("no json") is None


def test_too_few_pairs_are_refused() -> None:
    things, kinds, _ = world()
    with pytest.raises(TellapartError, match="needs 1 more"):
        RelationModel().fit(things[:2], kinds[:2], surroundings_of(kinds))
