"""Which classes take part: always the batch's, uniformly the rest, in time that follows the sample."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="needs the extra 'train'")

from tellapart.errors import TellapartError  # noqa: E402
from tellapart.learning.centres.loss import sharded_softmax  # noqa: E402
from tellapart.learning.centres.sampling import Sampling, distinct  # noqa: E402
from tellapart.learning.centres.shard import Shard  # noqa: E402
from tellapart.learning.centres.workers import Workers  # noqa: E402
from tellapart.learning.objectives.margins import CosFaceMargin, ScaledCosine, SubCentres  # noqa: E402


@given(st.integers(1, 300), st.floats(0.01, 1), st.sets(st.integers(0, 299)), st.integers(0, 5))
def test_a_sample_holds_all_positives_and_fills_up_to_its_size(held, rate, wanted, step):
    positives = torch.tensor(sorted(value for value in wanted if value < held), dtype=torch.int64)
    classes = Sampling(rate).draw(positives, held, rank=0, step=step).classes
    assert len(classes) == max(len(positives), int(rate * held))
    assert set(positives.tolist()) <= set(classes.tolist())
    assert (classes.diff() > 0).all()
    assert not len(classes) or 0 <= classes[0] <= classes[-1] < held


@given(st.integers(0, 200), st.integers(0, 200), st.integers(0, 9))
def test_distinct_numbers(total, size, seed):
    size = min(size, total)
    found = distinct(total, size, np.random.default_rng(seed))
    assert len(found) == size == len(set(found.tolist()))
    assert all(0 <= value < total for value in found)


@pytest.mark.parametrize("size", [2, 4])
def test_every_subset_is_equally_likely(size):
    draw = np.random.default_rng(0)
    rounds = 3_000
    seen: dict[tuple[int, ...], int] = {}
    for _ in range(rounds):
        key = tuple(distinct(7, size, draw).tolist())
        seen[key] = seen.get(key, 0) + 1
    subsets = math.comb(7, size)
    assert len(seen) == subsets
    expected = rounds / subsets
    chi_square = sum((count - expected) ** 2 / expected for count in seen.values())
    assert chi_square < subsets + 4 * math.sqrt(2 * subsets)


def test_seeds_ranks_and_steps_reproduce():
    positives = torch.tensor([3])
    draws = {
        key: tuple(
            Sampling(0.1, seed=key[0]).draw(positives, 1000, rank=key[1], step=key[2]).classes.tolist()
        )
        for key in [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)]
    }
    again = Sampling(0.1).draw(positives, 1000, rank=0, step=0).classes
    assert tuple(again.tolist()) == draws[0, 0, 0]
    assert len(set(draws.values())) == 4


@pytest.mark.parametrize(
    "margin", [ScaledCosine(8), SubCentres(CosFaceMargin(8), 2)], ids=["normface", "sub-centres"]
)
def test_the_corrected_denominator_is_right_on_average(margin):
    draw = torch.Generator().manual_seed(0)
    shard = Shard.drawn(60, 8, Workers(), sub_centres=margin.sub_centres, momentum=False)
    features, labels = torch.randn(2, 8, generator=draw).double(), torch.tensor([9, 59])

    def denominators(sampling, step=0):
        # the loss is log(denominator) - z_y for one sample at a time: z_y is the same in all
        losses = [
            sharded_softmax(x[None], y[None], shard, margin, Workers(), sampling=sampling, step=step)
            for x, y in zip(features, labels, strict=True)
        ]
        return torch.stack(losses).exp()

    full = denominators(None)
    for corrected in (True, False):
        sampled = [denominators(Sampling(0.3, corrected=corrected), step) for step in range(225)]
        mean, error = torch.stack(sampled).mean(0), torch.stack(sampled).std(0) / 15
        close = ((mean - full).abs() < 4 * error).all()
        assert bool(close) is corrected


def test_a_rate_outside_0_to_1_is_refused():
    for rate in (0, 1.5, -1):
        with pytest.raises(TellapartError, match="sample rate"):
            Sampling(rate)


def test_ten_million_classes_cost_what_a_sample_costs():
    import time

    def seconds(held):
        start = time.process_time()
        for step in range(5):
            Sampling(20_000 / held).draw(torch.arange(64), held, rank=0, step=step)
        return time.process_time() - start

    assert seconds(10**9) < 5  # a pass over all of them takes minutes
