"""GradCache: the gradients of the big batch, from parts, dropout included."""

import pytest

torch = pytest.importorskip("torch", reason="needs the extra 'train'")

from tellapart.learning.objectives.cached import Tower, cached_backward  # noqa: E402
from tellapart.learning.objectives.contrastive import info_nce, nt_xent  # noqa: E402
from tellapart.learning.objectives.matryoshka import Matryoshka  # noqa: E402


def model(dropout=0.5):
    torch.manual_seed(0)
    layers = torch.nn.Linear(6, 16), torch.nn.Dropout(dropout), torch.nn.Tanh(), torch.nn.Linear(16, 8)
    return torch.nn.Sequential(*layers).double()


def gradients(network):
    return [parameter.grad.clone() for parameter in network.parameters()]


OBJECTIVES = {
    "info_nce": info_nce,
    "symmetric": lambda a, b: info_nce(a, b, symmetric=True),
    "nt_xent": nt_xent,
    "matryoshka": Matryoshka(info_nce, (8, 4), (1.0, 0.3)),
}


@pytest.mark.parametrize("name", OBJECTIVES)
def test_parts_give_the_gradients_of_the_whole_batch_with_dropout_and_an_odd_last_part(name):
    draw = torch.Generator().manual_seed(1)
    first, second = torch.randn(11, 6, generator=draw).double(), torch.randn(11, 6, generator=draw).double()
    network = model()
    torch.manual_seed(5)
    got = cached_backward(OBJECTIVES[name], Tower(network, first.split(4)), Tower(network, second.split(4)))
    after = torch.rand(1)
    cached = gradients(network)
    network.zero_grad()
    torch.manual_seed(5)
    # the same draws in the same order, with the whole graph in memory
    whole = [torch.cat([network(part) for part in side.split(4)]) for side in (first, second)]
    expected = OBJECTIVES[name](*whole)
    assert torch.equal(torch.rand(1), after)
    expected.backward()
    assert float(got) == pytest.approx(float(expected.detach()), rel=1e-12)
    for mine, theirs in zip(cached, gradients(network), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-10, atol=1e-12)


def test_accumulating_gradients_is_not_a_bigger_batch():
    side = torch.randn(8, 6, generator=torch.Generator().manual_seed(1)).double()
    network = model(dropout=0.0)
    cached_backward(info_nce, Tower(network, side.split(4)), Tower(network, side.flip(1).split(4)))
    cached = gradients(network)
    network.zero_grad()
    for part in side.split(4):
        (info_nce(network(part), network(part.flip(1))) / 2).backward()
    assert any(not torch.allclose(a, b, rtol=0.05) for a, b in zip(cached, gradients(network), strict=True))


def test_a_frozen_tower_takes_no_part():
    side = torch.randn(4, 6, generator=torch.Generator().manual_seed(1)).double()
    network = model()
    cached_backward(
        info_nce, Tower(network, side.split(3)), Tower(lambda part: part[:, :1].repeat(1, 8), [side])
    )
    assert all((gradient != 0).any() for gradient in gradients(network))
