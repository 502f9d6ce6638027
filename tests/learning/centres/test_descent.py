"""Centres that step within the backward pass, against torch.optim.SGD and the rules for unsampled rows."""

import pytest

torch = pytest.importorskip("torch", reason="needs the extra 'train'")

from tellapart.errors import TellapartError  # noqa: E402
from tellapart.learning.centres.loss import sharded_softmax  # noqa: E402
from tellapart.learning.centres.sampling import Sampling  # noqa: E402
from tellapart.learning.centres.sgd import Sgd, UnsampledRule  # noqa: E402
from tellapart.learning.centres.shard import Shard  # noqa: E402
from tellapart.learning.centres.workers import Workers  # noqa: E402
from tellapart.learning.objectives.margins import ArcFaceMargin, CosFaceMargin, SubCentres  # noqa: E402
from tellapart.learning.objectives.softmax import margin_softmax  # noqa: E402

ALONE = Workers()


def batch(step, classes=40, size=8, dim=8):
    draw = torch.Generator().manual_seed(step)
    return torch.randn(size, dim, generator=draw), torch.randint(0, classes, (size,), generator=draw)


def shard_of(classes=40, dim=8, width=1):
    return Shard.drawn(classes, dim, ALONE, sub_centres=width)


@pytest.mark.parametrize("rule", list(UnsampledRule))
@pytest.mark.parametrize("momentum", [0.9, 0.0])
@pytest.mark.parametrize(
    "margin", [ArcFaceMargin(16), SubCentres(CosFaceMargin(16), 2)], ids=["arcface", "sub-centres"]
)
def test_with_all_classes_both_rules_are_torchs_sgd(rule, momentum, margin):
    shard = shard_of(width=margin.sub_centres)
    weight = shard.weight.clone().requires_grad_()
    optimiser = torch.optim.SGD([weight], lr=0.3, momentum=momentum, weight_decay=0.01)
    descent = Sgd(0.3, momentum=momentum, decay=0.01, rule=rule)
    for step in range(5):
        features, labels = batch(step)
        mine, theirs = features.clone().requires_grad_(), features.clone().requires_grad_()
        loss = sharded_softmax(mine, labels, shard, margin, ALONE, descent=descent, chunk=7)
        loss.backward()
        optimiser.zero_grad()
        margin_softmax(theirs, weight, labels, margin).backward()
        optimiser.step()
        torch.testing.assert_close(mine.grad, theirs.grad)
    torch.testing.assert_close(shard.weight, weight.detach(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("width", [1, 2])
def test_lazy_rows_that_were_not_sampled_stay_bit_for_bit(width):
    shard = shard_of(width=width)
    margin = CosFaceMargin(16) if width == 1 else SubCentres(CosFaceMargin(16), width)
    shard.momentum.normal_(generator=torch.Generator().manual_seed(1))
    before = shard.weight.clone(), shard.momentum.clone()
    features, labels = batch(0)
    sampling = Sampling(0.5)
    descent = Sgd(0.3, decay=0.1)
    sharded_softmax(
        features, labels, shard, margin, ALONE, sampling=sampling, step=4, descent=descent
    ).backward()
    classes = sampling.draw(labels.unique(), 40, rank=0, step=4).classes
    moved = torch.zeros(40, dtype=torch.bool)
    moved[classes] = True
    moved = moved.repeat_interleave(width)
    for old, new in zip(before, (shard.weight, shard.momentum), strict=True):
        assert torch.equal(old[~moved], new[~moved])
        assert (old[moved] != new[moved]).any(1).all()


def test_dense_rows_that_were_not_sampled_move_by_momentum_and_decay():
    shard = shard_of()
    shard.momentum.normal_(generator=torch.Generator().manual_seed(1))
    weight, velocity = shard.weight.clone(), shard.momentum.clone()
    features, labels = batch(0)
    sampling = Sampling(0.5)
    lazy_loss = sharded_softmax(
        features,
        labels,
        shard,
        CosFaceMargin(16),
        ALONE,
        sampling=sampling,
        descent=Sgd(0.3, decay=0.1, rule=UnsampledRule.DENSE),
    )
    lazy_loss.backward()
    classes = sampling.draw(labels.unique(), 40, rank=0, step=0).classes
    rest = torch.ones(40, dtype=torch.bool)
    rest[classes] = False
    expected = 0.9 * velocity[rest] + 0.1 * weight[rest]
    torch.testing.assert_close(shard.momentum[rest], expected)
    torch.testing.assert_close(shard.weight[rest], weight[rest] - 0.3 * expected)


def test_sampled_gradients_are_sparse_and_equal_the_softmax_over_the_sample():
    shard = shard_of()
    features, labels = batch(0)
    weight = shard.weight.clone().requires_grad_()
    shard.weight.requires_grad_()
    sampling = Sampling(0.5)
    got = sharded_softmax(features, labels, shard, CosFaceMargin(16), ALONE, sampling=sampling, chunk=3)
    got.backward()
    classes = sampling.draw(labels.unique(), 40, rank=0, step=0).classes
    expected = margin_softmax(
        features, weight[classes], torch.searchsorted(classes, labels), CosFaceMargin(16)
    )
    expected.backward()
    assert float(got.detach()) == pytest.approx(float(expected.detach()), rel=1e-6)
    assert shard.weight.grad.is_sparse
    assert len(shard.weight.grad.coalesce().values()) == 20
    torch.testing.assert_close(shard.weight.grad.to_dense(), weight.grad)


def test_a_sample_that_holds_every_class_equals_none():
    features, labels = torch.randn(40, 8, generator=torch.Generator().manual_seed(0)), torch.randperm(40)
    shard = shard_of()
    whole = sharded_softmax(features, labels, shard, ArcFaceMargin(), ALONE)
    assert torch.equal(
        sharded_softmax(features, labels, shard, ArcFaceMargin(), ALONE, sampling=Sampling(1.0)), whole
    )
    # the batch names all 40 classes, so that a rate of .5 must take them all
    assert torch.equal(
        sharded_softmax(features, labels, shard, ArcFaceMargin(), ALONE, sampling=Sampling(0.5)), whole
    )


def test_stepping_twice_through_one_loss_is_refused():
    features, labels = batch(0)
    shard = shard_of()
    loss = sharded_softmax(features.requires_grad_(), labels, shard, ArcFaceMargin(), ALONE, descent=Sgd())
    loss.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_settings_that_make_no_sense_are_refused():
    with pytest.raises(TellapartError, match="momentum"):
        Sgd(momentum=1)
    with pytest.raises(TellapartError, match="built with momentum"):
        Sgd().over(Shard.drawn(4, 2, ALONE, momentum=False))
