"""A passing copy of an index in which parts of some documents are blanked, everything else left where it is.

The copy is an index like any other. Documents with blanks are dead in the segments that it shares with the index and
stand in one new segment, whose vectors keep the windows of the text without blanks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from tellapart.corpus.document import Granularity
from tellapart.encoders.cache import VectorCache
from tellapart.encoders.protocol import Encoder
from tellapart.encoders.windows import UnitText
from tellapart.errors import TellapartError
from tellapart.index.catalogue import Catalogue, StoredEncoder
from tellapart.index.copying import linked_copy
from tellapart.index.embedding import Embedder, UnitTexts, unit_texts
from tellapart.index.latent import LSA, fitted_lsa
from tellapart.index.migration import forget_encoder
from tellapart.index.segments import Segment, SegmentWriter, live_segments, segment_folder
from tellapart.index.settings import kept_settings
from tellapart.index.store import Store, StoredDocument
from tellapart.index.update import Changes
from tellapart.progress import Progress, silent


@contextmanager
def masked_copy(
    folder: Path,
    store: Store,
    documents: Sequence[StoredDocument],
    encoders: Mapping[str, Encoder],
    *,
    cache: VectorCache | None = None,
    progress: Progress = silent,
) -> Iterator[Path]:
    """Give the folder of a copy of an index that holds these versions of its documents; it is removed at the end.

    Args:
        folder: Of the index; the copy lies inside, or in the system's temporary folder where that is read-only.
        store: The index's store; the generation it shows is copied.
        documents: Each with the number, id and length of one of the index, and units that start at the same places.
        encoders: By the name the index has for them; the vectors of its other encoders are left out. Latent
            semantic analysis is fitted anew, on the text with the blanks.
        cache: Of vectors, where windows without blanks are looked up.
        progress: Told of units encoded.

    Raises:
        TellapartError: A document is not in the index (any more), or not as long as there.
    """
    with linked_copy(folder, store) as home:
        copied = Store.create(home)
        try:
            before = copied.documents([each.number for each in documents])
            _check(before, documents)
            with copied.transaction():
                _Masker(home, copied, before, cache, progress).run(documents, encoders)
        finally:
            copied.close()
        yield home


def _check(before: Mapping[int, StoredDocument], documents: Sequence[StoredDocument]) -> None:
    for after in documents:
        known = before[after.number].document
        if known.id != after.document.id or len(known.text) != len(after.document.text):
            raise TellapartError(f"{known.id!r} changed meanwhile: generate the queries again")


class _Masker:
    """Changes the copy; used inside one transaction of its store."""

    def __init__(
        self,
        home: Path,
        store: Store,
        before: Mapping[int, StoredDocument],
        cache: VectorCache | None,
        progress: Progress,
    ) -> None:
        self.home = home
        self.store = store
        self.catalogue = Catalogue(store)
        self.before = before
        self.cache = cache
        self.progress = progress

    def run(self, documents: Sequence[StoredDocument], encoders: Mapping[str, Encoder]) -> None:
        """Put the new versions in the place of the old ones."""
        self.catalogue.remove_records()
        self.catalogue.remove_watched()
        for name, stored in self.catalogue.encoders().items():
            if name not in encoders:
                forget_encoder(self.catalogue, stored)
            elif stored.fingerprint != encoders[name].fingerprint:
                raise TellapartError(f"the encoder {name!r} is not the one whose vectors the index holds")
        if documents:
            segment = self._replaced(documents)
            self._cover(segment, {name: each for name, each in encoders.items() if name != LSA})
            if LSA in encoders:
                self._refit(self.catalogue.encoders()[LSA])
        self.store.next_generation()

    def _refit(self, stored: StoredEncoder) -> None:
        """Fit latent semantic analysis on the text with blanks: it learns which words a document joins.

        Folding blanked units into the space of the whole text would give the answers away: on xquad-en nDCG@10 of
        generated queries is .996 then, and .874 of human ones.
        """
        forget_encoder(self.catalogue, stored)
        segments = live_segments(self.home, self.catalogue)
        encoder, fitted = fitted_lsa(self.home, self.store, segments, None, Changes(), self.progress)
        levels = stored.granularities
        missing = [(each, [level for level in levels if level in each.granularities]) for each in segments]
        Embedder(self.store, encoder, None, self.progress, texts=laid_out_as(self.before)).cover(missing)
        self.catalogue.put_encoder(StoredEncoder(LSA, encoder.fingerprint, encoder.dim, levels, fitted))

    def _replaced(self, documents: Sequence[StoredDocument]) -> Segment:
        """Write one segment of the new versions and let the old ones be dead."""
        numbers = [each.number for each in documents]
        for segment in live_segments(self.home, self.catalogue):
            hit = np.isin(segment.documents, numbers)
            if hit.any():
                self.catalogue.put_segment(segment.number, segment.dead | hit)
        number = self.catalogue.next_segment()
        writer = SegmentWriter(segment_folder(self.home, number), kept_settings(self.store).granularities)
        with self.progress("indexing the text with blanks", len(documents)) as advance:
            for each in documents:
                self.store.replace_document(each.number, each.document, each.tree)
                writer.add(each.number, each.document, each.tree)
                advance(1)
            files = writer.write()
        alive = np.zeros(len(writer), dtype=bool)
        self.catalogue.put_segment(number, alive)
        self.catalogue.put_files(number, files)
        return Segment(number, segment_folder(self.home, number), alive)

    def _cover(self, segment: Segment, encoders: Mapping[str, Encoder]) -> None:
        for name, encoder in encoders.items():
            stored = self.catalogue.encoders()[name]
            levels = [level for level in stored.granularities if level in segment.granularities]
            if levels:
                texts = laid_out_as(self.before)
                embedder = Embedder(
                    self.store, encoder, self.cache, self.progress, pooled=stored.pooled, texts=texts
                )
                embedder.cover([(segment, levels)])


def laid_out_as(before: Mapping[int, StoredDocument]) -> UnitTexts:
    """Give units, those of blanked documents with the layout that they had before."""

    def texts(stored: StoredDocument, granularity: Granularity) -> list[UnitText]:
        now = unit_texts(stored, granularity)
        if stored.number not in before:
            return now
        earlier = unit_texts(before[stored.number], granularity)
        return [
            replace(after, layout=then) if (after.context, after.text) != (then.context, then.text) else after
            for after, then in zip(now, earlier, strict=True)
        ]

    return texts
