from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from tellapart.corpus.readers.extracted import NotReadableError
from tellapart.corpus.readers.images import content_hash, describe, pixels_of
from tellapart.encoders.images import scaled


def encoded(image: Image.Image, form: str = "PNG", **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def test_an_image_says_its_size_and_its_captions_once():
    words = PngImagePlugin.PngInfo()
    words.add_text("Description", "A goldfish\nin a bowl")
    words.add_text("Title", "Goldfish")
    image = Image.new("RGB", (30, 20))
    assert describe(encoded(image)) == "30 x 20 pixels, colour"
    assert describe(encoded(image.convert("L"))) == "30 x 20 pixels, grey"
    assert describe(encoded(image, pnginfo=words)) == "Goldfish\nA goldfish in a bowl\n30 x 20 pixels, colour"
    exif = Image.Exif()
    exif[270] = "Zoe's parrot"
    assert describe(encoded(image, "JPEG", exif=exif)) == "Zoe's parrot\n30 x 20 pixels, colour"


@pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF"])
def test_pixels_are_those_that_were_saved(form):
    levels = np.random.default_rng(0).integers(0, 256, (7, 5), dtype=np.uint8)
    np.testing.assert_array_equal(pixels_of(encoded(Image.fromarray(levels), form), edge=4), levels)


def test_other_modes_become_eight_bits():
    colours = np.random.default_rng(0).integers(0, 256, (7, 5, 4), dtype=np.uint8)
    np.testing.assert_array_equal(pixels_of(encoded(Image.fromarray(colours)), edge=4), colours[:, :, :3])
    deep = np.array([[0, 256], [32896, 65535]], dtype=np.uint16)
    np.testing.assert_array_equal(pixels_of(encoded(Image.fromarray(deep)), edge=4), [[0, 1], [128, 255]])
    assert pixels_of(encoded(Image.fromarray(np.eye(4) > 0)), edge=4).max() == 255


def test_a_photograph_taken_sideways_stands_upright():
    exif = Image.Exif()
    exif[274] = 6  # rotate by 90 degrees to see it upright
    left_white = np.zeros((16, 32), dtype=np.uint8)
    left_white[:, :16] = 255
    upright = pixels_of(encoded(Image.fromarray(left_white), "JPEG", exif=exif), edge=32)
    assert upright.shape == (32, 16)
    assert upright[:12].min() > 200
    assert upright[20:].max() < 50


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_damage_is_named(form):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    whole = encoded(Image.fromarray(noise), form)
    for read in (describe, lambda content: pixels_of(content, edge=28)):
        with pytest.raises(NotReadableError, match="a damaged image"):
            read(whole[: len(whole) // 2])
        with pytest.raises(NotReadableError, match="not an image of a known format"):
            read(b"GIF? no")


def test_an_unreasonably_large_image_is_refused(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    for edge in (12, 20):  # Pillow warns of one and refuses the other
        with pytest.raises(NotReadableError, match="more than 100 pixels: shrink it"):
            describe(encoded(Image.new("L", (edge, edge))))


def test_the_hash_is_that_of_the_bytes():
    assert content_hash(b"a") == content_hash(b"a") != content_hash(b"b")


def test_of_a_large_photograph_no_more_is_decoded_than_scaling_needs():
    y, x = np.mgrid[:1200, :1600] / 100
    waves = (128 + 60 * np.sin(x) + 60 * np.cos(1.7 * y + x)).astype(np.uint8)
    content = encoded(Image.fromarray(waves), "JPEG", quality=95)
    some, all_of_it = pixels_of(content, edge=28), pixels_of(content, edge=1200)
    assert all_of_it.shape == (1200, 1600)
    assert some.shape == (150, 200)
    near = [scaled(pixels, size=28, channels=1).astype(int) for pixels in (some, all_of_it)]
    assert np.abs(near[0] - near[1]).max() <= 4
