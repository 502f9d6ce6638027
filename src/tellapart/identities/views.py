"""From files to views: faces and pictures for encoders of images, texts for all others."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from tellapart.corpus.readers.extracted import NotReadableError
from tellapart.corpus.readers.images import pixels_of
from tellapart.corpus.sources import IMAGES
from tellapart.encoders.faces import FaceEncoder
from tellapart.encoders.images import scaled
from tellapart.encoders.protocol import Encoder, OfImages
from tellapart.errors import TellapartError
from tellapart.identities.answers import View

Item = Path | str | bytes | np.ndarray
"""A file, a text, the bytes of a picture's file, or an image (height, width[, 3]) uint8."""

THUMBNAIL = 112
"""Edge of a face on a contact sheet, in pixels: the size that face networks see."""


class ViewReader:
    """Looks at items with one encoder."""

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder

    @property
    def sees_images(self) -> bool:
        """Whether items are pictures rather than texts."""
        return isinstance(self.encoder, OfImages)

    def all(self, item: Item, *, source: str | None = None) -> list[View]:
        """Give all views of an item: a picture's faces, the largest first, or the item as a whole.

        Raises:
            TellapartError: The item cannot be read, or shows no face to an encoder that looks for them.
        """
        if isinstance(self.encoder, FaceEncoder):
            return self._faces(item, source or _name(item))
        return self.many([item], sources=[source or _name(item)])

    def one(self, item: Item, *, face: int | None = None, source: str | None = None) -> View:
        """Give the view that stands for an item: its largest face, or the one of that number, from 1."""
        views = self.all(item, source=source)
        if face is None:
            return views[0]
        if not 1 <= face <= len(views):
            raise TellapartError(
                f"{views[0].source} shows {len(views)} face(s), there is no face {face}: see 'identify'"
            )
        return views[face - 1]

    def many(self, items: Sequence[Item], *, sources: Sequence[str] | None = None) -> list[View]:
        """Give one view of each item, encoded together."""
        if not items:
            return []
        named = list(sources or (_name(item) for item in items))
        if isinstance(self.encoder, FaceEncoder):
            return [self.one(item, source=name) for item, name in zip(items, named, strict=True)]
        if isinstance(self.encoder, OfImages):
            read = [self._pixels(item, name) for item, name in zip(items, named, strict=True)]
            size, channels = self.encoder.size, self.encoder.channels
            vectors = self.encoder.encode_images(
                [scaled(each, size=size, channels=channels) for each, _ in read]
            )
            digests = [digest for _, digest in read]
        else:
            texts = [_text(item) for item in items]
            vectors = self.encoder.encode_document(texts)
            digests = [_digest(text.encode()) for text in texts]
        return [
            View(name, vector, digest) for name, vector, digest in zip(named, vectors, digests, strict=True)
        ]

    def key_of(self, item: Item) -> bytes:
        """Give the key of the view that stands for an item, without looking at it."""
        if isinstance(item, np.ndarray):
            return View("", np.zeros(0, np.float32), _image_digest(item)).key
        content = (
            item if isinstance(item, bytes) else content_of(item) if isinstance(item, Path) else item.encode()
        )
        if not self.sees_images:
            content = _text(item).encode()
        return View("", np.zeros(0, np.float32), _digest(content)).key

    def _faces(self, item: Item, source: str) -> list[View]:
        assert isinstance(self.encoder, FaceEncoder)
        picture, digest = self._pixels(item, source)
        faces, vectors = self.encoder.faces(picture)
        if not faces:
            height, width = picture.shape[:2]
            raise TellapartError(
                f"{source}: no face found in {width} x {height} pixels; it must look towards the camera, upright,"
                " some 40 pixels wide or more"
            )
        return [
            View(source, vector, digest, part, len(faces), face.quality, face.box, face.complaints)
            for part, (face, vector) in enumerate(zip(faces, vectors, strict=True))
        ]

    def _pixels(self, item: Item, source: str) -> tuple[np.ndarray, bytes]:
        assert isinstance(self.encoder, OfImages)
        if isinstance(item, np.ndarray):
            return item, _image_digest(item)
        content = item if isinstance(item, bytes) else content_of(Path(item))
        try:
            return pixels_of(content, edge=self.encoder.size), _digest(content)
        except NotReadableError as error:
            raise TellapartError(f"{source}: {error}") from error


def thumbnail(item: Item, view: View) -> bytes:
    """Give a view as a small JPEG."""
    from PIL import Image

    if isinstance(item, np.ndarray):
        pixels = item
    else:
        pixels = pixels_of(item if isinstance(item, bytes) else content_of(Path(item)), edge=1024)
    image = Image.fromarray(pixels).convert("RGB")
    if view.box is not None:
        left, top, right, bottom = view.box
        rim = (right - left) // 4
        image = image.crop(
            (
                max(0, left - rim),
                max(0, top - rim),
                min(image.width, right + rim),
                min(image.height, bottom + rim),
            )
        )
    image.thumbnail((THUMBNAIL, THUMBNAIL))
    import io

    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=80)
    return stream.getvalue()


def labelled_files(folder: Path, *, images: bool) -> dict[str, list[Path]]:
    """Map the names of a folder's folders to the files in them, sorted.

    Raises:
        TellapartError: There are none.
    """
    found = {
        path.name: list(files_in(path, images=images))
        for path in sorted(folder.iterdir())
        if path.is_dir() and not path.name.startswith(".")
    }
    found = {name: files for name, files in found.items() if files}
    if not found:
        what = "pictures" if images else "text files"
        raise TellapartError(
            f"{folder} holds no folders with {what} in them: make a folder for each identity"
        )
    return found


def files_in(folder: Path, *, images: bool) -> Iterator[Path]:
    """Give the pictures, or the other files, of a folder and its folders, sorted, hidden ones left out."""
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.is_file() and not hidden and (path.suffix.lower() in IMAGES) == images:
            yield path


def expanded(items: Iterable[Path], *, images: bool) -> list[Path]:
    """Replace folders by the files in them.

    Raises:
        TellapartError: A file is missing, or a folder is empty.
    """
    found: list[Path] = []
    for item in items:
        if item.is_dir():
            inside = list(files_in(item, images=images))
            if not inside:
                raise TellapartError(f"{item} holds no {'pictures' if images else 'text files'}")
            found += inside
        elif item.exists():
            found.append(item)
        else:
            raise TellapartError(f"there is no file {item}")
    return found


def _name(item: Item) -> str:
    if isinstance(item, np.ndarray):
        return f"image {_digest(np.ascontiguousarray(item).tobytes()).hex()[:8]}"
    return f"picture {_digest(item).hex()[:8]}" if isinstance(item, bytes) else str(item)


def content_of(path: Path) -> bytes:
    """Read a file, or say why that fails."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise TellapartError(f"cannot read {path}: {error.strerror}") from error


def _text(item: Item) -> str:
    if isinstance(item, np.ndarray | bytes):
        raise TellapartError(
            "this gallery's encoder reads texts, not images: use --encoder face, pixels or folder:DIR"
        )
    if isinstance(item, str):
        return item
    try:
        return content_of(item).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise TellapartError(f"{item} is no UTF-8 text: this gallery's encoder reads texts") from error


def _image_digest(image: np.ndarray) -> bytes:
    return _digest(repr(image.shape).encode() + np.ascontiguousarray(image).tobytes())


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=16).digest()
