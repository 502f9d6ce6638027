"""A gallery's file, its encoder, and its rows in memory, kept in step."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import numpy as np

from tellapart.arguments import path_of
from tellapart.encoders.load import load_encoder
from tellapart.encoders.protocol import Encoder, Vectors
from tellapart.engine.results import frame_of
from tellapart.errors import LockedIndexError, StaleIndexError, TellapartError
from tellapart.identities import calibration as measured
from tellapart.identities.answers import Entry, Identity, Rows, Scoring
from tellapart.identities.calibration import ASSUMED, Assumed, Calibration
from tellapart.identities.file import VARIABLE
from tellapart.identities.matching import FITTED, Reference, Whitening, unit
from tellapart.identities.odds import Odds
from tellapart.identities.published import GalleryPlace, PublishedGallery
from tellapart.identities.store import GalleryStore, StoredView, Templates
from tellapart.identities.views import ViewReader

REMEASURED = 0.05
"""A calibration that took long is measured anew when the gallery grew by this share."""

QUICK = 20_000
"""Templates up to which a gallery is measured anew after every change: some seconds."""


class OpenGallery:
    """What every gallery can do: open, list, measure."""

    def __init__(self, store: GalleryStore, encoder: Encoder) -> None:
        self.store = store
        self.encoder = encoder
        self.reader = ViewReader(encoder)
        self.scoring = Scoring(store.settings["scoring"])
        self.keeps_pictures = bool(store.settings["pictures"])
        self._reference: Reference | None = None
        self._names: dict[int, str] = {}
        self._seen = (0, 0)
        self._calibration: tuple[tuple[int, int], Calibration] | None = None
        self._odds: dict[str, tuple[Calibration, Odds | None]] = {}

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        encoder: str | Encoder | None = None,
        scoring: str = Scoring.MEAN,
        passphrase: str | None = None,
        pictures: bool = False,
        create: bool = True,
    ) -> Self:
        """Open a gallery, or make one where there is none.

        Args:
            path: Its folder, or `postgresql://user@host/database?gallery=NAME` for a published one, which is only asked
                and stays as it was when it was opened.
            encoder: What turns items into vectors: a name as in `load_encoder`, or the encoder itself. None = the one
                the gallery was made with, `face` for a new one.
            scoring: `mean`, `max` or `svm` (see `Scoring`), for a new gallery.
            passphrase: Encrypts a new gallery, opens an encrypted one; None = the environment's TELLAPART_GALLERY_KEY.
            pictures: Whether a new gallery keeps the pictures beside the templates.
            create: Whether to make one.

        Raises:
            StaleIndexError: The gallery was made with another encoder.
            TellapartError: The key is missing or wrong, or there is no gallery.
            CorruptIndexError: The gallery is cut off or damaged.
        """
        passphrase = passphrase if passphrase is not None else os.environ.get(VARIABLE) or None
        if isinstance(path, str | Path) and (place := GalleryPlace.of(path)) is not None:
            return cls._opened(PublishedGallery.fetch(place, passphrase), encoder)
        folder = path_of(path, "path")
        if GalleryStore.encrypted(folder) is None and create:
            if folder.is_file():
                raise TellapartError(f"{folder} is a file, not a gallery: choose another name with --gallery")
            made = load_encoder(encoder or "face") if encoder is None or isinstance(encoder, str) else encoder
            settings = {
                "encoder": made.name,
                "fingerprint": made.fingerprint,
                "dim": made.dim,
                "scoring": parse_scoring(scoring).value,
                "pictures": pictures,
            }
            return cls._opened(GalleryStore.create(folder, settings, passphrase), made)
        return cls._opened(GalleryStore.open(folder, passphrase), encoder)

    @classmethod
    def _opened(cls, store: GalleryStore, encoder: str | Encoder | None) -> Self:
        try:
            return cls(store, _encoder_of(store, encoder))
        except BaseException:
            store.close()
            raise

    def close(self) -> None:
        """Release the file."""
        self.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def identities(self, *, cohort: bool = False) -> list[Identity]:
        """List the identities, or the strangers of the cohort."""
        return [each for each in self.store.identities() if each.cohort == cohort]

    def views(self, name: str) -> list[StoredView]:
        """List the templates of an identity."""
        return self.store.views_of(self._number(name))

    def to_frame(self) -> Any:  # noqa: ANN401
        """Give the identities as a frame of pandas or polars: name, templates, automatic, added, consent."""
        columns = ("name", "templates", "automatic", "added", "consent")
        return frame_of([{name: getattr(each, name) for name in columns} for each in self.identities()])

    def log(self) -> list[Entry]:
        """Read the audit log."""
        return self.store.entries()

    @property
    def assumed(self) -> Assumed | None:
        """What is known of the encoder's scores before anything is measured."""
        return ASSUMED.get(self.encoder.name)

    def calibrate(self) -> Calibration:
        """Measure what scores mean in this gallery as it is now.

        Raises:
            TellapartError: The gallery is empty.
        """
        reference, version = self.known(), self.store.version
        if self._calibration is not None and self._current(self._calibration[0], version):
            return self._calibration[1]
        large = version[0] > QUICK
        if large and (kept := self.store.calibration()) is not None:
            last = tuple(int(each) for each in kept[:32].split())
            if self._current((last[0], last[1]), version):
                self._calibration = ((last[0], last[1]), Calibration.from_bytes(kept[32:]))
                return self._calibration[1]
        dim = self.encoder.dim
        everyone = self.store.templates(dim)
        rows = measured.sampled(everyone)
        chosen = everyone.rows(rows)
        by_owner = {
            int(owner): np.flatnonzero(everyone.identities == owner) for owner in np.unique(chosen.identities)
        }

        def others(owner: int) -> Templates:
            return everyone.rows(by_owner[owner])

        found = measured.calibrate(reference, chosen, self.store.templates(dim, cohort=True), others)
        self._calibration = (version, found)
        if large and self.store.changeable:
            with suppress(LockedIndexError), self.store.writing():  # who writes now leaves another to keep it
                self.store.put_calibration(f"{version[0]} {version[1]}".ljust(32).encode() + found.to_bytes())
        return found

    def odds(self, kind: str) -> Odds | None:
        """Give the likelihood ratios of two views (`pair`) or of a view and an identity (`identity`), fitted once.

        None where no identity has two views.
        """
        calibration = self.calibrate()
        if kind not in self._odds or self._odds[kind][0] is not calibration:
            fit = calibration.pair_odds if kind == "pair" else calibration.identity_odds
            self._odds[kind] = (calibration, fit(self.assumed))
        return self._odds[kind][1]

    @staticmethod
    def _current(measured_at: tuple[int, int], version: tuple[int, int]) -> bool:
        if measured_at[1] != version[1]:
            return False
        grown = version[0] - measured_at[0]
        return grown == 0 or (version[0] > QUICK and grown < REMEASURED * measured_at[0])

    def _number(self, name: str) -> int:
        if (number := self.store.find(name)) is None:
            near = ", ".join(sorted(self.store.names().values())[:5])
            raise TellapartError(f"there is no identity {name!r} in this gallery; it has {near or 'none'}")
        return number

    def known(self) -> Reference:
        """Give the rows as the gallery is now, reading what came since."""
        version = self.store.version
        if self._reference is not None and version == self._seen:
            return self._reference
        grown = (
            self._reference is not None and version[1] == self._seen[1] and self.scoring is not Scoring.SVM
        )
        after = self._seen[0] if grown else 0
        found = self.store.templates(self.encoder.dim, after=after)
        if not grown:
            whitening = None
            if self.scoring is Scoring.SVM and len(np.unique(found.identities)) > 1:
                whitening = Whitening(_means(found.identities, found.vectors))
            self._reference = Reference(self.encoder.dim, self.scoring, whitening)
            self._names = {}
        assert self._reference is not None
        self._names.update(self.store.names(after=max(self._names, default=0)))
        self._reference.add(found.identities, found.automatic, found.qualities, found.vectors)
        self._seen = version
        return self._reference


def parse_scoring(name: str) -> Scoring:
    """Read the name of a scoring."""
    try:
        return Scoring(name)
    except ValueError:
        raise TellapartError(f"unknown scoring {name!r}: one of {', '.join(Scoring)}") from None


def _encoder_of(store: GalleryStore, wanted: str | Encoder | None) -> Encoder:
    settings = store.settings
    if wanted is None:
        encoder = load_encoder(settings["encoder"], home=store.folder.parent)
    else:
        encoder = load_encoder(wanted) if isinstance(wanted, str) else wanted
    if encoder.fingerprint != settings["fingerprint"]:
        raise StaleIndexError(
            f"the gallery {store.place} was made with the encoder {settings['encoder']}"
            f" ({settings['fingerprint'][:8]}), this is {encoder.name} ({encoder.fingerprint[:8]}), whose vectors mean"
            " something else: use the first one, or enrol anew into another gallery"
        )
    return encoder


def _means(owners: Rows, vectors: Vectors) -> Vectors:
    order = np.argsort(owners, kind="stable")
    _, starts = np.unique(owners[order], return_index=True)
    return unit(np.add.reduceat(vectors[order], starts, axis=0))[:FITTED]
