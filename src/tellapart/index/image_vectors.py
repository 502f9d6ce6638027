"""Giving images their vectors: pixels are read from the files where they lie, never copied into the index."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tellapart.corpus.document import Document, Granularity
from tellapart.corpus.readers.extracted import NotReadableError
from tellapart.corpus.readers.images import content_hash, pixels_of
from tellapart.corpus.scan import scan
from tellapart.encoders.cache import VectorCache
from tellapart.encoders.images import fitted, scaled
from tellapart.encoders.protocol import OfImages, Vectors, stored_precision
from tellapart.encoders.sessions import usable_cores
from tellapart.errors import TellapartError
from tellapart.index.catalogue import Catalogue, StoredEncoder
from tellapart.index.embedding import Missing, units_in
from tellapart.index.files import seal
from tellapart.index.segments import Segment, vectors_name
from tellapart.index.settings import Settings, located
from tellapart.index.store import Store
from tellapart.index.vectors import write_vectors
from tellapart.progress import Advance, Progress

BATCH = 256
"""Images decoded together and kept in the cache together a kill costs so many."""


def pixels_for(encoder: OfImages, content: bytes | Path) -> NDArray[np.uint8]:
    """Decode an image and scale it to what an encoder looks at, so that a batch of photographs takes little memory.

    Raises:
        NotReadableError: It is damaged, or no image.
    """
    pixels = pixels_of(content, edge=encoder.size)
    if encoder.whole:
        return fitted(pixels, edge=encoder.size)
    return scaled(pixels, size=encoder.size, channels=encoder.channels)


class ImageFiles:
    """The files of an index's images, found where its sources lie now."""

    def __init__(self, index: Path, settings: Settings) -> None:
        self.index = index
        self.settings = settings

    def pixels(self, document: Document, encoder: OfImages) -> NDArray[np.uint8]:
        """Decode the image of a document and scale it to what an encoder looks at: (size, size, channels) uint8.

        Raises:
            TellapartError: Its file is gone, or is another than the one that was read.
        """
        file = self._files.get(document.id)
        try:
            content = b"" if file is None else file.read_bytes()
            if content_hash(content) == document.metadata["content"]:
                return pixels_for(encoder, content)
        except (OSError, NotReadableError) as error:
            raise TellapartError(
                f"cannot read {document.id} ({error}): mend or remove it, and run the command again"
            ) from error
        changed = "is gone" if file is None else "has changed"
        raise TellapartError(f"{document.id} {changed} since it was read: run 'tellapart index' again")

    def path(self, document: Document) -> Path:
        """Give the file of a document.

        Raises:
            TellapartError: It is gone.
        """
        if (file := self._files.get(document.id)) is None:
            raise TellapartError(f"{document.id} is gone since it was read: run 'tellapart index' again")
        return file.resolve()

    @cached_property
    def _files(self) -> dict[str, Path]:
        sources = located(self.settings.sources, self.index)
        found, _ = scan(sources, self.settings.scan_options(), index_folder=self.index)
        return {source.key: source.file for source in found if source.file is not None}


class ImageEmbedder:
    """Writes the vectors of one encoder of images for whole segments."""

    def __init__(
        self,
        index: Path,
        store: Store,
        settings: Settings,
        encoder: OfImages,
        cache: VectorCache | None,
        progress: Progress,
    ) -> None:
        self.store = store
        self.files = ImageFiles(index, settings)
        self.encoder = encoder
        self.cache = cache
        self.progress = progress

    def cover(self, missing: Sequence[Missing], *, commit: Callable[[], None] | None = None) -> None:
        """Write and note the vectors of the images of these segments; part of the caller's transaction.

        `commit` is called after each segment, where readers may see some of the vectors before the others.

        Raises:
            TellapartError: A file is gone, or is another than the one that was read.
        """
        with self.progress(f"encoding images with {self.encoder.name}", units_in(missing)) as advance:
            for segment, _ in missing:
                self._cover(segment, advance)
                if commit:
                    commit()

    def added_to(self, encoder: StoredEncoder) -> StoredEncoder:
        """Give the encoder as it is: no image is cut into windows."""
        return encoder

    def _cover(self, segment: Segment, advance: Advance) -> None:
        offsets = segment.offsets(Granularity.IMAGE)
        rows = np.zeros((int(offsets[-1]), self.encoder.dim), dtype=np.float16)
        holding = np.flatnonzero(~segment.dead & (np.diff(offsets) > 0))
        for start in range(0, len(holding), BATCH):
            batch = holding[start : start + BATCH]
            rows[offsets[batch]] = self._vectors(segment.documents[batch])
            advance(len(batch))
        path = segment.folder / vectors_name(self.encoder.fingerprint, Granularity.IMAGE)
        path.parent.mkdir(exist_ok=True)
        write_vectors(path, rows, allow_absent=True)
        Catalogue(self.store).put_files(segment.number, seal(segment.folder, [path]))

    def _vectors(self, numbers: NDArray[np.int64]) -> Vectors:
        """Take what the cache knows and encode the others."""
        documents = [self.store.documents([number])[number].document for number in numbers.tolist()]
        keys = [bytes.fromhex(str(document.metadata["content"])) for document in documents]
        known = np.zeros(len(keys), dtype=bool)
        vectors = np.zeros((len(keys), self.encoder.dim), dtype=np.float32)
        if self.cache is not None:
            known, vectors = self.cache.lookup(self.encoder.fingerprint, self.encoder.dim, keys)
        unknown = np.flatnonzero(~known).tolist()
        if unknown:
            with ThreadPoolExecutor(usable_cores()) as pool:
                encoder, asked = self.encoder, [documents[place] for place in unknown]
                images = list(pool.map(lambda each: self.files.pixels(each, encoder), asked))
            vectors[unknown] = stored_precision(self.encoder.encode_images(images))
            if self.cache is not None:
                self.cache.keep(
                    self.encoder.fingerprint, [keys[place] for place in unknown], vectors[unknown]
                )
        return vectors
