"""Which encoder an index uses unless another is named, and the change from one to another, which can be taken back.

Two values in the store say it: the encoder in use, and the last change (from, to, and the verdict that held before).
The vectors of both encoders stay, and both are kept up to date, until the change is finished.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from tellapart.errors import TellapartError
from tellapart.index.catalogue import VERDICT, Catalogue, StoredEncoder
from tellapart.index.lock import PATIENCE, writer_lock
from tellapart.index.segments import sweep, vectors_folder
from tellapart.index.settings import keep_settings, kept_settings
from tellapart.index.snapshot import IN_USE
from tellapart.index.store import FILE, Store, corruption_named

CHANGE = "encoder_change"


@dataclass(frozen=True, slots=True)
class EncoderChange:
    """A change of the encoder in use; `added` says that the new one came with it, `verdict` is the record before."""

    old: str
    new: str
    added: bool
    verdict: str | None = None


def encoder_in_use(store: Store) -> str | None:
    """Name the encoder that searches use unless another is named; None where nobody ever changed it."""
    return store.meta(IN_USE) or None


def encoder_change(store: Store) -> EncoderChange | None:
    """Give the last change that is not finished."""
    kept = store.meta(CHANGE)
    return EncoderChange(**json.loads(kept)) if kept else None


def begin_change(folder: Path, old: str, new: str) -> None:
    """Note that an index is to change its encoder: until `switch_encoder` the old one stays in use."""
    with _writing(folder) as store:
        before = encoder_change(store)
        added = new not in Catalogue(store).encoders()
        if before is not None and before.new == new:
            added = before.added
        store.set_meta(IN_USE, old)
        store.set_meta(CHANGE, json.dumps(asdict(EncoderChange(old, new, added))))
        store.next_generation()


def switch_encoder(folder: Path, name: str, verdict: str) -> None:
    """Let searches use the new encoder of the change, and follow the record `verdict` from now on: one generation."""
    with _writing(folder) as store:
        change, catalogue = encoder_change(store), Catalogue(store)
        if change is None or name not in catalogue.encoders():
            raise TellapartError(f"{folder} changed meanwhile: run 'tellapart migrate' again")
        if encoder_in_use(store) != name:
            before = EncoderChange(change.old, change.new, change.added, store.record(VERDICT))
            store.set_meta(CHANGE, json.dumps(asdict(before)))
        store.set_meta(IN_USE, name)
        catalogue.put_record(VERDICT, verdict)
        store.next_generation()


def roll_back(folder: Path) -> EncoderChange:
    """Let searches use the encoder, and follow the verdict, that they did before the change: one generation.

    Raises:
        TellapartError: There is nothing to go back to.
    """
    with _writing(folder) as store:
        change, catalogue = encoder_change(store), Catalogue(store)
        if change is None:
            raise TellapartError(
                f"{folder} has no change of encoder to take back: 'tellapart migrate --to' makes one"
            )
        if encoder_in_use(store) != change.new:
            raise TellapartError(f"{folder} uses {change.old} already, as before the change to {change.new}")
        store.set_meta(IN_USE, change.old)
        if change.verdict is None:
            catalogue.remove_record(VERDICT)
        else:
            catalogue.put_record(VERDICT, change.verdict)
        store.next_generation()
        return change


def finish_change(folder: Path) -> str | None:
    """Drop the encoder that is not in use any more, for good, and say which; None where it was there before.

    Raises:
        TellapartError: There is no change to finish.
    """
    with _reading(folder) as store:
        change, used = encoder_change(store), encoder_in_use(store)
        held = Catalogue(store).encoders()
    if change is None:
        raise TellapartError(f"{folder} has no change of encoder to finish")
    left = change.old if used == change.new else change.new
    dropped = left if left in held and (left == change.old or change.added) else None
    if dropped is not None:
        drop_encoder(folder, dropped)
    with _writing(folder) as store:
        store.set_meta(CHANGE, "")
    return dropped


@contextmanager
def _writing(folder: Path) -> Iterator[Store]:
    with writer_lock(folder, patience=PATIENCE), corruption_named(folder / FILE):
        store = Store.create(folder)
        try:
            with store.transaction():
                yield store
        finally:
            store.close()


@contextmanager
def _reading(folder: Path) -> Iterator[Store]:
    with corruption_named(folder / FILE):
        store = Store.open(folder)
        try:
            with store.reading():
                yield store
        finally:
            store.close()


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
