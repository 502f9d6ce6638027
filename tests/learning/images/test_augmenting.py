from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs the extra train")

from tellapart.learning.images.augmenting import Augmentation  # noqa: E402

NONE = Augmentation(turn=0, zoom=0, shear=0, shift=0, bend=0, erase=0, flip=0, light=0)


def images(count: int = 6) -> torch.Tensor:
    return torch.rand(count, 2, 20, 20, generator=torch.Generator().manual_seed(0))


def drawn(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_nothing_asked_for_changes_nothing():
    assert torch.allclose(NONE.apply(images(), drawn()), images(), atol=1e-5)


def test_a_certain_mirror_is_the_mirror():
    mirrored = Augmentation(turn=0, zoom=0, shear=0, shift=0, bend=0, erase=0, flip=1, light=0)
    assert torch.allclose(mirrored.apply(images(), drawn()), images().flip(3), atol=1e-5)


def test_the_generator_decides_everything_and_images_differ():
    changed = Augmentation().apply(images(), drawn())
    assert torch.equal(changed, Augmentation().apply(images(), drawn()))
    assert not torch.equal(changed, Augmentation().apply(images(), drawn(2)))
    same = images()[:1].expand(2, -1, -1, -1)
    one, other = Augmentation().apply(same, drawn())
    assert not torch.allclose(one, other)


def test_a_shift_moves_by_at_most_what_was_asked_for():
    point = torch.zeros(200, 1, 41, 41)
    point[:, 0, 20, 20] = 1
    moved = Augmentation(turn=0, zoom=0, shear=0, shift=0.1, bend=0, erase=0, light=0).apply(point, drawn())
    places = moved[:, 0].flatten(1).argmax(1)
    off = torch.stack([places // 41 - 20, places % 41 - 20], dim=1).abs()
    assert 3 <= off.max() <= 5
    assert len(places.unique()) > 20


def test_erasing_leaves_a_rectangle_of_the_mean():
    before = images(50)
    after = Augmentation(turn=0, zoom=0, shear=0, shift=0, bend=0, erase=1, light=0).apply(before, drawn())
    for old, new in zip(before, after, strict=True):
        hole = ((new - old).abs() > 1e-4).any(0)
        assert hole.sum() <= 49
        if hole.any():
            rows, columns = hole.any(1).nonzero().flatten(), hole.any(0).nonzero().flatten()
            square = new[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
            assert torch.allclose(square, old.mean(), atol=1e-3)
