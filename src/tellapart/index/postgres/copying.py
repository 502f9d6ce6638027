"""A published index copied into a folder of this machine, for what needs an index of its own: blanks, compressions.

Documents keep their numbers, units and vectors their order and values; words are inverted anew. So the copy answers as
the index in the folder that was published.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tellapart.corpus.document import Granularity
from tellapart.errors import TellapartError
from tellapart.index.catalogue import Catalogue, StoredEncoder
from tellapart.index.copying import link_encoders
from tellapart.index.files import seal
from tellapart.index.freshness import CHECKED
from tellapart.index.latent import KIND as LSA_KIND
from tellapart.index.postgres.schema import RECORDED
from tellapart.index.postgres.snapshot import PublishedSnapshot
from tellapart.index.postgres.store import PublishedStore
from tellapart.index.segments import Segment, SegmentWriter, segment_folder, vectors_name
from tellapart.index.settings import KEY as SETTINGS
from tellapart.index.settings import kept_settings
from tellapart.index.snapshot import IN_USE
from tellapart.index.store import Store, digest_of
from tellapart.index.update import SEGMENT_BYTES
from tellapart.index.vectors import write_vectors
from tellapart.index.vectors.stored import StoredRows
from tellapart.progress import Progress

FETCHED = 500
"""Documents of one statement, as in a folder."""


def copy_published(
    snapshot: PublishedSnapshot, store: PublishedStore, home: Path, folder: Path, progress: Progress
) -> None:
    """Make an index in `folder` of what is published; call inside `reading`.

    Args:
        snapshot: What is copied.
        store: Its documents and records.
        home: Where the files of its own encoders lie on this machine.
        folder: Empty.
        progress: Told of documents and vectors.

    Raises:
        TellapartError: A shard is lost, without whose documents it would be another index.
    """
    if snapshot.partial:
        raise TellapartError(
            f"{snapshot.partial}: this needs all of the index, try again when the shard is back"
        )
    link_encoders(home, folder)
    copied = Store.create(folder)
    try:
        with copied.transaction():
            _Copier(snapshot, store, folder, copied, progress).run()
    finally:
        copied.close()


class _Copier:
    """Fills the copy; used inside one transaction of its store."""

    def __init__(
        self,
        snapshot: PublishedSnapshot,
        published: PublishedStore,
        folder: Path,
        store: Store,
        progress: Progress,
    ) -> None:
        self.snapshot = snapshot
        self.published = published
        self.folder = folder
        self.store = store
        self.catalogue = Catalogue(store)
        self.progress = progress

    def run(self) -> None:
        for key in (SETTINGS, IN_USE, LSA_KIND, CHECKED, "generation"):
            if value := self.published.meta(key):
                self.store.set_meta(key, value)
        for name, value in self.published.records("").items():
            if name != RECORDED:
                self.catalogue.put_record(name, value)
        segments = self._documents()
        for encoder in self.snapshot.encoders.values():
            for level in encoder.granularities:
                self._vectors(encoder, level, segments)
            self.catalogue.put_encoder(encoder)

    def _documents(self) -> list[Segment]:
        """Copy the documents in the order of their units."""
        live = [segment.documents[~segment.dead] for segment in self.snapshot.segments]
        numbers = np.concatenate([np.zeros(0, np.int64), *live]).tolist()
        segments: list[Segment] = []
        number, writer = self._begun()
        with self.progress(f"copying {self.published.place}", len(numbers)) as advance:
            for some in (numbers[start : start + FETCHED] for start in range(0, len(numbers), FETCHED)):
                stored, sources = self.published.documents(some), self.published.sources_of(some)
                for each in some:
                    document, tree = stored[each].document, stored[each].tree
                    self.store.add_document(sources[each], document, digest_of(document), tree, number=each)
                    writer.add(each, document, tree)
                advance(len(some))
                if writer.memory > SEGMENT_BYTES:
                    segments.append(self._written(number, writer))
                    number, writer = self._begun()
        return [*segments, self._written(number, writer)] if len(writer) else segments

    def _begun(self) -> tuple[int, SegmentWriter]:
        number = self.catalogue.next_segment()
        chosen = kept_settings(self.store).granularities
        return number, SegmentWriter(segment_folder(self.folder, number), chosen)

    def _written(self, number: int, writer: SegmentWriter) -> Segment:
        dead = np.zeros(len(writer), dtype=bool)
        self.catalogue.put_files(number, writer.write())
        self.catalogue.put_segment(number, dead)
        return Segment(number, segment_folder(self.folder, number), dead)

    def _vectors(self, encoder: StoredEncoder, level: Granularity, segments: Sequence[Segment]) -> None:
        """Copy the rows of live units, all of one level at once: two bytes a number."""
        with self.progress(f"copying vectors of {encoder.name}, {level}", None):
            vectors = self.snapshot.vectors(encoder.name, level)
            alive = np.ones(vectors.n_rows, bool) if vectors.alive is None else vectors.alive
            kept: StoredRows = np.concatenate(
                [
                    np.zeros((0, vectors.dim), np.float16),
                    *(
                        rows[alive[first : first + len(rows)]].astype(np.float16)
                        for first, rows in vectors.blocks()
                    ),
                ]
            )
            first, name = 0, vectors_name(encoder.fingerprint, level, encoder.pooled)
            for segment in segments:
                units = int(segment.offsets(level)[-1])
                if level in segment.granularities:
                    file = segment.folder / name
                    file.parent.mkdir(exist_ok=True)
                    write_vectors(file, kept[first : first + units], allow_absent=True)
                    self.catalogue.put_files(segment.number, seal(segment.folder, [file]))
                first += units
