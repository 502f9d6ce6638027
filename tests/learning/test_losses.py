"""Losses as modules in anybody's loop: torch's own cross-entropy is the oracle."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest

torch = pytest.importorskip("torch", reason="needs the extra train")

from tellapart.errors import TellapartError  # noqa: E402
from tellapart.learning import (  # noqa: E402
    ArcFace,
    Combined,
    CosFace,
    InfoNCE,
    NormFace,
    NTXent,
    ShardedSoftmax,
    Softmax,
    SphereFace,
    TripletLoss,
)
from tellapart.learning.centres.sgd import Sgd  # noqa: E402
from tellapart.learning.objectives.contrastive import info_nce, nt_xent  # noqa: E402
from tellapart.learning.objectives.margins import ArcFaceMargin  # noqa: E402
from tellapart.learning.objectives.triplets import batch_hard  # noqa: E402
from tellapart.learning.objectives.vectors import NotFiniteError  # noqa: E402

CLASSES, DIM, BATCH = 9, 8, 20
WITH_CENTRES = {
    "softmax": Softmax,
    "normface": NormFace,
    "cosface": CosFace,
    "arcface": ArcFace,
    "combined": Combined,
    "sphereface": SphereFace,
}
PAIRWISE = {
    "batch-hard": TripletLoss(),
    "batch-all": TripletLoss(0.2, mining="batch-all"),
    "semi-hard": TripletLoss(mining="semi-hard"),
    "infonce": InfoNCE(),
    "ntxent": NTXent(),
}


def batch(dtype=torch.float64):
    draw = torch.Generator().manual_seed(3)
    features = torch.randn(BATCH, DIM, generator=draw, dtype=torch.float64).to(dtype)
    return features, torch.randint(0, CLASSES, (BATCH,), generator=draw)


def every_loss():
    return {name: kind(CLASSES, DIM) for name, kind in WITH_CENTRES.items()} | PAIRWISE


def written_out(loss, features, labels):
    """Logits (B, classes) with the margin, as the papers write them."""
    plain = loss.logits(features)
    margin = loss.margin.annealed(0) if isinstance(loss, SphereFace) else loss.margin
    rows, columns = torch.arange(len(labels)), labels
    if isinstance(loss, Softmax):
        return plain
    lengths = (
        features.norm(dim=1) if margin.scale is None else torch.full((len(labels),), margin.scale).double()
    )
    cosines = plain[rows, columns] / lengths
    angles = torch.acos(cosines)
    if isinstance(loss, SphereFace):
        turns = (4 * angles / torch.pi).floor()
        psi = (-1) ** turns * torch.cos(4 * angles) - 2 * turns
        psi = (margin.annealing * cosines + psi) / (1 + margin.annealing)
    elif isinstance(loss, ArcFace):
        beyond = angles > torch.pi - 0.5
        psi = torch.where(beyond, cosines - 0.5 * math.sin(0.5), torch.cos(angles + 0.5))
    elif isinstance(loss, Combined):
        p = 0.3
        beyond = angles > torch.pi - p
        psi = torch.where(beyond, cosines - p * math.sin(p), torch.cos(angles + p)) - 0.2
    else:
        psi = cosines - (0.35 if isinstance(loss, CosFace) else 0)
    return plain.index_put((rows, columns), lengths * psi)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("name", WITH_CENTRES)
def test_reduction_weights_and_smoothing_are_those_of_torchs_cross_entropy(
    name, smoothing, weighted, reduction
):
    weight = torch.linspace(0.5, 2, CLASSES, dtype=torch.float64) if weighted else None
    loss = WITH_CENTRES[name](
        CLASSES, DIM, reduction=reduction, weight=weight, label_smoothing=smoothing
    ).double()
    features, labels = batch()
    features.requires_grad_()
    logits = written_out(loss, features, labels)
    expected = torch.nn.functional.cross_entropy(
        logits, labels, weight=weight, label_smoothing=smoothing, reduction=reduction
    )
    wanted = torch.autograd.grad(expected.sum(), [features, loss.centres])
    found = loss(features, labels)
    got = torch.autograd.grad(found.sum(), [features, loss.centres])
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)
    for one, other in zip(got, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("name", WITH_CENTRES)
def test_a_plain_loop_learns_and_predicts(name):
    loss = WITH_CENTRES[name](
        CLASSES, DIM, **({"scale": 16} if name not in ("softmax", "sphereface") else {})
    )
    features, labels = batch(torch.float32)
    features.requires_grad_()
    optimiser = torch.optim.Adam([features, *loss.parameters()], lr=0.1)
    for _ in range(60):
        optimiser.zero_grad()
        loss(features, labels).backward()
        optimiser.step()
    assert (loss.predict(features) == labels).all()
    assert loss.logits(features).shape == (BATCH, CLASSES)


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("name", every_loss())
def test_what_is_not_finite_is_refused_with_the_index_of_its_sample(name, value):
    features, labels = batch(torch.float32)
    features[13, 2] = value
    with pytest.raises(NotFiniteError, match="sample 13 of the batch") as error:
        every_loss()[name](features, labels)
    assert error.value.rows == (13,)
    with pytest.raises(NotFiniteError, match="sample 13"):
        ShardedSoftmax(CLASSES, DIM)(features, labels)


def test_a_large_finite_vector_is_no_fault():
    features, labels = batch(torch.float32)
    features[0] = 3e38
    assert torch.isfinite(NormFace(CLASSES, DIM)(features, labels))


@pytest.mark.parametrize("name", every_loss())
def test_autocast_does_not_change_a_loss(name):
    features, labels = batch(torch.float32)
    features.requires_grad_()
    loss = every_loss()[name]
    plain = loss(features, labels)
    expected = torch.autograd.grad(plain, features)[0]
    loss = every_loss()[name]
    with torch.autocast("cpu", torch.bfloat16):
        found = loss(features, labels)
        got = torch.autograd.grad(found, features)[0]
    assert found == plain
    assert torch.equal(got, expected)


@pytest.mark.parametrize("name", ["batch-hard", "infonce", "ntxent"])
def test_masks_are_made_on_the_features_device(name):
    features = torch.empty(BATCH, DIM, device="meta", requires_grad=True)
    labels = torch.empty(BATCH, dtype=torch.int64, device="meta")
    found = PAIRWISE[name](features, labels)
    assert found.device.type == "meta"
    assert torch.autograd.grad(found, features)[0].shape == features.shape
    assert nt_xent(features, features).device.type == "meta"


def test_pairwise_losses_are_their_functions():
    features, labels = batch()
    other = features.flip(1)
    assert InfoNCE(7.0, symmetric=True).pairs(features, other) == info_nce(
        features, other, scale=7.0, symmetric=True
    )
    assert TripletLoss(0.3)(features, labels) == batch_hard(features, labels, margin=0.3)
    views = torch.cat([features, other])
    own = torch.arange(BATCH).repeat(2)
    torch.testing.assert_close(NTXent()(views, own), NTXent().pairs(features, other))
    assert (InfoNCE().predict(features, features) == torch.arange(BATCH)).all()


@pytest.mark.parametrize("name", ["batch-hard", "infonce"])
def test_reductions_of_pairwise_losses_agree(name):
    features, labels = batch()
    labels[0] = 100  # nothing of its own: counts for nothing
    kind = {"batch-hard": TripletLoss, "infonce": InfoNCE}[name]
    mean, total, each = (kind(reduction=reduction)(features, labels) for reduction in ("mean", "sum", "none"))
    assert each[0] == 0
    torch.testing.assert_close(total, each.sum())
    torch.testing.assert_close(mean, each.sum() / (each != 0).sum())


def test_sharded_alone_is_arcface_and_steps_its_centres_in_the_backward_pass():
    features, labels = batch(torch.float32)
    whole, shard = ArcFace(CLASSES, DIM), ShardedSoftmax(CLASSES, DIM)
    with torch.no_grad():
        shard.centres.copy_(whole.centres)
    assert shard(features, labels) == whole(features, labels)
    assert torch.equal(shard.predict(features), whole.predict(features))
    torch.testing.assert_close(shard.logits(features), whole.logits(features))
    stepping = ShardedSoftmax(CLASSES, DIM, margin=ArcFaceMargin(), descent=Sgd(0.1))
    assert not list(stepping.parameters())
    before = stepping.shard.weight.clone()
    stepping(features.requires_grad_(), labels).backward()
    assert not torch.equal(before, stepping.shard.weight)


def test_mistakes_are_named():
    with pytest.raises(TellapartError, match="one centre for each class"):
        ArcFace(3, 4, sub_centres=2, label_smoothing=0.1)
    with pytest.raises(TellapartError, match="one number for each of 3 classes"):
        ArcFace(3, 4, weight=torch.ones(4))
    with pytest.raises(TellapartError, match="mean over its triplets only"):
        TripletLoss(mining="batch-all", reduction="sum")
    with pytest.raises(TellapartError, match="give mean or sum"):
        InfoNCE(symmetric=True, reduction="none").pairs(*batch()[:1], batch()[0])
    with pytest.raises(ValueError, match="median"):
        ArcFace(3, 4, reduction="median")


def test_margin_0_is_no_margin():
    features, labels = batch()
    plain = NormFace(CLASSES, DIM).double()
    for kind in (ArcFace, CosFace):
        torch.testing.assert_close(
            kind(CLASSES, DIM, margin=0.0).double()(features, labels), plain(features, labels)
        )


def test_the_room_is_imported_without_torch():
    code = (
        "import sys, tellapart.learning as l; assert 'ArcFace' in dir(l); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
