from __future__ import annotations

import numpy as np
import pytest

from tellapart.encoders.rows import unit_rows
from tellapart.errors import TellapartError
from tellapart.experiments.verification import nearest_neighbours
from tellapart.learning.adapting.judging import mapped
from tellapart.learning.adapting.labels import adapt_to_labels


def labelled(labels: int, noise: np.ndarray, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    numbers = np.repeat(np.arange(labels), 15)
    centres = random.normal(size=(labels, len(noise)))
    return unit_rows(
        centres[numbers] + noise * random.normal(size=(len(numbers), len(noise))), encoder="x"
    ), numbers


def test_what_varies_within_labels_is_shrunk_for_new_labels_too():
    noise = np.where(np.arange(30) < 8, 3.0, 0.8)
    found = adapt_to_labels(*labelled(20, noise, seed=0))
    vectors, labels = labelled(20, noise, seed=1)
    before, after = (
        nearest_neighbours(vectors, labels),
        nearest_neighbours(mapped(vectors, found.matrix), labels),
    )
    assert found.gain > 0
    assert after.map_at_r.mean() > before.map_at_r.mean() + 0.05


def test_where_nothing_helps_nothing_is_done():
    found = adapt_to_labels(*labelled(40, np.full(6, 0.01), seed=2))
    assert (found.pull, found.gain) == (0, 0)
    np.testing.assert_array_equal(found.matrix, np.eye(6))


def test_too_few_labels_are_refused():
    with pytest.raises(TellapartError, match="7 labels are too few"):
        adapt_to_labels(*labelled(7, np.ones(4), seed=3))


def test_names_do_as_labels():
    vectors, labels = labelled(12, np.full(10, 1.0), seed=4)
    one, other = (
        adapt_to_labels(vectors, labels),
        adapt_to_labels(vectors, [f"{label:02d}" for label in labels]),
    )
    np.testing.assert_array_equal(one.matrix, other.matrix)
