"""When the default is left, what is tied, and how often noise is taken for a gain."""

from __future__ import annotations

import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from tellapart.errors import TellapartError
from tellapart.experiments.deciding import decide
from tellapart.experiments.experiment import Experiment
from tellapart.experiments.policies import EverySource, Evidence, Judged, Synthetic
from tellapart.experiments.qrels import Qrels
from tellapart.experiments.query_set import Provenance, QuerySet

NAMES = [f"arm{number}/document/knn" for number in range(10)]


def experiment_of(values, *, clusters=None, by_cost=None):
    columns = {name: values[:, place] for place, name in enumerate(NAMES[: values.shape[1]])}
    made = Experiment.from_values(columns, default=NAMES[0], reference=NAMES[1], clusters=clusters)
    return replace(made, by_cost=tuple(NAMES[place] for place in by_cost or ()))


def decided(values, draws=2000, **options):
    """The place of the choice, why, and all comparisons by place."""
    evidence = Evidence.of(experiment_of(values, **options), draws=draws)
    decision = Judged().decide(evidence)
    return (
        NAMES.index(decision.choice),
        decision.case,
        [evidence.standings[n] for n in NAMES[: values.shape[1]]],
    )


def scores(random, n, means, spread=0.25, shared=0.2):
    """Values in [0, 1] with a part that all configurations share, as queries that are hard for all."""
    common = random.normal(0, shared, size=(n, 1))
    own = random.normal(0, spread, size=(n, len(means)))
    return np.clip(0.5 + common + own + np.array(means), 0, 1)


def test_below_thirty_independent_queries_the_default_stays():
    values = scores(np.random.default_rng(0), 29, [0, 0, 0.4], spread=0.05)
    choice, case, standings = decided(values)
    assert (choice, case) == (0, "few")
    assert standings[2].p_default < 0.01
    many = np.repeat(values, 10, axis=0)
    clustered = [str(row // 10) for row in range(len(many))]
    assert decided(many, clusters=clustered)[1] == "few"
    assert decided(scores(np.random.default_rng(0), 30, [0, 0, 0.4], spread=0.05))[1] == "better"


def test_the_cheapest_that_is_as_good_as_the_best_is_chosen():
    random = np.random.default_rng(1)
    base = scores(random, 400, [0.0])
    best = np.clip(base + 0.2, 0, 1.2)
    near = best + random.normal(0, 0.01, size=best.shape)
    near -= (near - best).mean() + 0.0001
    worse = best - 0.05
    values = np.hstack([base, base, best, near, worse])
    choice, _, standings = decided(values, by_cost=[4, 3, 2, 1, 0])
    assert max(standings, key=lambda each: each.mean.mean) is standings[2]
    assert choice == 3
    assert decided(values, by_cost=[0, 1, 2, 3, 4])[0] == 2


def test_a_cheap_configuration_that_is_only_not_significant_does_not_qualify():
    random = np.random.default_rng(2)
    base = scores(random, 60, [0.0])
    best = base + 0.2 + random.normal(0, 0.02, size=base.shape)
    loose = best - 0.03 + random.normal(0, 0.3, size=best.shape)
    choice, _, standings = decided(np.hstack([base, base, best, loose]), by_cost=[3, 0, 1, 2])
    assert standings[3].tied_with_best
    assert not standings[3].non_inferior
    assert choice == 2


def test_the_default_stays_where_it_is_tied_even_if_others_are_cheaper():
    values = scores(np.random.default_rng(3), 200, [0, 0, 0.01])
    assert decided(values, by_cost=[1, 2, 0])[0] == 0


def test_identical_configurations_are_all_tied_and_nothing_moves():
    values = np.repeat(scores(np.random.default_rng(4), 50, [0.0]), 5, axis=1)
    choice, _, standings = decided(values)
    assert choice == 0
    for each in standings:
        gain = each.vs_default
        assert each.tied_with_best
        assert each.p_default == 1
        assert gain.difference == 0
        assert -0.02 < gain.low < 0 < gain.high


@pytest.mark.slow
def test_noise_is_taken_for_a_gain_in_at_most_one_family_in_twenty():
    trials = 600
    random = np.random.default_rng(5)
    left = better = 0
    for _ in range(trials):
        values = scores(random, 100, [0.0] * 10)
        values *= random.random(values.shape) < 0.7  # zero-inflated, as nDCG is
        choice, _, standings = decided(values, draws=1000)
        left += choice != 0
        better += any(each.p_default <= 0.05 and each.vs_default.difference > 0 for each in standings)
    # 5 % with two standard errors of 600 trials on top
    assert left <= better <= (0.05 + 2 * (0.05 * 0.95 / trials) ** 0.5) * trials


def with_sources(values, sources, provenance=Provenance.SYNTHETIC):
    made = experiment_of(values)
    query_set = QuerySet(
        made.query_set.queries,
        Qrels({}),
        provenance=provenance,
        sources=dict(zip(made.queries, sources, strict=True)),
    )
    return replace(made, query_set=query_set)


def test_synthetic_queries_never_leave_the_default_and_say_what_they_show():
    values = scores(np.random.default_rng(6), 300, [0, 0, 0.3])
    verdict = decide(with_sources(values, ["title"] * 300), draws=1000)
    assert verdict.kept_default
    assert verdict.suggested == NAMES[2]
    assert "synthetic queries alone do not change it" in verdict.reason
    assert NAMES[2] in verdict.reason
    assert verdict.transfer_error > 0
    assert decide(with_sources(values, ["title"] * 300), Judged(), draws=1000).choice == NAMES[2]


def test_every_source_must_agree():
    random = np.random.default_rng(7)
    sources = ["title"] * 150 + ["heading"] * 150
    good = scores(random, 300, [0, 0, 0.2])
    assert decide(with_sources(good, sources), EverySource(over_code=False), draws=1000).choice == NAMES[2]
    code = decide(with_sources(good, sources), EverySource(over_code=True), draws=1000)
    assert code.kept_default
    assert "over code" in code.reason
    one = decide(with_sources(good, ["title"] * 300), EverySource(over_code=False), draws=1000)
    assert one.kept_default
    assert "of one kind (title)" in one.reason
    split = good.copy()
    split[150:, 2] = split[150:, 0] - 0.05
    worse = decide(with_sources(split, sources), EverySource(over_code=False), draws=1000)
    assert worse.kept_default
    assert "behind on queries of these kinds: heading" in worse.reason


def test_an_arm_that_is_no_contender_is_measured_and_never_chosen():
    values = scores(np.random.default_rng(8), 300, [0, 0.3, 0.1])
    made = experiment_of(values)
    arms = dict(made.arms)
    arms[NAMES[1]] = replace(arms[NAMES[1]], arm=replace(arms[NAMES[1]].arm, contender=False))
    verdict = decide(replace(made, arms=arms), draws=1000)
    assert verdict.choice == NAMES[2]
    assert verdict.finding(NAMES[1]).mean > verdict.chosen.mean


def test_what_is_ahead_but_not_significant_is_below_what_would_be():
    """The power statement uses the level that the test uses, so the sentence never contradicts itself."""
    random = np.random.default_rng(9)
    for _ in range(20):
        values = scores(random, 60, [0.0] * 10)
        verdict = decide(experiment_of(values), draws=1000)
        if verdict.kept_default and verdict.best.name != verdict.default:
            assert verdict.best.vs_default.difference < verdict.detectable_difference


def test_values_measured_elsewhere_need_one_for_each_query():
    with pytest.raises(TellapartError, match=r"the lengths are \[2, 3\]"):
        Experiment.from_values({NAMES[0]: [1, 2], NAMES[1]: [1, 2, 3]}, default=NAMES[0])
    with pytest.raises(TellapartError, match="no values of 'x/document/knn'"):
        Experiment.from_values({NAMES[0]: [1, 2]}, default="x/document/knn")


def test_a_verdict_shows_itself_in_a_notebook_and_as_rows(monkeypatch):
    verdict = decide(experiment_of(scores(np.random.default_rng(8), 60, [0, 0, 0.1])), draws=1000)
    rows = verdict.to_dicts()
    assert [row["configuration"] for row in rows if row["chosen"]] == [verdict.choice]
    assert rows[0]["mean"] >= rows[-1]["mean"]
    assert verdict.choice in verdict._repr_html_()
    monkeypatch.setitem(sys.modules, "pandas", SimpleNamespace(DataFrame=list))
    assert verdict.to_frame() == rows
    assert Synthetic() == Synthetic()
