"""When the default is left, what is tied, and how often noise is taken for a gain."""

from __future__ import annotations

import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from tellapart.engine.configuration import Configuration
from tellapart.errors import TellapartError
from tellapart.experiments.comparisons import Evidence
from tellapart.experiments.deciding import decide, reason_of
from tellapart.experiments.experiment import Experiment
from tellapart.experiments.posterior.choice import Decision, ExpectedGain, choose
from tellapart.experiments.posterior.evidence import weigh
from tellapart.experiments.posterior.model import load_models
from tellapart.experiments.qrels import Qrels
from tellapart.experiments.query_set import Provenance, QuerySet
from tellapart.experiments.synthetic.generate import tells_nothing

NAMES = [f"arm{number}/document/knn" for number in range(10)]


def experiment_of(values, *, clusters=None, by_cost=None):
    columns = {name: values[:, place] for place, name in enumerate(NAMES[: values.shape[1]])}
    made = Experiment.from_values(columns, default=NAMES[0], reference=NAMES[1], clusters=clusters)
    return replace(made, by_cost=tuple(NAMES[place] for place in by_cost or ()))


def decided(values, draws=2000, **options):
    """The place of the choice, what every rival is expected to gain, and all comparisons by place."""
    experiment = experiment_of(values, **options)
    decision = choose(weigh(experiment, load_models()), experiment.default)
    evidence = Evidence.of(experiment, draws=draws)
    return (
        NAMES.index(decision.choice),
        decision.gains,
        [evidence.standings[n] for n in NAMES[: values.shape[1]]],
    )


def scores(random, n, means, spread=0.25, shared=0.2):
    """Values in [0, 1] with a part that all configurations share, as queries that are hard for all."""
    common = random.normal(0, shared, size=(n, 1))
    own = random.normal(0, spread, size=(n, len(means)))
    return np.clip(0.5 + common + own + np.array(means), 0, 1)


def test_the_more_queries_the_smaller_the_gain_for_which_the_default_is_left():
    random = np.random.default_rng(0)
    assert decided(scores(random, 3, [0, 0, 0.05], spread=0.1))[0] == 0
    assert decided(scores(random, 2000, [0, 0, 0.05], spread=0.1))[0] == 2
    few, many = (decided(scores(random, count, [0, 0, 0.05], spread=0.2))[1] for count in (5, 500))
    assert many[NAMES[2]].high - many[NAMES[2]].low < 0.5 * (few[NAMES[2]].high - few[NAMES[2]].low)


def test_four_judged_queries_never_leave_the_default_and_five_may():
    values = np.tile([0.1, 0.1, 0.9], (5, 1)) + np.linspace(0, 0.1, 5)[:, None]
    assert [decided(values[:count])[0] for count in (1, 4, 5)] == [0, 0, 2]


def test_dependent_queries_do_not_count_as_many():
    values = scores(np.random.default_rng(0), 12, [0, 0, 0.05], spread=0.1)
    many = np.repeat(values, 10, axis=0)
    clustered = [str(row // 10) for row in range(len(many))]
    one, other = decided(values)[1], decided(many, clusters=clustered)[1]
    assert other[NAMES[2]].low == pytest.approx(one[NAMES[2]].low, abs=0.02)


def test_the_cheapest_that_is_as_good_as_the_best_is_chosen():
    random = np.random.default_rng(1)
    base = scores(random, 1000, [0.0])
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
    values = scores(np.random.default_rng(3), 400, [0.001, 0, 0.001], spread=0.01)
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
def test_noise_is_called_significant_in_at_most_one_family_in_twenty():
    trials = 600
    random = np.random.default_rng(5)
    better = 0
    for _ in range(trials):
        values = scores(random, 100, [0.0] * 10)
        values *= random.random(values.shape) < 0.7  # zero-inflated, as nDCG is
        standings = Evidence.of(experiment_of(values), draws=1000).standings.values()
        better += any(each.p_default <= 0.05 and each.vs_default.difference > 0 for each in standings)
    # 5 % with two standard errors of 600 trials on top
    assert better <= (0.05 + 2 * (0.05 * 0.95 / trials) ** 0.5) * trials


def test_the_default_is_hardly_ever_left_for_what_loses():
    random = np.random.default_rng(6)
    lost = []
    for _ in range(60):
        gains = np.append(0, random.normal(0, 0.05, 4))
        experiment = experiment_of(scores(random, 60, gains))
        choice = choose(weigh(experiment, load_models()), experiment.default).choice
        lost.append(gains[NAMES.index(choice)] - gains[0] < -0.01)
    assert np.mean(lost) <= 0.1


def with_sources(values, sources, provenance=Provenance.SYNTHETIC):
    made = experiment_of(values)
    query_set = QuerySet(
        made.query_set.queries,
        Qrels({}),
        provenance=provenance,
        sources=dict(zip(made.queries, sources, strict=True)),
    )
    return replace(made, query_set=query_set)


def test_synthetic_queries_say_less_than_judged_ones():
    values = scores(np.random.default_rng(6), 300, [0, 0, 0.1])
    synthetic = decide(with_sources(values, ["title"] * 300), draws=1000)
    judged = decide(experiment_of(values), draws=1000)
    gains = [verdict.finding(NAMES[2]).gain for verdict in (synthetic, judged)]
    assert gains[0].high - gains[0].low > 2 * (gains[1].high - gains[1].low)
    assert synthetic.transfer_error > 0
    assert judged.transfer_error is None
    assert judged.choice == NAMES[2]


def test_judged_queries_are_read_in_the_light_of_synthetic_ones():
    random = np.random.default_rng(7)
    made = with_sources(scores(random, 300, [0, 0, 0.1]), ["title"] * 300)
    judged = experiment_of(scores(random, 10, [0, 0, 0.1]))
    both, alone = decide(judged, made, draws=500), decide(judged, draws=500)
    assert both.provenance == "judged"
    assert both.queries == judged.queries
    assert both.finding(NAMES[2]).gain != alone.finding(NAMES[2]).gain
    assert "300 synthetic ones" in both.reason


def test_synthetic_queries_that_find_nothing_tell_nothing():
    values = np.zeros((100, 2))
    values[:5, 0] = 1.0
    made = with_sources(values, ["title"] * 100)
    assert tells_nothing(made, 50), "a random order finds as much among 50 documents"
    assert not tells_nothing(made, 5000)


def test_nothing_asked_keeps_to_what_other_collections_say():
    made = experiment_of(scores(np.random.default_rng(8), 5, [0, 0]))
    nothing = {name: replace(each, values=each.values[:0]) for name, each in made.arms.items()}
    weighed = weigh(replace(made, queries=(), arms=nothing), load_models())
    assert (weighed.judged, weighed.synthetic) == (0, 0)
    assert choose(weighed, made.default).choice == made.default


def test_an_arm_that_is_no_contender_is_measured_and_never_chosen():
    values = scores(np.random.default_rng(8), 300, [0, 0.3, 0.1])
    made = experiment_of(values)
    arms = dict(made.arms)
    arms[NAMES[1]] = replace(arms[NAMES[1]], arm=replace(arms[NAMES[1]].arm, contender=False))
    verdict = decide(replace(made, arms=arms), draws=1000)
    assert verdict.choice == NAMES[2]
    assert verdict.finding(NAMES[1]).mean > verdict.chosen.mean


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
    shown = verdict._repr_html_()
    assert f'<li class="choice"><span class="name">{verdict.choice}</span>' in shown
    assert shown.count('<path class="span"') == len(rows)
    monkeypatch.setitem(sys.modules, "pandas", SimpleNamespace(DataFrame=list))
    assert verdict.to_frame() == rows


@pytest.mark.parametrize(
    ("low", "verb"), [(0.001, "is better than"), (0.0, "is chosen over"), (-0.004, "is chosen over")]
)
def test_nothing_is_called_better_with_an_interval_that_includes_0(low, verb):
    evidence = Evidence.of(experiment_of(scores(np.random.default_rng(9), 40, [0, 0])), draws=200)
    gain = ExpectedGain(0.02, (0.01, 0.03), low, 0.05, 0.95, 0.03)
    variants = {NAMES[1]: Configuration.parse(NAMES[1])}
    decision = Decision(NAMES[1], NAMES[1], {NAMES[1]: gain}, variants, as_good=1, judged=40, synthetic=0)
    said = f"{NAMES[1]} {verb} the default {NAMES[0]}: by 40 judged queries it is expected to gain +0.020"
    assert reason_of(evidence, decision).startswith(said)
