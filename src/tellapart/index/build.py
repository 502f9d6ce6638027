"""One run of `index`: documents, vectors, merging, each generation committed as a whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from tellapart.corpus.document import KIND_OF, Granularity, Kind
from tellapart.encoders.cache import VectorCache
from tellapart.encoders.protocol import Encoder, OfImages
from tellapart.errors import CorruptIndexError, TellapartError
from tellapart.index.catalogue import Catalogue, StoredEncoder
from tellapart.index.files import prepare_folder
from tellapart.index.latent import (
    LSA,
    as_kept,
    compressed_folder,
    fitted_lsa,
    kept_spec,
    need_spec,
    sweep_encoders,
)
from tellapart.index.lock import PATIENCE, writer_lock
from tellapart.index.migration import forget_encoder
from tellapart.index.segments import Segment, live_segments, merge_where_worthwhile, sweep, vectors_name
from tellapart.index.settings import Settings, keep_settings, kept_settings
from tellapart.index.snapshot import FolderSnapshot
from tellapart.index.store import FILE, Store, corruption_named
from tellapart.index.update import Changes, Updater, reread_documents, update_documents
from tellapart.index.vectors import build_derived
from tellapart.index.vectors.approximate import CODED_ROWS
from tellapart.progress import Progress

if TYPE_CHECKING:
    from tellapart.corpus.sources import Source
    from tellapart.index.embedding import Embedder
    from tellapart.index.image_vectors import ImageEmbedder

T = TypeVar("T")
LoadEncoder = Callable[[str], Encoder]


@dataclass(frozen=True, slots=True)
class BuildReport:
    """What a run of `index` did; `notes` are sentences a user should read."""

    changes: Changes
    generation: int
    notes: tuple[str, ...]


@dataclass
class Builder:
    """Brings the index in `folder` to what `settings` ask for; `fresh` reads everything again."""

    folder: Path
    settings: Settings
    load: LoadEncoder
    cache: VectorCache | None
    progress: Progress
    fresh: bool = False

    def run(self) -> BuildReport:
        """Update documents and vectors; a killed run leaves the last complete generation."""
        prepare_folder(self.folder)
        with writer_lock(self.folder, patience=PATIENCE), corruption_named(self.folder / FILE):
            try:
                return self._run_on(Store.create(self.folder, anew=self.fresh))
            except CorruptIndexError:
                if not self.fresh:
                    raise
            return self._run_on(Store.replace(self.folder))  # readable at first sight only

    def _run_on(self, store: Store) -> BuildReport:
        try:
            with corruption_named(store.path):
                return self._run(store)
        finally:
            store.close()

    def reread(
        self,
        sources: Sequence[Source] | None,
        *,
        encoded_characters: int,
        at_most_bytes: int | None = None,
    ) -> Changes:
        """Take over what changed in some sources (None: in all), as fast as can be: words now, vectors if few.

        Segments without vectors get theirs with the next `run`; until then their units are found by words.

        Args:
            sources: Those that changed, as they are now.
            encoded_characters: Vectors are made at once where the changed documents have no more characters.
            at_most_bytes: Size of the files that may be read again; None for any.

        Raises:
            TooMuchToReadError: More changed than that; nothing is done.
        """
        with writer_lock(self.folder), corruption_named(self.folder / FILE):
            store = Store.create(self.folder)
            try:
                with store.transaction():
                    changes = reread_documents(
                        self.folder, store, self.settings, self.progress, sources, at_most_bytes
                    )
                    if encoded_characters and 0 < changes.characters <= encoded_characters:
                        for name in Catalogue(store).encoders():
                            self._encoder(store, name, changes, renew=name == LSA)
                    merged = changes.any and self._merge(store)
                if merged:
                    sweep(self.folder, Catalogue(store))
                return changes
            finally:
                store.close()

    def add_encoder(self, name: str) -> tuple[str, ...]:
        """Give the units that are there vectors of one more encoder, without looking at the sources."""
        return self._change(lambda kept: replace(kept, encoders=_union(kept.encoders, [name])), name)

    def encode_alone(self, name: str, levels: Sequence[Granularity]) -> tuple[str, ...]:
        """Encode the units of these levels by themselves, whose vectors were pooled from those of others."""
        return self._change(lambda kept: replace(kept, encoded=_union(kept.encoded, levels)), name)

    def _change(self, change: Callable[[Settings], Settings], name: str) -> tuple[str, ...]:
        """Change what the index is told to hold, and make what an encoder lacks, without looking at the sources."""
        with writer_lock(self.folder, patience=PATIENCE), corruption_named(self.folder / FILE):
            store = Store.create(self.folder)
            try:
                with store.transaction():
                    self.settings = change(kept_settings(store))
                    keep_settings(store, self.settings)
                    notes = self._encoder(store, name, Changes()) + self._compressed(store, name)
                sweep(self.folder, Catalogue(store))
                self._derive(store)
                return tuple(notes)
            finally:
                store.close()

    def _run(self, store: Store) -> BuildReport:
        catalogue = Catalogue(store)
        sweep(self.folder, catalogue)
        kept = kept_settings(store)
        if kept.sources and (kept.kind, kept.comments, kept.granularities) != (
            self.settings.kind,
            self.settings.comments,
            self.settings.granularities,
        ):
            self.fresh = True  # documents that did not change would keep their old units
        if kept.sources and kept.vectors_for != self.settings.vectors_for:
            with store.transaction():  # made again with the next vectors; what stays the same is in the cache
                for encoder in catalogue.encoders().values():
                    forget_encoder(catalogue, encoder)
                keep_settings(store, replace(kept, vectors_for=self.settings.vectors_for))
        notes: list[str] = []
        if not catalogue.encoders():
            with store.transaction():  # searchable by its words while the first vectors are made
                changes = update_documents(self._updater(store), fresh=self.fresh)
            if self.settings.encoders:
                with store.transaction():
                    notes += self._vectors(store, changes, in_parts=True)
            with store.transaction():  # not before: the vectors of the first segments come first
                self._merge(store)
        else:
            with store.transaction():
                changes = update_documents(self._updater(store), fresh=self.fresh)
                notes += self._vectors(store, changes)
                self._merge(store)
        sweep(self.folder, catalogue)
        sweep_encoders(self.folder, catalogue)
        self._derive(store)
        return BuildReport(changes, store.generation, tuple(notes))

    def _merge(self, store: Store) -> bool:
        merged = merge_where_worthwhile(self.folder, Catalogue(store))
        if merged:
            store.next_generation()  # whoever holds the index open must look at the new segments
        return merged

    def _updater(self, store: Store) -> Updater:
        return Updater(self.folder, store, self.settings, self.progress)

    def _vectors(self, store: Store, changes: Changes, *, in_parts: bool = False) -> list[str]:
        """Let every wanted encoder cover every live unit."""
        notes = []
        for name in self.settings.encoders:
            notes += self._encoder(store, name, changes, in_parts=in_parts)
            notes += self._compressed(store, name)
        return notes

    def _compressed(self, store: Store, name: str) -> list[str]:
        """Compress the vectors of an encoder where the settings ask for it and they are whole still."""
        kept = Catalogue(store).encoders().get(name)
        if not self.settings.compress or kept is None or name == LSA:
            return []
        if compressed_folder(self.folder, kept.fingerprint).is_dir():
            return []
        from tellapart.encoders.compressed import CompressionSpec
        from tellapart.index.compressing import compress, is_compressible

        base = self.load(name)
        if not is_compressible(name, base):
            return []
        spec = CompressionSpec.parse(self.settings.compress)
        made = compress(self.folder, store, kept, base, spec, self.progress)
        return [f"{name}: vectors are kept as {spec}, {made.dim} of {base.dim} dimensions"]

    def _encoder(
        self, store: Store, name: str, changes: Changes, *, in_parts: bool = False, renew: bool = True
    ) -> list[str]:
        """Let an encoder cover every live unit.

        `in_parts` lets readers see the vectors of the first segments early. Without `renew` the vectors of another
        version of the encoder stay: a search must not encode a whole corpus.
        """
        from tellapart.index.embedding import in_words, pooled_levels, units_in  # words alone need it not

        catalogue = Catalogue(store)
        segments = live_segments(self.folder, catalogue)
        kept = catalogue.encoders().get(name)
        if name == LSA and segments and not _levels(segments, (), of_images=False):
            return ["lsa: the index holds images only, and no text that it could be fitted to"]
        encoder, fitted = self._load(store, name, segments, kept, changes)
        pools = encoder  # what is pooled is known of the encoder itself
        if kept and (compressed := self._as_compressed(encoder, kept)):
            encoder = compressed
        if kept and kept.fingerprint != encoder.fingerprint:
            if not renew:
                return []
            forget_encoder(catalogue, kept)
            kept = None
        levels = _levels(segments, self.settings.granularities, of_images=isinstance(encoder, OfImages))
        pooled = pooled_levels(pools, levels, self._encoded(kept))
        before = kept or StoredEncoder(name, encoder.fingerprint, encoder.dim, levels, fitted)
        wanted = replace(before, granularities=levels, fitted=fitted, pooled=pooled)
        missing = _missing(catalogue, segments, wanted)
        if wanted == kept and not missing:
            return []
        embedder = self._embedder(store, encoder, None if name == LSA else self.cache, pooled)

        def commit() -> None:
            catalogue.put_encoder(wanted)
            store.next_generation()
            store.commit_so_far()

        embedder.cover(missing, commit=commit if in_parts else None)
        for number, _ in catalogue.segments() if before.pooled != pooled else ():
            for level in set(before.pooled) - set(pooled):
                catalogue.remove_files(number, vectors_name(before.fingerprint, level, before.pooled))
        after = embedder.added_to(wanted)
        catalogue.put_encoder(after)
        store.next_generation()
        what = "images" if isinstance(encoder, OfImages) else "units"
        encoded = f"{name}: {units_in(missing):,} {what} have vectors now"
        return ["; ".join(part for part in (encoded, in_words(after)) if part)]

    def _as_compressed(self, base: Encoder, kept: StoredEncoder) -> Encoder | None:
        """Give an encoder with the compression by which its vectors are kept, if that is what the settings ask for."""
        if not self.settings.compress or kept.fingerprint == base.fingerprint:
            return None
        from tellapart.encoders.compressed import CompressedEncoder

        made = as_kept(self.folder, base, kept.fingerprint)
        wanted = isinstance(made, CompressedEncoder) and str(made.spec) == self.settings.compress
        return made if wanted and made.fingerprint == kept.fingerprint else None

    def _encoded(self, kept: StoredEncoder | None) -> set[Granularity]:
        """Levels whose units are to be encoded by themselves: asked for, or done before."""
        before = set(kept.granularities) - set(kept.pooled) if kept else set()
        sentences = {Granularity.SENTENCE} & set(self.settings.granularities)
        return before | sentences | set(self.settings.encoded)

    def _embedder(
        self, store: Store, encoder: Encoder, cache: VectorCache | None, pooled: tuple[Granularity, ...]
    ) -> Embedder | ImageEmbedder:
        if not isinstance(encoder, OfImages):
            from tellapart.index.embedding import Embedder

            wanted = documents_named(store, kept_settings(store).vectors_for)
            return Embedder(store, encoder, cache, self.progress, pooled=pooled, wanted=wanted)
        from tellapart.index.image_vectors import ImageEmbedder

        return ImageEmbedder(self.folder, store, self.settings, encoder, cache, self.progress)

    def _load(
        self,
        store: Store,
        name: str,
        segments: Sequence[Segment],
        kept: StoredEncoder | None,
        changes: Changes,
    ) -> tuple[Encoder, int]:
        if name == LSA:
            return fitted_lsa(self.folder, store, segments, kept, changes, self.progress)
        try:
            return self.load(name), 0
        except TellapartError:
            if kept:
                need_spec(name, self.folder)
            raise

    def _derive(self, store: Store) -> None:
        """Build what speeds up large indexes; without it a search is only slower."""
        if not Catalogue(store).encoders():
            return
        snapshot = FolderSnapshot(self.folder, store)
        for name, encoder in snapshot.encoders.items():
            spec = kept_spec(self.folder, encoder.fingerprint)
            coded_rows = 1 if spec is not None and spec.coded else CODED_ROWS
            for granularity in encoder.granularities:
                build_derived(
                    snapshot.vectors(name, granularity), progress=self.progress, coded_rows=coded_rows
                )


def _union(kept: tuple[T, ...], more: Sequence[T]) -> tuple[T, ...]:
    return tuple(dict.fromkeys((*kept, *more)))


def _levels(
    segments: Sequence[Segment], chosen: tuple[Granularity, ...], *, of_images: bool
) -> tuple[Granularity, ...]:
    """Levels that an encoder is to cover: the image, or all of texts."""
    present = set().union(*(segment.granularities for segment in segments)) if segments else set()
    seen = (g for g in Granularity if g in present and (KIND_OF[g] is Kind.IMAGE) == of_images)
    return tuple(g for g in seen if not chosen or g in chosen)


def _missing(
    catalogue: Catalogue, segments: Sequence[Segment], wanted: StoredEncoder
) -> list[tuple[Segment, list[Granularity]]]:
    """Find which levels of which segments have no vectors yet."""
    missing = []
    for segment in segments:
        present = {file.name for file in catalogue.files(segment.number)}
        without = [
            level
            for level in wanted.granularities
            if level in segment.granularities
            and vectors_name(wanted.fingerprint, level, wanted.pooled) not in present
        ]
        if without:
            missing.append((segment, without))
    return missing


def documents_named(store: Store, globs: Sequence[str]) -> Callable[[int], bool] | None:
    """Tell by its number whether a document's path or id is named by globs; None where there are no globs."""
    if not globs:
        return None
    from tellapart.corpus.ignore import Named

    named = Named(globs)
    rows = store.connection.execute("SELECT number, id, COALESCE(path, id) FROM documents")
    return {number for number, name, path in rows if named.covers(name) or named.covers(path)}.__contains__
