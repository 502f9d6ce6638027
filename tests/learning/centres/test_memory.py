"""Rows written back as bytes are the rows that indexing writes; large pages change no value."""

import pytest

torch = pytest.importorskip("torch", reason="needs the extra 'train'")

from tellapart.learning.centres.shard import LARGE_PAGE, put_rows, zeros  # noqa: E402


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("dim", [1, 3, 128])
def test_rows_are_put_where_indexing_puts_them(dtype, dim):
    draw = torch.Generator().manual_seed(0)
    target = torch.randn(50, dim, generator=draw).to(dtype)
    values = torch.randn(7, dim, generator=draw).to(dtype)
    rows = torch.randperm(50, generator=draw)[:7]
    expected = target.clone()
    expected[rows] = values
    put_rows(target, rows, values)
    assert torch.equal(target, expected)


def test_autograd_sees_that_rows_were_put():
    target = torch.ones(4, 2)
    before = target._version
    put_rows(target, torch.tensor([1]), torch.zeros(1, 2))
    assert target._version > before


@pytest.mark.parametrize("rows", [0, 3, LARGE_PAGE // 16 + 5])
def test_zeros_are_zeros_whatever_their_pages(rows):
    made = zeros(rows, 4, "cpu")
    assert made.shape == (rows, 4)
    assert made.dtype == torch.float32
    assert not made.any()
