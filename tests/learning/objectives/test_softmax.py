"""The chunked loss against the plain formula of torch, and against its own numerical derivative."""

from functools import partial

import pytest

torch = pytest.importorskip("torch", reason="needs the extra 'train'")
F = torch.nn.functional

from tellapart.errors import TellapartError  # noqa: E402
from tellapart.learning.losses import MarginSoftmax  # noqa: E402
from tellapart.learning.objectives.margins import (  # noqa: E402
    ArcFaceMargin,
    CombinedMargin,
    CosFaceMargin,
    Gradient,
    NoMargin,
    ScaledCosine,
    SphereFaceMargin,
    SubCentres,
)
from tellapart.learning.objectives.softmax import margin_softmax  # noqa: E402

MARGINS = [
    NoMargin(),
    ScaledCosine(16),
    CosFaceMargin(16),
    ArcFaceMargin(16),
    ArcFaceMargin(16, gradient=Gradient.DETACHED),
    CombinedMargin(16),
    CombinedMargin(16, 0.9, 0.4, 0.15),
    SphereFaceMargin(),
    SubCentres(ArcFaceMargin(16), 3),
    SubCentres(NoMargin(), 2),
]


def plain(features, weight, labels, margin):
    """All logits in one array and torch's own derivative, but for the margin's slope."""
    directions = F.normalize(features) if margin.unit_centres else features
    centres = F.normalize(weight) if margin.unit_centres else weight
    length = 1.0
    if margin.scale is not None:
        length = margin.scale
    elif margin.unit_centres:
        length = features.norm(dim=1, keepdim=True)
    cosines = (directions @ centres.T).view(len(features), -1, margin.sub_centres).amax(2)
    own = cosines.gather(1, labels[:, None])
    target = margin.target(own.detach())
    psi = target.value + target.slope * (own - own.detach())
    return F.cross_entropy(length * cosines.scatter(1, labels[:, None], psi), labels)


def drawn(margin, classes=50, batch=6, dim=16, dtype=torch.float64, seed=0):
    draw = torch.Generator().manual_seed(seed)
    features = torch.randn(batch, dim, dtype=dtype, generator=draw, requires_grad=True)
    weight = torch.randn(classes * margin.sub_centres, dim, dtype=dtype, generator=draw, requires_grad=True)
    return features, weight, torch.randint(0, classes, (batch,), generator=draw)


def relative(got, expected):
    return float((got.detach() - expected.detach()).abs().max() / expected.detach().abs().max())


@pytest.mark.parametrize("margin", MARGINS, ids=repr)
@pytest.mark.parametrize(("dtype", "least"), [(torch.float64, 1e-10), (torch.float32, 1e-6)])
@pytest.mark.parametrize("chunk", [1, 7, 50])
def test_chunks_equal_the_plain_formula(margin, dtype, least, chunk):
    features, weight, labels = drawn(margin, dtype=dtype)
    expected = plain(features, weight, labels, margin)
    got = margin_softmax(features, weight, labels, margin, chunk=chunk)
    assert relative(got, expected) < least
    pairs = zip(
        torch.autograd.grad(got, (features, weight)),
        torch.autograd.grad(expected, (features, weight)),
        strict=True,
    )
    assert all(relative(ours, theirs) < least for ours, theirs in pairs)


@pytest.mark.parametrize(
    "margin",
    [
        NoMargin(),
        ScaledCosine(),
        CosFaceMargin(),
        ArcFaceMargin(),
        CombinedMargin(),
        SphereFaceMargin(),
        SubCentres(ArcFaceMargin()),
    ],
)
@pytest.mark.parametrize("noise", [None, 2.0, 1.2], ids=["random", "learning", "learnt"])
def test_float32_keeps_its_digits_at_scale_64(margin, noise):
    """Chunks agree with each other and with the plain formula in float64; that formula in float32 may not."""
    features, weight, labels = drawn(margin, classes=300, batch=32, dim=128, dtype=torch.float32)
    with torch.no_grad():
        if noise is not None:
            features.mul_(noise).add_(weight[labels * margin.sub_centres])
        weight.div_(128**0.5)

    def results(objective, dtype):
        inputs = [tensor.detach().to(dtype).requires_grad_() for tensor in (features, weight)]
        loss = objective(*inputs, labels, margin)
        return [loss.detach(), *torch.autograd.grad(loss, inputs)]

    truth = results(plain, torch.float64)
    for chunk in (1, 7, 300):
        ours = results(partial(margin_softmax, chunk=chunk), torch.float32)
        assert all(relative(mine, true) < 1e-6 for mine, true in zip(ours, truth, strict=True))


@pytest.mark.parametrize("margin", [m for m in MARGINS if getattr(m, "gradient", "") != "detached"], ids=repr)
def test_gradcheck(margin):
    features, weight, labels = drawn(margin, classes=5, batch=3, dim=4, seed=3)
    assert torch.autograd.gradcheck(
        lambda x, w: margin_softmax(x, w, labels, margin, chunk=2), (features, weight), atol=1e-6
    )


@pytest.mark.parametrize("margin", MARGINS, ids=repr)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16, torch.float64])
def test_a_sample_on_its_centre_or_opposite_leaves_all_finite(margin, dtype):
    weight = F.normalize(torch.randn(9 * margin.sub_centres, 8, generator=torch.Generator().manual_seed(1)))
    weight = weight.to(dtype).requires_grad_()
    width = margin.sub_centres
    features = torch.stack([weight[0], -weight[width], weight[2 * width]]).detach().requires_grad_()
    loss = margin_softmax(features, weight, torch.tensor([0, 1, 2]), margin)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(features.grad).all()
    assert torch.isfinite(weight.grad).all()
    assert features.grad.dtype == weight.grad.dtype == dtype


def test_zero_vectors_stay_finite():
    features, weight = torch.zeros(2, 4, requires_grad=True), torch.zeros(3, 4, requires_grad=True)
    for margin in MARGINS[:4]:
        loss = margin_softmax(features, weight, torch.tensor([0, 2]), margin)
        loss.backward()
        assert torch.isfinite(loss)
        assert torch.isfinite(features.grad).all()
        assert torch.isfinite(weight.grad).all()


def test_low_precision_inputs_cost_only_their_own_rounding():
    features, weight, labels = drawn(ArcFaceMargin(), dtype=torch.float32)
    for dtype in (torch.bfloat16, torch.float16):
        low, low_weight = features.detach().to(dtype), weight.detach().to(dtype)
        got = margin_softmax(low, low_weight, labels, ArcFaceMargin())
        expected = margin_softmax(low.double(), low_weight.double(), labels, ArcFaceMargin())
        assert got.dtype == torch.float32
        assert float(got) == pytest.approx(float(expected), rel=1e-5)
        low_weight.requires_grad_()
        (ours,) = torch.autograd.grad(
            margin_softmax(low, low_weight, labels, ArcFaceMargin(), chunk=7), low_weight
        )
        (theirs,) = torch.autograd.grad(
            plain(low.double(), low_weight.double(), labels, ArcFaceMargin()), low_weight
        )
        assert relative(ours.double(), theirs.double()) < 1e-2


def test_huge_logits_give_the_true_loss():
    features = torch.tensor([[1e4, 0.0]], dtype=torch.float64)
    weight = torch.tensor([[1.0, 0], [-1, 0]], dtype=torch.float64)
    got = margin_softmax(features, weight, torch.tensor([1]), NoMargin(), chunk=1)
    assert float(got) == float(F.cross_entropy(features @ weight.T, torch.tensor([1]))) == 2e4


def test_the_loss_is_not_clamped_at_69():
    weight = torch.tensor([[1.0, 0], [-1, 0]])
    loss = margin_softmax(torch.tensor([[1.0, 0]]), weight, torch.tensor([1]), ScaledCosine(64))
    assert float(loss) == pytest.approx(128)


def test_inputs_are_left_as_they_are():
    features, weight, labels = drawn(ArcFaceMargin())
    before = features.detach().clone(), weight.detach().clone(), labels.clone()
    margin_softmax(features, weight, labels, ArcFaceMargin(), chunk=7).backward()
    assert all(torch.equal(a, b) for a, b in zip(before, (features, weight, labels), strict=True))


def test_backward_twice_gives_the_same():
    features, weight, labels = drawn(ArcFaceMargin())
    loss = margin_softmax(features, weight, labels, ArcFaceMargin(), chunk=7)
    first = torch.autograd.grad(loss, (features, weight), retain_graph=True)
    again = torch.autograd.grad(loss, (features, weight))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))


def test_labels_above_16_777_216_are_kept_apart():
    weight = torch.zeros(16_777_218, 1)
    weight[16_777_217] = 1
    features = torch.ones(1, 1)
    right = margin_softmax(features, weight, torch.tensor([16_777_217]), NoMargin())
    wrong = margin_softmax(features, weight, torch.tensor([16_777_216]), NoMargin())
    assert float(wrong - right) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize(
    ("labels", "word"), [(torch.tensor([0.0]), "int64"), (torch.tensor([9]), "9"), (torch.tensor([-1]), "-1")]
)
def test_labels_that_are_no_classes_are_refused(labels, word):
    with pytest.raises(TellapartError, match=word):
        margin_softmax(torch.ones(1, 2), torch.ones(3, 2), labels, ScaledCosine())


def test_an_empty_batch_costs_nothing():
    features = torch.ones(0, 2, requires_grad=True)
    loss = margin_softmax(features, torch.ones(3, 2), torch.zeros(0, dtype=torch.int64), ScaledCosine())
    assert loss.item() == 0


@pytest.mark.parametrize("margin", MARGINS, ids=repr)
def test_a_head_learns_to_tell_apart(margin):
    draw = torch.Generator().manual_seed(0)
    prototypes = torch.randn(10, 8, generator=draw)
    labels = torch.arange(10).repeat(6)
    features = prototypes[labels] + 0.3 * torch.randn(60, 8, generator=draw)
    head = MarginSoftmax(10, 8, margin=margin)
    optimiser = torch.optim.SGD(head.parameters(), lr=0.5, momentum=0.9)
    for _ in range(80):
        optimiser.zero_grad()
        head(features, labels).backward()
        optimiser.step()
    centres = head.centres if margin.unit_centres is False else F.normalize(head.centres)
    scores = (features @ centres.T).view(60, 10, -1).amax(2)
    assert (scores.argmax(1) == labels).float().mean() > 0.95


def test_detached_arcface_differs_from_exact_by_what_the_literature_hides():
    features, weight, labels = drawn(ArcFaceMargin(), dim=64, classes=100, batch=32)
    exact, detached = (
        torch.autograd.grad(
            margin_softmax(features, weight, labels, ArcFaceMargin(gradient=gradient)), weight
        )[0]
        for gradient in Gradient
    )
    assert 0.03 < relative(detached, exact) < 0.5
