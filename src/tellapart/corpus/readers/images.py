"""Images: their pixels for an encoder, and what their files say in words (extra `images`)."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tellapart.corpus.readers.extracted import NotReadableError, clean
from tellapart.errors import require

if TYPE_CHECKING:
    from PIL.Image import Image

_CAPTION_TAG = 270
"""ImageDescription in TIFF 6.0, and so in Exif."""

_CAPTIONS = ("Title", "Description", "Comment", "comment")
"""Keywords of PNG's text chunks (PNG 1.2, 11.3.4.2), and how Pillow calls the comment of a JPEG or GIF."""

_GLANCE = 64
"""A JPEG is decoded at no more than it takes for this edge: enough to find damage."""

_FINER = 2
"""How many times finer than wanted a JPEG is decoded, so that scaling it down still averages over four pixels
or more (2 is the least that does); twice only takes longer."""

_GREY = frozenset({"1", "L", "LA", "I", "I;16", "F"})


def content_hash(content: bytes) -> str:
    """Hash a file's bytes: the same picture again has the same vector."""
    return blake2b(content, digest_size=16).hexdigest()


def pixels_of(content: bytes | Path, *, edge: int) -> NDArray[np.uint8]:
    """Decode an image: (height, width) of grey or (height, width, 3) uint8, upright.

    Args:
        content: A file, or its bytes.
        edge: What it will be scaled to; of a much larger JPEG less is decoded, which saves nine tenths of the time.

    Raises:
        NotReadableError: It is damaged, of an unknown format, or unreasonably large.
    """
    with _decoding(content) as opened:
        from PIL import ImageOps

        opened.draft(None, (_FINER * edge, _FINER * edge))
        ImageOps.exif_transpose(opened, in_place=True)  # else it copies every image
        return np.asarray(_plain(opened), dtype=np.uint8)


def describe(content: bytes) -> str:
    """Say in words what an image is: its caption, if it has one, and its size; all of it is decoded.

    Raises:
        NotReadableError: As in `pixels_of`.
    """
    with _decoding(content) as opened:
        caption = _caption(opened)
        size = f"{opened.width} x {opened.height} pixels, {'grey' if opened.mode in _GREY else 'colour'}"
        opened.draft(None, (_GLANCE, _GLANCE))
        opened.load()
    return "\n".join(part for part in (caption, size) if part)


@contextmanager
def _decoding(content: bytes | Path) -> Iterator[Image]:
    """Open an image; whatever its decoder raises becomes a reason for a person."""
    require("PIL", extra="images")
    from PIL import Image, UnidentifiedImageError

    limit = Image.MAX_IMAGE_PIXELS or sys.maxsize
    try:
        with Image.open(io.BytesIO(content) if isinstance(content, bytes) else content) as opened:
            if opened.width * opened.height > limit:  # Pillow warns, and refuses from twice as many on
                raise Image.DecompressionBombError
            yield opened
    except Image.DecompressionBombError as error:
        raise NotReadableError(f"an image of more than {limit:,} pixels: shrink it") from error
    except UnidentifiedImageError as error:
        raise NotReadableError("not an image of a known format") from error
    except Exception as error:  # Pillow raises whatever its decoders do
        raise NotReadableError(f"a damaged image ({_one_line(error)})") from error


def _plain(image: Image) -> Image:
    """Bring any mode to 8 bits of grey or of red, green and blue; 16 bits keep their upper half."""
    if image.mode in ("I", "I;16", "F"):
        levels = np.asarray(image, dtype=np.float64)
        widest = 65535.0 if levels.max(initial=0) > 255 else 255.0
        from PIL import Image

        return Image.fromarray(np.clip(np.rint(levels * (255 / widest)), 0, 255).astype(np.uint8))
    return image.convert("L" if image.mode in _GREY else "RGB")


def _caption(opened: Image) -> str:
    """Give the captions that an image carries, each once."""
    found = [opened.getexif().get(_CAPTION_TAG), *(opened.info.get(name) for name in _CAPTIONS)]
    words = [each.decode("utf-8", "replace") if isinstance(each, bytes) else each for each in found]
    lines = [clean(" ".join(each.replace("\0", " ").split())) for each in words if isinstance(each, str)]
    return "\n".join(line for line in dict.fromkeys(lines) if line)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
