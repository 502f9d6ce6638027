"""Keeping an index fresh while its files change."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tellapart.engine.building import builder
from tellapart.engine.opened import ENCODED_CHARACTERS
from tellapart.errors import LockedIndexError, TellapartError
from tellapart.index.catalogue import Catalogue
from tellapart.index.freshness import changed_sources, differences, sources_are_there
from tellapart.index.settings import kept_settings, located
from tellapart.index.store import Store
from tellapart.progress import Progress, silent

SETTLED_MS, LONGEST_MS = 200, 2_000
"""Changes are taken over when nothing has changed for so long, and after the second in any case: an editor writes a
file in several steps, a checkout takes seconds."""

WAKE_MS = 500
"""The first look comes so long after watching has begun, so that nothing falls between the two."""

LOOK_SECONDS = 30.0
"""Without any event the files are looked at so often: network folders send none, and a full queue loses some."""

RETRY_SECONDS = 1.0
"""Between two tries where another process is writing."""


@dataclass(frozen=True, slots=True)
class WatchUpdate:
    """What one round brought into the index, in documents; `message` is a sentence where something stood in the way."""

    added: int = 0
    changed: int = 0
    removed: int = 0
    seconds: float = 0.0
    message: str | None = None


def watch_index(
    folder: Path,
    told: Callable[[WatchUpdate], None],
    *,
    stop: threading.Event | None = None,
    progress: Progress = silent,
) -> None:
    """Take over changes of the sources as they happen, until `stop` is set or Ctrl-C raises KeyboardInterrupt.

    Words are searchable at once, vectors follow. Other processes may write the index meanwhile: this one waits.

    Args:
        folder: Of an existing index.
        told: Is given every update that changed something, or failed.
        stop: Ends it from another thread.
        progress: Reports on making vectors.

    Raises:
        TellapartError: There is no index, or none any more.
    """
    stop = stop or threading.Event()
    last = None
    for _ in _wakes(folder, stop):
        while not stop.is_set():
            update, again = _round(folder, progress)
            # What stands in the way is said once, however often it is tried.
            if update is not None and (update.message is None or update != last):
                told(update)
            last = update
            if not again:
                break
            stop.wait(RETRY_SECONDS)


def _wakes(folder: Path, stop: threading.Event) -> Iterator[None]:
    """Yield once at the start, then whenever files may have changed."""
    import watchfiles

    matters = partial(_matters, os.path.join(os.path.realpath(folder), ""))
    next_look = 0.0
    while not stop.is_set():
        with closing(Store.open(folder)) as store:
            paths = [path for path in located(kept_settings(store).sources, folder) if os.path.exists(path)]
        if not paths:  # said by the round; they may come back
            yield
            stop.wait(RETRY_SECONDS)
            continue
        single = not all(map(os.path.isdir, paths))
        changes = watchfiles.watch(
            *paths,
            watch_filter=matters,
            debounce=LONGEST_MS,
            step=SETTLED_MS,
            stop_event=stop,
            rust_timeout=WAKE_MS,
            yield_on_timeout=True,
            ignore_permission_denied=True,
        )
        for number, batch in enumerate(changes):
            # The first round sees what changed before anybody watched.
            if batch or number == 0 or time.monotonic() >= next_look:
                yield
                next_look = time.monotonic() + LOOK_SECONDS
            if batch and single:
                break  # a file that was replaced is another one for the system: watch that


def _matters(own: str, _: object, path: str) -> bool:
    """Whether a change can matter: not one of the index itself, nor of git's own files."""
    return not (path.startswith(own) or f"{os.sep}.git{os.sep}" in path)


def _round(folder: Path, progress: Progress) -> tuple[WatchUpdate | None, bool]:
    """Take over what differs from the index; says what was done, and whether to try again soon."""
    started = time.perf_counter()
    with closing(Store.open(folder)) as store:
        settings = kept_settings(store)
        if not sources_are_there(settings, folder):
            return WatchUpdate(message=f"the sources of {folder} are gone: waiting for them"), True
        found = differences(folder, store)
        sources = changed_sources(folder, store, found) if found else []
        encoders = tuple(Catalogue(store).encoders())
    rereading = builder(folder, settings, progress=progress)
    try:
        if found:
            changes = rereading.reread(sources, encoded_characters=ENCODED_CHARACTERS)
            if changes.characters > ENCODED_CHARACTERS:
                for name in encoders:
                    rereading.add_encoder(name)
            if changes.any:
                took = time.perf_counter() - started
                return WatchUpdate(changes.added, changes.changed, changes.removed, took), False
    except LockedIndexError:
        return WatchUpdate(message=f"another process is writing {folder}: waiting for it"), True
    except (TellapartError, OSError) as error:
        return WatchUpdate(message=str(error)), False
    return None, False
