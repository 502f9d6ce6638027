"""Everything here runs on one thread: sums in another order are other sums."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs the extra train")


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
