"""Triplet losses against three loops."""

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="needs the extra 'train'")

from tellapart.learning.objectives.triplets import Average, batch_all, batch_hard, semi_hard  # noqa: E402


def triplets(labels):
    count = len(labels)
    for a, p, n in itertools.product(range(count), repeat=3):
        if a != p and labels[a] == labels[p] and labels[a] != labels[n]:
            yield a, p, n


def distance(points, a, b):
    return math.dist(points[a], points[b])


def penalty(gap, margin):
    return math.log1p(math.exp(gap)) if margin is None else max(0.0, gap + margin)


def loop_all(points, labels, margin, average):
    losses = [
        penalty(distance(points, a, p) - distance(points, a, n), margin) for a, p, n in triplets(labels)
    ]
    count = len(losses) if average is Average.ALL else sum(loss > 0 for loss in losses)
    return sum(losses) / max(1, count)


def loop_hard(points, labels, margin):
    losses = []
    for anchor in range(len(labels)):
        own = [(p, n) for a, p, n in triplets(labels) if a == anchor]
        if own:
            far = max(distance(points, anchor, p) for p, _ in own)
            near = min(distance(points, anchor, n) for _, n in own)
            losses.append(penalty(far - near, margin))
    return sum(losses) / max(1, len(losses))


def loop_semi_hard(points, labels, margin):
    unit = [[value / math.hypot(*point) for value in point] for point in points]
    losses = []
    for a, p in sorted({(a, p) for a, p, _ in triplets(labels)}):
        near = distance(unit, a, p) ** 2
        far = [distance(unit, a, n) ** 2 for x, y, n in triplets(labels) if (x, y) == (a, p)]
        window = [value for value in far if near < value < near + margin]
        if window:
            losses.append(penalty(near - min(window), margin))
    return sum(losses) / max(1, len(losses))


CASES = {
    "all": (lambda x, y: batch_all(x, y), lambda x, y: loop_all(x, y, 0.2, Average.ALL)),
    "all, violating": (
        lambda x, y: batch_all(x, y, average=Average.VIOLATING),
        lambda x, y: loop_all(x, y, 0.2, Average.VIOLATING),
    ),
    "all, soft": (lambda x, y: batch_all(x, y, margin=None), lambda x, y: loop_all(x, y, None, Average.ALL)),
    "hard, soft": (lambda x, y: batch_hard(x, y), lambda x, y: loop_hard(x, y, None)),
    "hard": (lambda x, y: batch_hard(x, y, margin=0.3), lambda x, y: loop_hard(x, y, 0.3)),
    "semi-hard": (lambda x, y: semi_hard(x, y), lambda x, y: loop_semi_hard(x, y, 0.2)),
    "semi-hard, wide": (lambda x, y: semi_hard(x, y, margin=1.5), lambda x, y: loop_semi_hard(x, y, 1.5)),
}


def points_of(size, seed):
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(size, 3, dtype=torch.float64, generator=draw)


@pytest.mark.parametrize("name", CASES)
@given(labels=st.lists(st.integers(0, 3), min_size=1, max_size=10), seed=st.integers(0, 99))
@settings(max_examples=25, deadline=None)
def test_equal_to_three_loops(name, labels, seed):
    ours, loops = CASES[name]
    points = points_of(len(labels), seed)
    assert float(ours(points, torch.tensor(labels))) == pytest.approx(
        loops(points.tolist(), labels), abs=1e-9
    )


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("labels", [[0], [0, 0, 0], [0, 1, 2]], ids=["one", "one class", "singletons"])
def test_without_a_triplet_loss_and_gradient_are_0(name, labels):
    points = points_of(len(labels), 0).requires_grad_()
    loss = CASES[name][0](points, torch.tensor(labels))
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(points.grad, torch.zeros_like(points))


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_identical_points_stay_finite(name, dtype):
    points = torch.ones(6, 4, dtype=dtype, requires_grad=True)
    loss = CASES[name][0](points, torch.tensor([0, 0, 1, 1, 2, 2]))
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(points.grad).all()


@pytest.mark.parametrize("name", CASES)
def test_the_order_of_the_batch_does_not_matter(name):
    points, labels = points_of(12, 5), torch.tensor([0, 1, 2, 3] * 3)
    points[6] = points[2]  # a duplicate across nothing, and ties
    order = torch.randperm(12, generator=torch.Generator().manual_seed(1))
    first, second = points.clone().requires_grad_(), points[order].clone().requires_grad_()
    one, other = CASES[name][0](first, labels), CASES[name][0](second, labels[order])
    one.backward()
    other.backward()
    assert float(one) == pytest.approx(float(other), abs=1e-12)
    torch.testing.assert_close(first.grad[order], second.grad, atol=1e-12, rtol=0)


@pytest.mark.parametrize("name", CASES)
def test_gradcheck(name):
    labels = torch.tensor([0, 0, 1, 1, 2, 2, 0])
    assert torch.autograd.gradcheck(lambda x: CASES[name][0](x, labels), points_of(7, 4).requires_grad_())


@pytest.mark.parametrize("name", CASES)
def test_memory_grows_with_the_square_of_the_batch(name, tmp_path):
    kept = []
    size = 96
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t.numel()) or t, lambda t: t):
        CASES[name][0](points_of(size, 1).requires_grad_(), torch.arange(size) % 4)
    assert max(kept) <= size * size
    assert sum(kept) < 20 * size * size
