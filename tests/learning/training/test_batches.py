from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra train")

from tellapart.errors import TellapartError
from tellapart.learning.training.feeding import IdentityBatches


def test_a_batch_has_p_identities_with_k_samples_each():
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(10), 5))
    batches = IdentityBatches.of(labels, identities=4, samples=3, seed=0)
    for step in range(20):
        rows = batches.rows(step)
        names, counts = np.unique(labels[rows], return_counts=True)
        assert len(names) == 4
        assert (counts == 3).all()
        assert len(set(rows.tolist())) == 12


def test_an_epoch_visits_every_identity_once():
    labels = np.repeat(np.arange(12), 4)
    batches = IdentityBatches.of(labels, identities=4, samples=2, seed=1)
    for epoch in range(3):
        seen = np.concatenate([labels[batches.rows(3 * epoch + place)][::2] for place in range(3)])
        assert sorted(seen.tolist()) == list(range(12))


def test_few_samples_are_all_taken_and_some_again():
    batches = IdentityBatches.of(np.array([0, 0, 1]), identities=2, samples=4, seed=0)
    rows = batches.rows(0)
    assert set(rows.tolist()) == {0, 1, 2}
    assert len(rows) == 8


def test_seed_and_step_decide_a_batch():
    labels = np.repeat(np.arange(9), 9)
    one, other = (IdentityBatches.of(labels, identities=3, samples=3, seed=seed) for seed in (0, 1))
    assert (one.rows(7) == IdentityBatches.of(labels, identities=3, samples=3, seed=0).rows(7)).all()
    assert any((one.rows(step) != other.rows(step)).any() for step in range(3))


def test_one_identity_is_refused():
    with pytest.raises(TellapartError, match="needs two"):
        IdentityBatches.of(np.zeros(5, dtype=np.int64), identities=4, samples=2, seed=0)
