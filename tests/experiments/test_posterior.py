"""What is learned of other collections, what judged queries add, and when the default is left."""

from __future__ import annotations

import numpy as np
import pytest

from tellapart.corpus.document import Granularity
from tellapart.engine.configuration import Configuration
from tellapart.experiments.posterior.choice import RISK, choose, contend, expected_gains
from tellapart.experiments.posterior.evidence import Rival, Weighed, mean_and_error
from tellapart.experiments.posterior.fitting import MeasuredArms, fit, with_encoder
from tellapart.experiments.posterior.model import (
    COEFFICIENTS,
    ArmFeatures,
    GainModel,
    GainPosterior,
    load_models,
    scale_nodes,
)
from tellapart.experiments.posterior.moves import BASIS, class_of, distance, move
from tellapart.rankers.registry import Parameters

PROSE, WHOLE, CODE = (Granularity.PARAGRAPH,), (Granularity.DOCUMENT,), (Granularity.FUNCTION,)


def hybrid(weight=None, encoder="minilm", levels=PROSE):
    return Configuration(encoder, levels, "hybrid", Parameters(weight=weight))


def words(levels=PROSE, **parameters):
    return Configuration(None, levels, "bm25", Parameters(**parameters))


@pytest.mark.parametrize(
    ("origin", "target", "moved"),
    [
        (hybrid(), words(), {"words": 0.7, "words squared": 0.49}),
        (hybrid(), hybrid(0.9), {"vectors": 0.2}),
        (hybrid(), Configuration("minilm", PROSE, "svm"), {"vectors": 0.3, "svm": 1}),
        (hybrid(levels=CODE), words(CODE), {"words": 0.9, "words squared": 0.81}),
        (hybrid(), hybrid(levels=WHOLE), {"units": 1}),
        (hybrid(), words(k1=0.9, b=0.4), {"words": 0.7, "words squared": 0.49, "bm25": 1}),
        (hybrid(), hybrid(0.7, encoder="lsa"), {"encoder": 0.7}),
        (hybrid(), hybrid(encoder="lsa"), {"encoder": 0.5, "words": 0.2, "words squared": 0.04}),
        (hybrid(), hybrid(encoder="hub:a/b"), {"encoder": 0.7, "other": 1}),
        (hybrid(), Configuration("minilm", PROSE, "hybrid", Parameters(rerank="x")), {"other": 1}),
        (hybrid(), Configuration("minilm", PROSE, "structure"), {"other": 1}),
    ],
)
def test_how_configurations_differ(origin, target, moved):
    found = dict(zip(BASIS, move(origin, target).tolist(), strict=True))
    assert {name: value for name, value in found.items() if value} == pytest.approx(moved)
    assert distance(move(origin, target)[None])[0] > 0


def test_kinds_of_default():
    assert class_of(hybrid()) == "prose"
    assert class_of(hybrid(encoder="lsa", levels=CODE)) == "untrained code"
    assert class_of(hybrid(levels=(Granularity.PARAGRAPH, Granularity.FUNCTION))) == "prose"


def features(synthetic=None):
    rivals = [
        words(),
        Configuration("minilm", PROSE, "knn"),
        hybrid(0.1),
        hybrid(0.3),
        hybrid(0.5),
        hybrid(0.9),
    ]
    moves = np.array([move(hybrid(), rival) for rival in rivals])
    return ArmFeatures.of(moves, distance(moves), code=False, untrained=False, synthetic=synthetic)


def planted(random, count, slope=0.5, spread=0.05):
    """Collections of which the gains are half of what synthetic queries show, and vary in the share of words."""
    found = []
    for number in range(count):
        arms = features(random.normal(0, 0.1, 6))
        gains = slope * arms.means[:, COEFFICIENTS.index("synthetic")]
        gains = gains + 0.1 * arms.means[:, 0] + arms.varying[:, 0] * random.normal(0, spread) * 3
        gains = gains + random.normal(0, 0.01, 6) * np.sqrt(arms.distances)
        noise = np.eye(6) * 0.005**2
        found.append(
            MeasuredArms(f"c{number}", arms, gains + random.normal(0, 0.005, 6), noise, np.eye(6) * 0.04)
        )
    return found


def test_fitting_finds_what_was_planted():
    model = fit(planted(np.random.default_rng(0), 60))
    at = dict(zip(COEFFICIENTS, model.coefficients.tolist(), strict=True))
    assert at["synthetic"] == pytest.approx(0.5, abs=0.08)
    assert 0.05 < model.spreads[0] < 0.3
    assert model.rest < 0.05
    assert len(model.collections) == 60


def test_another_encoder_is_learned_and_nothing_else_changes():
    random = np.random.default_rng(4)
    model = fit(planted(random, 20))
    changed = []
    for number, loss in enumerate(random.normal(-0.1, 0.05, 40)):
        moves = np.array([move(hybrid(), each) for each in (hybrid(0.7, "lsa"), hybrid(0.3, "lsa"))])
        arms = ArmFeatures.of(moves, distance(moves), code=False, untrained=False)
        gains = arms.means @ model.coefficients + loss * moves[:, BASIS.index("encoder")]
        changed.append(MeasuredArms(f"c{number}", arms, gains, np.eye(2) * 1e-6, np.eye(2)))
    learned = with_encoder(model, changed)
    at = COEFFICIENTS.index("encoder")
    assert learned.coefficients[at] == pytest.approx(-0.1, abs=0.03)
    assert np.sqrt(learned.covariance[at, at]) == pytest.approx(0.05 / np.sqrt(40), rel=0.3)
    assert 0.02 < learned.spreads[BASIS.index("encoder")] < 0.06
    others = np.delete(np.arange(len(COEFFICIENTS)), [at, COEFFICIENTS.index("code encoder")])
    assert learned.coefficients[others] == pytest.approx(model.coefficients[others])


def test_few_collections_leave_the_coefficients_unsure():
    few, many = (fit(planted(np.random.default_rng(1), count)) for count in (4, 40))
    assert np.diagonal(few.covariance)[0] > 2 * np.diagonal(many.covariance)[0]


def test_intervals_of_collections_left_out_cover_what_they_say():
    random = np.random.default_rng(2)
    model = fit(planted(random, 40))
    inside = []
    for each in planted(random, 200):
        posterior = model.prior(each.arms)
        low, high = posterior.quantile(0.05), posterior.quantile(0.95)
        inside.append(((each.gains > low) & (each.gains < high)).mean())
    assert 0.8 < np.mean(inside) < 0.98


def test_words_gain_where_words_and_vectors_find_other_things():
    model = load_models().synthetic

    def expected(agreement):
        moves = move(hybrid(), hybrid(0.5))[None]
        shown = {"synthetic": np.array([0.05]), "noise": np.eye(1) * 0.01**2, "agreement": agreement}
        arms = ArmFeatures.of(moves, distance(moves), code=False, untrained=False, **shown)
        return model.prior(arms).expected[0]

    assert expected(0.15) > 0.01 > expected(0.68) == expected(None)


def test_judged_queries_take_over():
    model = load_models().alone
    arms = features()
    prior = model.prior(arms)
    gains = np.array([-0.2, 0.1, 0.0, 0.0, 0.05, 0.02])
    errors = model.error_of_a_query(arms)
    few, many = (prior.given(gains, errors / count) for count in (5, 50_000))
    assert many.expected == pytest.approx(gains, abs=0.01)
    assert (many.deviations.max(axis=0) < few.deviations.max(axis=0)).all()
    assert (few.deviations.mean(axis=0) <= prior.deviations.mean(axis=0) * 1.5).all()
    between = (few.expected - prior.expected) * (gains - prior.expected)
    assert between.sum() > 0, "five queries pull towards what they show"


def test_a_posterior_is_a_mixture_of_normals():
    posterior = GainPosterior(np.array([0.5, 0.5]), np.zeros((2, 1)), np.array([[[0.01]], [[0.04]]]))
    assert posterior.below(0.0)[0] == pytest.approx(0.5)
    assert posterior.below(posterior.quantile(0.9))[0] == pytest.approx(0.9, abs=1e-6)
    assert len(scale_nodes()) == 9
    assert (np.diff(scale_nodes()) > 0).all()
    two = GainPosterior(np.ones(1), np.array([[0.1, 0.3]]), np.array([[[0.04, 0.03], [0.03, 0.04]]]))
    against = two.against(0)
    assert against.means[0].tolist() == pytest.approx([0, 0.2])
    assert against.covariances[0, 1, 1] == pytest.approx(0.02)


def weighed(means, deviations, correlation=0.0):
    means, deviations = np.array(means), np.array(deviations)
    covariance = np.outer(deviations, deviations) * (np.eye(len(means)) * (1 - correlation) + correlation)
    rivals = tuple(Rival(f"arm {place}", 0, words()) for place in range(len(means)))
    return Weighed(rivals, GainPosterior(np.ones(1), means[None], covariance[None]), 100, 0)


def test_the_default_is_left_only_for_what_hardly_ever_loses():
    assert choose(weighed([0.05], [0.02]), "default").choice == "arm 0"
    risky = choose(weighed([0.05], [0.06]), "default")
    assert risky.choice == "default"
    assert risky.rival == "arm 0"
    assert risky.ahead.loss > RISK
    assert choose(weighed([-0.005], [0.001]), "default").choice == "default"


def test_the_default_stays_where_there_is_nothing_to_win():
    assert choose(weighed([0.003], [0.002]), "default").choice == "default"
    assert choose(weighed([0.012], [0.002]), "default").choice == "arm 0"


def test_the_cheapest_that_is_as_good_is_taken():
    assert choose(weighed([0.095, 0.1], [0.02, 0.02], 0.99), "default").choice == "arm 0"
    assert choose(weighed([0.05, 0.1], [0.02, 0.02], 0.99), "default").choice == "arm 1"
    assert choose(weighed([0.095, 0.1], [0.02, 0.02], 0.99), "default").as_good == 2


def contenders(means, deviations, correlation=0.0, chosen=None):
    made = weighed(means, deviations, correlation)
    found = contend(made.rivals, made.posterior, ("default", hybrid()), chosen)
    assert sum(each.best for each in found) == pytest.approx(1)
    return {each.name: each.best for each in found}


def test_what_may_be_best_is_judged_and_what_is_surely_worse_is_not():
    assert list(contenders([-0.5, 0.01, -0.02], [0.01, 0.05, 0.05])) == ["default", "arm 1", "arm 2"]
    alike = np.array([[0.01, 0.00999, 0.0], [0.00999, 0.01, 0.0], [0.0, 0.0, 0.0025]])
    twins = GainPosterior(np.ones(1), np.array([[0.02, 0.019, -0.02]]), alike[None])
    rivals = weighed([0.0] * 3, [1.0] * 3).rivals
    found = [each.name for each in contend(rivals, twins, ("default", hybrid()))]
    assert found == ["default", "arm 0", "arm 2"], "of two that gain together one is enough"


def test_an_encoder_that_knows_the_corpus_alone_comes_after_a_trained_one():
    arms = [
        words(),
        Configuration("minilm", PROSE, "knn"),
        Configuration("lsa", PROSE, "knn"),
        hybrid(encoder="lsa"),
    ]
    rivals = tuple(Rival(each.name, 0, each) for each in arms)
    moves = np.array([move(hybrid(), each) for each in arms])
    prior = load_models().alone.prior(ArmFeatures.of(moves, distance(moves), code=False, untrained=False))
    first, *others = contend(rivals, prior, ("default", hybrid()))
    assert first.name == "default"
    assert others[0].configuration.encoder == "minilm"
    assert all(each.best < others[0].best for each in others[1:])


def test_what_was_chosen_is_judged_too():
    assert list(contenders([0.2, 0.3], [0.01, 0.01], chosen=0))[:2] == ["default", "arm 0"]
    assert contenders([0.2], [0.01], chosen=0)["arm 0"] > 0.99


def test_gains_are_summed_up_in_order():
    (gain,) = expected_gains(weighed([0.02], [0.03]).posterior)
    assert gain.low < gain.half[0] < gain.expected < gain.half[1] < gain.high
    assert 0.7 < gain.better < 0.8
    assert gain.loss == pytest.approx(0.1587, abs=1e-3)


def test_errors_of_means_count_clusters_and_lean_on_what_is_expected():
    random = np.random.default_rng(3)
    differences = random.normal(0, 0.2, (400, 2))
    mean, error = mean_and_error(differences, [str(n) for n in range(400)])
    assert mean == pytest.approx(differences.mean(axis=0))
    assert error == pytest.approx(np.cov(differences.T) / 400, rel=0.01)
    _, doubled = mean_and_error(np.repeat(differences, 2, axis=0), [str(n // 2) for n in range(800)])
    assert doubled == pytest.approx(error, rel=0.01)
    _, of_one = mean_and_error(differences[:1], ["a"], np.eye(2) * 0.09)
    assert np.diagonal(of_one) == pytest.approx(0.09)


def test_what_is_packaged_can_be_read_and_written():
    for model in (load_models().synthetic, load_models().alone):
        again = GainModel.decode(model.encode())
        assert again.coefficients == pytest.approx(model.coefficients, rel=1e-3)
        assert len(model.collections) >= 10
