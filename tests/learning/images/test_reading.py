from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tellapart.errors import TellapartError
from tellapart.learning.images.reading import read_images
from tellapart.learning.images.train import split_identities

image = pytest.importorskip("PIL.Image", reason="needs the extra train")


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    for name, count in (("ada", 3), ("bob", 2), (".thumbnails", 1)):
        (tmp_path / "faces" / name).mkdir(parents=True)
        for number in range(count):
            pixels = random.integers(0, 256, (20, 16, 3), dtype=np.uint8)
            image.fromarray(pixels).save(tmp_path / "faces" / name / f"{number}.png")
    (tmp_path / "faces" / "ada" / "notes.txt").write_text("no image")
    return tmp_path / "faces"


def test_a_folder_for_each_identity(faces):
    found = read_images(faces, size=8, channels=3)
    assert found.names == ("ada", "bob")
    assert found.labels.tolist() == [0, 0, 0, 1, 1]
    assert found.images.shape == (5, 8, 8, 3)
    assert found.sources[3] == "bob/0.png"
    assert read_images(faces, size=8, channels=1).channels == 1


def test_arrays_with_names_or_without(tmp_path):
    images = np.random.default_rng(1).integers(0, 256, (4, 9, 9), dtype=np.uint8)
    np.savez(tmp_path / "a.npz", images=images, labels=[1, 1, 0, 0], names=["zero", "one"])
    found = read_images(tmp_path / "a.npz", size=9, channels=1)
    assert (found.names, found.labels.tolist()) == (("zero", "one"), [1, 1, 0, 0])
    np.testing.assert_array_equal(found.images[..., 0], images)
    assert found.sources[2] == "a.npz[2]"
    np.savez(tmp_path / "b.npz", images=images, labels=["x", "y", "x", "y"])
    assert read_images(tmp_path / "b.npz", size=9, channels=1).names == ("x", "y")


def test_what_cannot_be_read_is_named(faces, tmp_path):
    (faces / "bob" / "0.png").write_bytes(b"no image")
    with pytest.raises(TellapartError, match=r"bob.0\.png: not an image of a known format; mend"):
        read_images(faces, size=8, channels=3)
    with pytest.raises(TellapartError, match="neither a folder"):
        read_images(tmp_path / "absent", size=8, channels=3)
    (tmp_path / "flat").mkdir()
    with pytest.raises(TellapartError, match="one folder for each identity"):
        read_images(tmp_path / "flat", size=8, channels=3)
    np.savez(tmp_path / "c.npz", images=np.zeros((2, 4, 4), np.uint8), labels=[0.0, 1.0])
    with pytest.raises(TellapartError, match="whole number or name"):
        read_images(tmp_path / "c.npz", size=4, channels=1)
    np.savez(tmp_path / "d.npz", images=np.zeros((2, 4, 4), np.uint8), labels=[3, 3])
    with pytest.raises(TellapartError, match="1 identities"):
        read_images(tmp_path / "d.npz", size=4, channels=1)


def test_a_split_goes_by_identity(some_glyphs):
    split = split_identities(some_glyphs, share=0.25, seed=3)
    assert split.held_out is not None
    assert len(split.held_out.names) == 6
    assert set(split.train.names).isdisjoint(split.held_out.names)
    assert set(split.train.sources).isdisjoint(split.held_out.sources)
    assert len(split.train.labels) + len(split.held_out.labels) == len(some_glyphs.labels)
    assert split_identities(some_glyphs, share=0).held_out is None
    assert split_identities(some_glyphs.of_identities(range(19)), share=0.5).held_out is None
    again = split_identities(some_glyphs, share=0.25, seed=3)
    assert again.train.digest() == split.train.digest()


def test_turned_glyphs_are_further_identities(some_glyphs):
    turned = some_glyphs.with_turns()
    assert len(turned.names) == 4 * len(some_glyphs.names)
    count = len(some_glyphs.labels)
    np.testing.assert_array_equal(turned.images[count], np.rot90(some_glyphs.images[0]))
    assert turned.labels[count] == some_glyphs.labels[0] + len(some_glyphs.names)
    assert turned.names[-1].endswith("turned 270")
