"""Thresholds keep what they promise."""

from __future__ import annotations

import numpy as np
import pytest
from crowds import crowd
from hypothesis import given, settings
from hypothesis import strategies as st

from tellapart.errors import TellapartError
from tellapart.identities.answers import Scoring, View
from tellapart.identities.clustering import cluster, same_picture
from tellapart.identities.evaluating import evaluate_identities
from tellapart.identities.matching import Reference
from tellapart.identities.odds import Odds
from tellapart.identities.thresholds import (
    grouped_threshold,
    identities_for_far,
    identities_for_fpir,
    refuse_far,
)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(5, 40), st.sampled_from([0.05, 0.1, 0.2, 0.5]))
def test_the_threshold_is_that_of_a_loop(seed, people, rate):
    random = np.random.default_rng(seed)
    groups = random.integers(0, people, 3 * people)
    scores = random.integers(0, 10, 3 * people) / 10
    count = len(np.unique(groups))
    if rate * (count + 1) < 1 - 1e-9:
        with pytest.raises(TellapartError, match="cannot carry"):
            grouped_threshold(scores, groups, rate)
        return

    def above(level: float) -> float:
        shares = [(scores[groups == group] > level).mean() for group in np.unique(groups)]
        return (sum(shares) + 1) / (count + 1)

    expected = min(level for level in scores if above(level) <= rate + 1e-9)
    assert grouped_threshold(scores, groups, rate) == expected


def test_new_groups_pass_at_most_as_often_as_asked():
    random = np.random.default_rng(0)
    passed = []
    for _ in range(2_000):
        centres = random.normal(size=26)
        scores = centres[:, None] + random.normal(size=(26, 4))
        threshold = grouped_threshold(scores[:25].ravel(), np.repeat(np.arange(25), 4), 0.1)
        passed.append((scores[25] > threshold).mean())
    assert 0.05 < np.mean(passed) <= 0.1 + 3 * np.std(passed) / np.sqrt(len(passed))


def test_single_scores_are_plain_order_statistics():
    scores = np.arange(100.0)
    assert grouped_threshold(scores, np.arange(100), 0.1) == 90  # 9 above, and the new one itself: 10 of 101


def test_how_many_it_takes():
    assert [identities_for_fpir(rate) for rate in (0.5, 0.1, 0.05, 0.01)] == [1, 9, 19, 99]
    for rate in (0.1, 0.01, 1e-3, 1e-4):
        enough = identities_for_far(rate)
        assert 1 / (enough * (enough - 1) / 2 + 1) <= rate < 1 / ((enough - 1) * (enough - 2) / 2 + 1)
    assert "enrol 26 more" in str(refuse_far(1e-3, 20))


def test_likelihood_ratios_are_calibrated():
    random = np.random.default_rng(0)
    odds = Odds.fit(random.normal(2, 1, 4_000), random.normal(0, 1, 4_000))
    # for two normals of one spread the log ratio is 2 s - 2
    assert odds.slope == pytest.approx(2, abs=0.15)
    assert odds.same(1.0, 0.5) == pytest.approx(0.5, abs=0.03)
    assert odds.same(1.0, 0.1) == pytest.approx(0.1, abs=0.02)
    each, unknown = odds.among(np.array([3.0, 0.0]), 10, 0.5)
    assert each.sum() + unknown <= 1
    assert each[0] > each[1]
    assert Odds.fit(np.zeros(3), np.zeros(100)) is None


@pytest.mark.parametrize("scoring", list(Scoring))
def test_rows_are_those_of_a_plain_computation(scoring):
    vectors, owners = crowd(30, 4)
    random = np.random.default_rng(1)
    weights = random.uniform(0.2, 1, len(owners))
    reference = Reference(16, scoring)
    order = random.permutation(len(owners))
    for part in np.array_split(order, 7):
        reference.add(owners[part], np.zeros(len(part), bool), weights[part], vectors[part])
    probe = vectors[5]
    expected = {}
    for owner in range(30):
        rows = vectors[owners == owner]
        if scoring is Scoring.MAX:
            expected[owner] = float((rows @ probe).max())
        else:
            mean = (weights[owners == owner][:, None] * rows).sum(axis=0)
            expected[owner] = float(mean @ probe / np.linalg.norm(mean))
    ranked = sorted(expected, key=lambda owner: -expected[owner])[:5]
    found = reference.best(probe, 5)
    assert [owner for owner, _, _ in found] == ranked
    assert [score for _, score, _ in found] == pytest.approx([expected[owner] for owner in ranked], abs=1e-5)
    numbers, scores = reference.scores(probe[None])
    assert dict(zip(numbers.tolist(), scores[0].tolist(), strict=True)) == pytest.approx(expected, abs=1e-5)


def test_many_templates_of_one_identity_hide_no_other(monkeypatch):
    for coded in (1_000_000, 100):
        monkeypatch.setattr("tellapart.identities.matching.CODED_ROWS", coded)
        vectors, owners = crowd(6, 500, dim=32)
        reference = Reference(32, Scoring.MAX)
        reference.add(owners, np.zeros(len(owners), bool), np.ones(len(owners)), vectors)
        assert sorted(owner for owner, _, _ in reference.best(vectors[0], 6)) == list(range(6))


def test_many_rows_are_found_by_codes_while_they_change(monkeypatch):
    monkeypatch.setattr("tellapart.identities.matching.CODED_ROWS", 1_000)
    vectors, owners = crowd(2_000, 1, dim=32, noise=0.0)
    reference = Reference(32, Scoring.MEAN)
    reference.add(owners, np.zeros(2_000, bool), np.ones(2_000), vectors)
    assert all(reference.best(vectors[row], 1)[0][0] == row for row in range(0, 2_000, 50))
    fresh, _ = crowd(20, 1, dim=32, noise=0.0, seed=9)
    reference.add(np.arange(5_000, 5_020), np.zeros(20, bool), np.ones(20), fresh)
    assert reference.best(fresh[3], 1)[0][0] == 5_003


def odds_of(vectors: np.ndarray, owners: np.ndarray) -> Odds:
    scores = vectors @ vectors.T
    upper = np.triu_indices(len(vectors), 1)
    same = owners[upper[0]] == owners[upper[1]]
    found = Odds.fit(scores[upper][same].astype(float), scores[upper][~same].astype(float))
    assert found is not None
    return found


def test_groups_are_the_people_and_their_number_lies_within_the_interval():
    odds = odds_of(*crowd(30, 6, dim=32, seed=1))
    vectors, owners = crowd(12, 6, dim=32, seed=2)
    found = cluster(vectors, odds)
    assert found.low <= 12 <= found.high
    labels = found.labels(len(owners))
    together = labels[:, None] == labels
    assert ((owners[:, None] == owners) == together).mean() > 0.98
    assert found.prior == pytest.approx(5 / 71, rel=0.3)


def test_what_is_certain_is_kept():
    odds = odds_of(*crowd(30, 6, dim=32, seed=1))
    vectors, _ = crowd(2, 4, dim=32, seed=2)
    apart = cluster(vectors, odds, different=[(0, 1)])
    labels = apart.labels(8)
    assert labels[0] != labels[1]
    joined = cluster(vectors, odds, same=[(0, 4)]).labels(8)
    assert joined[0] == joined[4]
    # what is different stays so through everything it is merged with
    held = cluster(vectors, odds, same=[(0, 4)], different=[(4, 5)]).labels(8)
    assert held[0] == held[4] != held[5]
    with pytest.raises(TellapartError, match="to be different"):
        cluster(vectors, odds, same=[(0, 1)], different=[(0, 1)])
    assert len(cluster(vectors[:1], odds).groups) == 1


def test_two_faces_of_one_picture_are_told_apart():
    row = np.ones(4, dtype=np.float32) / 2
    views = [
        View("a.jpg", row, b"a" * 16, 0, 2),
        View("a.jpg", row, b"a" * 16, 1, 2),
        View("b.jpg", row, b"b" * 16),
    ]
    assert same_picture(views) == [(0, 1)]


def test_an_evaluation_of_separable_people_is_perfect():
    vectors, owners = crowd(20, 6, dim=64, noise=0.1)
    found = evaluate_identities(vectors, [str(owner) for owner in owners], draws=50)
    assert (found.rank1, found.map_at_r, found.eer) == (1.0, 1.0, 0.0)
    assert all(accept.tar == 1 for _, accept in found.accepts)
    assert all(each.mean == 1 for each in found.detections)
    with pytest.raises(TellapartError):
        evaluate_identities(vectors[::6], [str(owner) for owner in owners[::6]])
