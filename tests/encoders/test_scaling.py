from __future__ import annotations

import numpy as np
import pytest

from tellapart.encoders.images import scaled
from tellapart.errors import TellapartError


@pytest.mark.parametrize(("edge", "size"), [(35, 28), (100, 32), (20, 32), (300, 112), (7, 1)])
@pytest.mark.parametrize("channels", [1, 3])
def test_scaling_is_that_of_pillow_to_a_grey_level(edge, size, channels):
    image = pytest.importorskip("PIL.Image", reason="needs the extra train")
    pixels = np.random.default_rng(edge).integers(0, 256, (edge, edge, channels), dtype=np.uint8)
    theirs = np.asarray(
        image.fromarray(pixels.squeeze()).resize((size, size), image.Resampling.BILINEAR), dtype=np.int64
    )
    ours = scaled(pixels, size=size, channels=channels).astype(np.int64)
    assert np.abs(ours.squeeze() - theirs).max() <= 1


def test_the_middle_square_is_kept_and_channels_fitted():
    wide = np.zeros((4, 8), dtype=np.uint8)
    wide[:, 2:6] = 200
    assert (scaled(wide, size=2, channels=3) == 200).all()
    colours = np.zeros((2, 2, 4), dtype=np.uint8)
    colours[..., 1], colours[..., 3] = 255, 7
    assert (scaled(colours, size=2, channels=1) == round(255 * 0.587)).all()


@pytest.mark.parametrize(
    "image", [np.zeros(3, np.uint8), np.zeros((2, 2, 2), np.uint8), np.zeros((2, 2)), []]
)
def test_what_is_no_image_is_refused(image):
    with pytest.raises(TellapartError, match="uint8"):
        scaled(image, size=2, channels=1)
