"""When the default is left, what is tied, and how often noise is taken for a gain."""

from __future__ import annotations

import numpy as np
import pytest

from tellapart.experiments.verdict.choice import Standings, Table, decide


def table_of(values, *, clusters=None, by_cost=None, draws=2000):
    columns = values.shape[1]
    labels = clusters or [str(row) for row in range(len(values))]
    return Table(values, labels, 0, 1, by_cost or list(range(columns)), draws=draws)


def decided(values, **options):
    table = table_of(values, **options)
    standings = Standings.of(table)
    return decide(table, standings), standings


def scores(random, n, means, spread=0.25, shared=0.2):
    """Values in [0, 1] with a part that all configurations share, as queries that are hard for all."""
    common = random.normal(0, shared, size=(n, 1))
    own = random.normal(0, spread, size=(n, len(means)))
    return np.clip(0.5 + common + own + np.array(means), 0, 1)


def test_below_thirty_independent_queries_the_default_stays():
    values = scores(np.random.default_rng(0), 29, [0, 0, 0.4], spread=0.05)
    decision, standings = decided(values)
    assert (decision.choice, decision.case) == (0, "few")
    assert standings.p_default[2] < 0.01
    many = np.repeat(values, 10, axis=0)
    clustered = [str(row // 10) for row in range(len(many))]
    assert decided(many, clusters=clustered)[0].case == "few"
    assert decided(scores(np.random.default_rng(0), 30, [0, 0, 0.4], spread=0.05))[0].case == "better"


def test_the_cheapest_that_is_as_good_as_the_best_is_chosen():
    random = np.random.default_rng(1)
    base = scores(random, 400, [0.0])
    best = np.clip(base + 0.2, 0, 1.2)
    near = best + random.normal(0, 0.01, size=best.shape)
    near -= (near - best).mean() + 0.0001
    worse = best - 0.05
    values = np.hstack([base, base, best, near, worse])
    decision, standings = decided(values, by_cost=[4, 3, 2, 1, 0])
    assert standings.best == 2
    assert decision.choice == 3
    assert decided(values, by_cost=[0, 1, 2, 3, 4])[0].choice == 2


def test_a_cheap_configuration_that_is_only_not_significant_does_not_qualify():
    random = np.random.default_rng(2)
    base = scores(random, 60, [0.0])
    best = base + 0.2 + random.normal(0, 0.02, size=base.shape)
    loose = best - 0.03 + random.normal(0, 0.3, size=best.shape)
    decision, standings = decided(np.hstack([base, base, best, loose]), by_cost=[3, 0, 1, 2])
    assert 3 in standings.tied
    assert 3 not in standings.non_inferior
    assert decision.choice == 2


def test_the_default_stays_where_it_is_tied_even_if_others_are_cheaper():
    values = scores(np.random.default_rng(3), 200, [0, 0, 0.01])
    assert decided(values, by_cost=[1, 2, 0])[0].choice == 0


def test_identical_configurations_are_all_tied_and_nothing_moves():
    values = np.repeat(scores(np.random.default_rng(4), 50, [0.0]), 5, axis=1)
    decision, standings = decided(values)
    assert decision.choice == 0
    assert standings.tied == frozenset(range(5))
    assert all(p == 1 for p in standings.p_default)
    assert all(each.difference == 0 and -0.02 < each.low < 0 < each.high for each in standings.vs_default)


@pytest.mark.slow
def test_noise_is_taken_for_a_gain_in_at_most_one_family_in_twenty():
    trials = 600
    random = np.random.default_rng(5)
    left = better = 0
    for _ in range(trials):
        values = scores(random, 100, [0.0] * 10)
        values *= random.random(values.shape) < 0.7  # zero-inflated, as nDCG is
        table = table_of(values, draws=1000)
        standings = Standings.of(table)
        left += decide(table, standings).choice != table.default
        better += any(
            p <= 0.05 and each.difference > 0
            for p, each in zip(standings.p_default, standings.vs_default, strict=True)
        )
    # 5 % with two standard errors of 600 trials on top
    assert left <= better <= (0.05 + 2 * (0.05 * 0.95 / trials) ** 0.5) * trials
