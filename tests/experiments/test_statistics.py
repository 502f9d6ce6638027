"""Paired statistics against enumeration, scipy, and simulated worlds whose truth is known."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tellapart.errors import TellapartError
from tellapart.experiments.statistics import (
    POWER_FACTOR,
    Comparison,
    compare,
    compare_all,
    estimate_means,
    holm,
    tied_group,
)

values = st.lists(st.sampled_from([0.0, 0.1, 0.25, 0.3, 0.5, 0.63, 1.0]), min_size=2, max_size=10)


def skewed(rng, *shape):
    """nDCG of a hard set: 45 % zeros, some ones, the rest skewed towards 0."""
    kind = rng.random(shape)
    return np.where(kind < 0.45, 0.0, np.where(kind > 0.9, 1.0, rng.beta(1.2, 2.5, shape)))


SKEWED_MEAN = 0.1 + 0.45 * 1.2 / 3.7


def noisy_pair(rng, n, gain=0.0):
    """Two systems on the same queries: most values shared, some redrawn; b is better by `gain` on average."""
    base = skewed(rng, n)
    a = np.where(rng.random(n) < 0.4, skewed(rng, n), base)
    b = np.where(rng.random(n) < 0.4, skewed(rng, n), base)
    return a, b + gain


def test_identical_runs_differ_by_nothing():
    a = skewed(np.random.default_rng(0), 50)
    same = compare(a, a)
    assert (same.difference, same.p, same.n) == (0.0, 1.0, 50)
    assert same.low == pytest.approx(-same.high)


@pytest.mark.parametrize("n", [50, 100, 500])
def test_queries_that_all_agree_leave_room_for_those_that_would_not(n):
    # None of n seen: at 95 % up to 3 of n may differ ("rule of three"), each by a rank.
    same = compare(np.ones(n), np.ones(n))
    assert 0.5 < same.high / (0.37 * 3 / n) < 1.5


def test_a_constant_gain_is_certain():
    a = skewed(np.random.default_rng(0), 50)
    gain = compare(a + 0.1, a)
    assert 0.08 < gain.low < 0.1 < gain.high < 0.12
    assert gain.p == pytest.approx(1 / 10_001)


@given(values, st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_few_queries_are_enumerated(a, random):
    b = [random.choice(a) for _ in a]
    differences = [x - y for x, y in zip(a, b, strict=True)]
    seen = abs(sum(differences))
    flips = [
        abs(sum(s * d for s, d in zip(signs, differences, strict=True)))
        for signs in itertools.product((1, -1), repeat=len(differences))
    ]
    assert compare(a, b, draws=100).p == pytest.approx(sum(f >= seen - 1e-12 for f in flips) / len(flips))


def test_twelve_queries_equal_scipys_exact_test():
    rng = np.random.default_rng(3)
    a, b = rng.random(12), rng.random(12)
    exact = stats.permutation_test(
        (a - b,), np.mean, permutation_type="samples", n_resamples=np.inf, alternative="two-sided"
    )
    assert compare(a, b).p == pytest.approx(exact.pvalue, abs=1e-12)


def test_drawn_signs_approach_the_enumeration():
    rng = np.random.default_rng(5)
    a, b = rng.random(16) + 0.15, rng.random(16)
    exact = stats.permutation_test(
        (a - b,), np.mean, permutation_type="samples", n_resamples=np.inf, alternative="two-sided"
    )
    assert compare(a, b, draws=50_000).p == pytest.approx(exact.pvalue, abs=0.01)


def test_float_ties_count_as_ties():
    # .1 + .2 - .3 is not 0 in floating point: without a tolerance patterns equal to the one seen are missed.
    a, b = np.array([0.1, 0.2, 0.3, 0.6]), np.array([0.0, 0.0, 0.0, 0.0])
    assert compare(a, b).p == pytest.approx(2 / 16)
    assert compare(np.array([0.3, -0.1, -0.2]), np.zeros(3)).p == 1.0


def test_p_is_never_zero():
    assert compare(np.linspace(0.5, 1, 200), np.zeros(200), draws=99).p == pytest.approx(0.01)


def test_swapping_the_pair_flips_the_sign_only():
    a, b = noisy_pair(np.random.default_rng(1), 90, 0.05)
    there, back = compare(a, b), compare(b, a)
    assert there.difference == -back.difference
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low), abs=3e-3)
    assert (there.p, there.n, there.detectable) == (back.p, back.n, back.detectable)


def test_the_same_seed_gives_the_same_answer_and_columns_do_not_disturb_each_other():
    rng = np.random.default_rng(2)
    matrix, reference = rng.random((70, 5)), rng.random(70)
    together = compare_all(matrix, reference, seed=4)
    assert together == compare_all(matrix, reference, seed=4)
    for column, one in enumerate(together):
        alone = compare(matrix[:, column], reference, seed=4)
        assert (one.low, one.high, one.p) == pytest.approx((alone.low, alone.high, alone.p), abs=1e-12)


def test_the_bootstrap_agrees_with_student_where_both_hold():
    rng = np.random.default_rng(6)
    a, b = rng.normal(0.5, 0.1, 400), rng.normal(0.45, 0.1, 400)
    theirs = stats.ttest_rel(a, b).confidence_interval()
    seen = compare(a, b)
    assert (seen.low, seen.high) == pytest.approx((theirs.low, theirs.high), abs=0.001)


def plain_bootstrap_t(groups, draws, seed):
    """The definition in loops: resample groups, studentise with the group-robust error."""

    def mean_and_error(chosen):
        total = sum(len(g) for g in chosen)
        mean = sum(sum(g) for g in chosen) / total
        squares = sum(sum(x - mean for x in g) ** 2 for g in chosen)
        return mean, math.sqrt(squares * len(chosen) / (len(chosen) - 1)) / total

    mean, error = mean_and_error(groups)
    rng = np.random.default_rng(seed)
    pivots = []
    for _ in range(draws):
        again, spread = mean_and_error([groups[i] for i in rng.integers(0, len(groups), len(groups))])
        pivots.append((again - mean) / spread if spread > 1e-12 else 0.0)
    low, high = np.quantile(pivots, [0.025, 0.975])
    return mean - high * error, mean - low * error


@pytest.mark.parametrize("clustered", [False, True])
def test_the_interval_is_the_one_of_the_definition(clustered):
    rng = np.random.default_rng(8)
    labels = np.sort(rng.integers(0, 25, 80)) if clustered else np.arange(80)
    a, b = noisy_pair(rng, 80, 0.02)
    a = a + rng.normal(0, 0.1, 80)[labels]
    groups = [list((a - b)[labels == label]) for label in np.unique(labels)]
    seen = compare(a, b, clusters=labels, draws=20_000)
    absolute = [abs(np.mean(group)) for group in groups if np.any(group)]
    sizes = [len(group) for group in groups if np.any(group)]
    typical = (len(sizes) * np.average(absolute, weights=sizes) + 10 * 0.37) / (len(sizes) + 10)
    imagined = [[-typical], [typical]]
    assert (seen.low, seen.high) == pytest.approx(plain_bootstrap_t(groups + imagined, 4000, 9), abs=0.008)
    assert seen.n == len(groups)


def test_clusters_of_one_are_no_clusters():
    a, b = noisy_pair(np.random.default_rng(1), 60)
    assert compare(a, b, clusters=[f"d{n:02}" for n in range(60)]) == compare(a, b)


def test_dependent_queries_widen_the_interval():
    rng = np.random.default_rng(4)
    labels = np.repeat(np.arange(12), 20)
    a, b = rng.normal(0, 0.2, 12)[labels] + rng.normal(0, 0.05, 240), np.zeros(240)
    naive, honest = compare(a, b), compare(a, b, clusters=labels)
    assert honest.high - honest.low > 2 * (naive.high - naive.low)
    assert honest.p > naive.p
    assert honest.n == 12


def test_one_query_says_nothing_about_spread():
    single = compare([0.5], [0.2])
    assert single.p == 1.0
    assert math.isnan(single.low)
    assert math.isnan(single.detectable)
    assert not single.non_inferior()


def test_a_single_moving_query_is_no_certainty():
    a = np.zeros(40)
    a[3] = 1.0
    seen = compare(a, np.zeros(40))
    assert seen.low < 0 < seen.difference < seen.high


def test_means_stay_between_the_ends_and_a_perfect_run_is_not_certain():
    perfect, worst, half = estimate_means(np.stack([np.ones(40), np.zeros(40), np.full(40, 0.5)], axis=1))
    assert 0.8 < perfect.low < perfect.mean == perfect.high == 1.0
    assert worst.low == worst.mean == 0.0 < worst.high < 0.2
    assert half.low < 0.5 < half.high
    assert math.isnan(estimate_means([[0.5]])[0].low)


def test_where_few_queries_differ_the_test_is_right_and_the_interval_careful():
    few = np.r_[np.full(9, 0.069), np.zeros(31)]
    found = compare(few, np.zeros(40), seed=0)
    assert found.p == 2 / 2**9
    assert found.low < 0 < found.high
    assert not compare(np.zeros(40), few, seed=0).worse
    random = np.random.default_rng(1)
    covered, rejected, rounds = 0, 0, 60
    for _ in range(rounds):
        drawn = random.choice(few, 40)
        own = compare(drawn, np.zeros(40), seed=0, draws=500)
        covered += own.low <= few.mean() <= own.high
        rejected += compare(drawn - few.mean(), np.zeros(40), seed=0, draws=500).p <= 0.05
    assert covered / rounds > 0.98
    assert rejected / rounds < 0.15


def test_holm_steps_down():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx((0.03, 0.06, 0.06, 0.02))
    assert holm([0.6, 0.9]) == (1.0, 1.0)
    assert holm([]) == ()
    assert holm([0.02, 0.02]) == pytest.approx((0.04, 0.04))


@given(st.lists(st.floats(0.0001, 1), min_size=1, max_size=12))
def test_holm_lies_between_raw_and_bonferroni_and_keeps_the_order(ps):
    adjusted = holm(ps)
    for raw, mended in zip(ps, adjusted, strict=True):
        assert raw <= mended <= min(1.0, raw * len(ps)) + 1e-12
    for (p, x), (q, y) in itertools.combinations(zip(ps, adjusted, strict=True), 2):
        assert (x <= y) or p > q


def test_detectable_and_needed_are_inverse():
    a, b = noisy_pair(np.random.default_rng(0), 100)
    seen = compare(a, b)
    assert seen.needed(seen.detectable) == 100
    assert seen.needed(seen.detectable / 2) == 400
    assert seen.detectable == pytest.approx(2.8 * float(np.std(a - b, ddof=1)) / 10, rel=0.03)


def test_non_inferior_is_about_the_lower_bound():
    assert Comparison(0.0, -0.009, 0.02, 0.5, 100, 0.03).non_inferior()
    assert not Comparison(0.0, -0.011, 0.02, 0.5, 100, 0.03).non_inferior()
    assert Comparison(0.0, -0.011, 0.02, 0.5, 100, 0.03).non_inferior(0.02)


def test_the_tied_group_holds_the_best_and_leaves_out_the_bad():
    rng = np.random.default_rng(0)
    base = skewed(rng, 200)
    matrix = np.stack(
        [base, base + rng.normal(0.05, 0.1, 200), base + rng.normal(0.05, 0.1, 200), base - 0.2], 1
    )
    group = tied_group(matrix)
    assert group.best in (1, 2)
    assert group.members == (1, 2)
    assert group.p[group.best] == 1.0
    assert group.p[3] < 0.001


@pytest.mark.parametrize(("a", "b"), [([], []), ([1, 2], [1]), ([1, float("nan")], [1, 2])])
def test_refuses_what_is_not_paired(a, b):
    with pytest.raises(TellapartError, match=r"paired|no query|finite"):
        compare(a, b)


def share(trials, of):
    return sum(of(np.random.default_rng([11, trial])) for trial in range(trials)) / trials


@pytest.mark.slow
@pytest.mark.parametrize("n", [50, 100, 200])
def test_intervals_cover_the_truth_on_skewed_zero_inflated_values(n):
    def covered(rng):
        a, b = noisy_pair(rng, n)
        seen = compare(a, b, draws=2000)
        return seen.low <= 0 <= seen.high

    assert 0.93 <= share(2000, covered) <= 0.97


@pytest.mark.slow
@pytest.mark.parametrize("n", [50, 200])
def test_intervals_cover_where_most_queries_answer_both_alike(n):
    # One query in fifty moves, by a rank or more, and more often up than down.
    def covered(rng):
        moved = rng.random(n) < 0.02
        differences = np.where(moved, np.where(rng.random(n) < 0.7, 0.5, -0.37), 0.0)
        seen = compare(differences, np.zeros(n), draws=1000)
        return seen.low <= 0.02 * (0.7 * 0.5 - 0.3 * 0.37) <= seen.high

    assert share(1000, covered) >= 0.93


@pytest.mark.slow
def test_intervals_cover_a_mean_of_skewed_values():
    def covered(rng):
        (seen,) = estimate_means(skewed(rng, 100)[:, None], draws=2000)
        return seen.low <= SKEWED_MEAN <= seen.high

    assert 0.93 <= share(2000, covered) <= 0.97


@pytest.mark.slow
def test_intervals_cover_when_queries_come_in_clusters():
    def covered(rng):
        labels = rng.integers(0, 60, 200)
        a = 0.3 * skewed(rng, 60)[labels] + 0.7 * skewed(rng, 200)
        (seen,) = estimate_means(a[:, None], clusters=labels, draws=2000)
        return seen.low <= SKEWED_MEAN <= seen.high

    assert 0.93 <= share(2000, covered) <= 0.97


@pytest.mark.slow
def test_five_percent_of_null_comparisons_are_rejected():
    def rejected(rng):
        return compare(*noisy_pair(rng, 60), draws=1000).p <= 0.05

    assert share(3000, rejected) == pytest.approx(0.05, abs=0.015)


@pytest.mark.slow
def test_holm_keeps_the_family_at_five_percent():
    def any_rejected(rng):
        matrix = np.stack([noisy_pair(rng, 60)[0] for _ in range(9)], axis=1)
        comparisons = compare_all(matrix[:, 1:], matrix[:, 0], draws=1000)
        return min(holm([one.p for one in comparisons])) <= 0.05

    # Two standard errors of the simulation itself are .008.
    assert share(3000, any_rejected) <= 0.058


@pytest.mark.slow
def test_a_difference_of_the_detectable_size_is_found_four_times_in_five():
    n = 150
    spread = float(np.std(np.subtract(*noisy_pair(np.random.default_rng(0), 200_000))))
    gain = POWER_FACTOR * spread / math.sqrt(n)

    def found(rng):
        a, b = noisy_pair(rng, n, gain)
        return compare(b, a, draws=1000).p <= 0.05

    assert share(2000, found) == pytest.approx(0.80, abs=0.04)


@pytest.mark.slow
def test_the_true_best_is_in_the_tied_group():
    gains = np.array([0.0, 0.0, 0.01, 0.02, 0.03])

    def inside(rng):
        base = skewed(rng, 120)
        matrix = np.stack([np.where(rng.random(120) < 0.4, skewed(rng, 120), base) for _ in gains], 1) + gains
        return 4 in tied_group(matrix, draws=1000).members

    assert share(2000, inside) >= 0.95
