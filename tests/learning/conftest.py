"""Torch with one thread: these tensors are too small to share."""

import pytest


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    torch = pytest.importorskip("torch", reason="needs the extra 'train'")
    torch.set_num_threads(1)
