"""Doing without an encoder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tellapart.errors import TellapartError
from tellapart.index.catalogue import Catalogue, StoredEncoder
from tellapart.index.lock import PATIENCE, writer_lock
from tellapart.index.segments import sweep, vectors_folder
from tellapart.index.settings import keep_settings, kept_settings
from tellapart.index.store import FILE, Store, corruption_named


def forget_encoder(catalogue: Catalogue, encoder: StoredEncoder) -> None:
    """Drop an encoder and its vectors; part of the caller's transaction."""
    for number, _ in catalogue.segments():
        catalogue.remove_files(number, f"{vectors_folder(encoder.fingerprint)}/")
    catalogue.remove_encoder(encoder.name)


def drop_encoder(folder: Path, name: str) -> None:
    """Remove an encoder's vectors from an index, for good."""
    with writer_lock(folder, patience=PATIENCE), corruption_named(folder / FILE):
        store = Store.create(folder)
        try:
            catalogue = Catalogue(store)
            with store.transaction():
                settings, made = kept_settings(store), catalogue.encoders()
                if name not in made and name not in settings.encoders:
                    held = ", ".join(dict.fromkeys((*made, *settings.encoders))) or "none"
                    raise TellapartError(f"the index {folder} has no encoder {name!r} (it has: {held})")
                if name in made:  # one that failed before it made any vectors is only asked for
                    forget_encoder(catalogue, made[name])
                left = tuple(each for each in settings.encoders if each != name)
                keep_settings(store, replace(settings, encoders=left, words_only=not left))
                store.next_generation()
            sweep(folder, catalogue)
        finally:
            store.close()
