"""Relations: what a few pairs teach, that they have a direction, and that they survive being kept."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tellapart.errors import TellapartError
from tellapart.scores.relations import NamedUnits, RelationModel, decoded, surroundings_of


def world(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """40 things, their 40 kinds a step away, 200 units of no relation; a likeness is nearer than the kind."""
    draw = np.random.default_rng(seed)
    things = draw.normal(size=(40, 48))
    step = 6 * np.eye(48)[0]
    kinds = things + step + 0.9 * draw.normal(size=things.shape)
    likenesses = things + 0.5 * draw.normal(size=things.shape)
    others = np.concatenate([likenesses, draw.normal(size=(160, 48))])
    return tuple(rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (things, kinds, others))


of = NamedUnits.of


def first_rank(model: RelationModel | None, x: np.ndarray, units: np.ndarray, answer: int) -> int:
    scores = units @ x if model is None else model.score(of(x[None]), of(units))
    return int((scores > scores[answer]).sum())


def test_a_few_pairs_find_what_the_cosine_does_not() -> None:
    things, kinds, others = world()
    units = np.concatenate([kinds, others, things])
    model = RelationModel().fit(of(things[:10]), of(kinds[:10]), surroundings_of(of(units)))
    learned = [first_rank(model, things[i], units[:-40], i) for i in range(10, 40)]
    plain = [first_rank(None, things[i], units[:-40], i) for i in range(10, 40)]
    assert np.mean([rank == 0 for rank in learned]) > np.mean([rank == 0 for rank in plain]) + 0.3


def test_a_relation_has_a_direction_unless_it_is_symmetric() -> None:
    things, kinds, others = world()
    surroundings = surroundings_of(of(np.concatenate([kinds, others, things])))
    pairs = of(things[:10]), of(kinds[:10])
    model = RelationModel().fit(*pairs, surroundings)
    there = model.score(of(things[20:21]), of(np.stack([kinds[20], others[20]])))
    back = model.score(of(kinds[20:21]), of(np.stack([things[20], kinds[21]])))
    assert there[0] > there[1]
    assert back[0] < back[1], "a kind's own kinds look like kinds, not like things"
    both = RelationModel(symmetric=True).fit(*pairs, surroundings)
    assert both.sources_.shape == (20, 48)


def test_a_symmetric_pair_is_one_piece_of_evidence() -> None:
    things, kinds, others = world()
    surroundings = surroundings_of(of(np.concatenate([kinds, others, things])))
    both = RelationModel(symmetric=True).fit(of(things[:6]), of(kinds[:6]), surroundings)
    assert [each.shape for each in both.left_out_ranks_] == [(6,), (6,)]
    turned = np.arange(6) % 2 == 0  # which way round a pair is given says nothing
    first, second = (
        np.where(turned[:, None], *each) for each in ((things[:6], kinds[:6]), (kinds[:6], things[:6]))
    )
    again = RelationModel(symmetric=True).fit(of(first), of(second), surroundings)
    np.testing.assert_allclose(again.left_out_ranks_, both.left_out_ranks_)


def test_what_is_kept_scores_the_same() -> None:
    things, kinds, others = world()
    surroundings = surroundings_of(of(np.concatenate([kinds, others, things])))
    model = RelationModel().fit(of(things[:8]), of(kinds[:8]), surroundings)
    kept = decoded(json.dumps(model.to_json()))
    assert kept is not None
    again = RelationModel.from_json(kept, surroundings)
    asked = of(things[9:10]), of(kinds)
    np.testing.assert_allclose(again.score(*asked), model.score(*asked), atol=0.05)
    assert decoded("{}") is None
    assert decoded("no json") is None


def test_too_few_pairs_are_refused() -> None:
    things, kinds, _ = world()
    with pytest.raises(TellapartError, match="needs 1 more"):
        RelationModel().fit(of(things[:2]), of(kinds[:2]), surroundings_of(of(kinds)))


def test_a_name_in_the_text_says_more_than_vectors_without_any_meaning() -> None:
    draw = np.random.default_rng(0)
    vectors = draw.normal(size=(120, 16))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    kinds = [f"kind{row}" for row in range(60)]
    texts = [frozenset({f"thing{row}", "breed", kinds[row]}) for row in range(60)]
    names = [frozenset({f"thing{row}"}) for row in range(60)] + [frozenset({each}) for each in kinds]
    units = of(vectors, [*texts, *(frozenset({each, "animal"}) for each in kinds)], names)
    things, above, everything = range(60), range(60, 120), surroundings_of(units)

    def found(asked: range, answers: range) -> float:
        """Learn from the first 20 pairs; how often the others' answers come first."""
        model = RelationModel().fit(units.taken(asked[:20]), units.taken(answers[:20]), everything)
        right = 0
        for x, answer in zip(asked[20:], answers[20:], strict=True):
            scores = model.score(units.taken([x]), units)
            scores[x] = -np.inf
            right += int(scores.argmax() == answer)
        return right / len(asked[20:])

    assert found(things, above) > 0.9, "the kind's name stands in the thing's text"
    assert found(above, things) > 0.9, "and the other way round"
