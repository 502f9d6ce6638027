"""What a server serves, and what is shared between its requests."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tellapart.encoders.load import load_encoder
from tellapart.encoders.protocol import Encoder, OfImages
from tellapart.errors import TellapartError
from tellapart.serving.jobs import Jobs
from tellapart.serving.shared import SharedIndex

if TYPE_CHECKING:
    from tellapart.identities import Gallery

BUNDLED = "minilm"


class SharedGallery:
    """A gallery that several threads use, one after the other; opened on first use."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        self._gallery: Gallery | None = None

    @contextmanager
    def use(self) -> Iterator[Gallery]:
        """Hold the gallery for one call; what another process enrolled is there."""
        from tellapart.identities import Gallery
        from tellapart.identities.keys import VARIABLE

        with self._lock:
            if self._gallery is None:
                passphrase = os.environ.get(VARIABLE)
                self._gallery = Gallery.open(self.folder, passphrase=passphrase, create=False)
            yield self._gallery

    def close(self) -> None:
        """Release the file."""
        with self._lock:
            if self._gallery is not None:
                self._gallery.close()
                self._gallery = None


class Service:
    """The indexes and galleries of a server by name; `jobs` is the folder that its workers share."""

    def __init__(
        self,
        indexes: Mapping[str, Path],
        galleries: Mapping[str, Path] | None = None,
        *,
        jobs: Path | None = None,
    ) -> None:
        self.indexes = {name: SharedIndex(folder) for name, folder in indexes.items()}
        self.galleries = {name: SharedGallery(folder) for name, folder in (galleries or {}).items()}
        self.jobs = Jobs(jobs)
        self._bundled: Encoder | None = None

    def index(self, name: str | None) -> SharedIndex:
        """Find an index by its name; the first where none is named."""
        if name is None:
            return next(iter(self.indexes.values()))
        if name not in self.indexes:
            raise TellapartError(f"no index {name!r} here: choose {', '.join(self.indexes)}")
        return self.indexes[name]

    def gallery(self, name: str | None) -> SharedGallery:
        """Find a gallery by its name; the first where none is named."""
        if not self.galleries:
            raise TellapartError("no gallery is served here: start the server with --gallery DIR")
        if name is None:
            return next(iter(self.galleries.values()))
        if name not in self.galleries:
            raise TellapartError(f"no gallery {name!r} here: choose {', '.join(self.galleries)}")
        return self.galleries[name]

    def encoder(self, name: str) -> Encoder:
        """Find an encoder of texts: one of the indexes', or the bundled one."""
        known: list[str] = []
        for shared in self.indexes.values():
            with shared.use() as index:
                with index.reading() as snapshot:
                    names = list(snapshot.encoders)
                known += names
                if name in names:
                    found = index.encoder(name)
                    if isinstance(found, OfImages):
                        raise TellapartError(
                            f"the encoder {name!r} encodes images, not texts: choose another"
                        )
                    return found
        if name == BUNDLED:
            self._bundled = self._bundled or load_encoder(BUNDLED)
            return self._bundled
        raise TellapartError(
            f"no encoder {name!r} here: choose {', '.join(dict.fromkeys([*known, BUNDLED]))}"
        )

    def close(self) -> None:
        """Release all files."""
        for index in self.indexes.values():
            index.close()
        for gallery in self.galleries.values():
            gallery.close()
