"""Progress bars on stderr, only where a person is watching and only when it takes a while."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tellapart.progress import Advance, Progress, silent

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

PATIENCE_SECONDS = 1.0
"""The screen stays still for so long at most; then whatever work is going on shows a bar."""

FLICKER_SECONDS = 0.1
"""Work that ends sooner shows no bar in any case."""


def terminal_progress() -> Progress:
    """Give a bar for a terminal, silence elsewhere."""
    return _bar if sys.stderr.isatty() else silent


@contextmanager
def _bar(label: str, total: int | None) -> Iterator[Advance]:
    bar = _LateBar(label, total)
    try:
        yield bar.advance
    finally:
        bar.close()


class _LateBar:
    """A rich progress bar that opens by itself when the work turns out to take long, whether it advances or not.

    Many short tasks in a row are long work, too: what counts is since when the screen has been still. One bar is
    on the screen at a time: work inside work shows none of its own.
    """

    _screen = threading.Lock()
    _still_since = time.monotonic()

    def __init__(self, label: str, total: int | None) -> None:
        self.label = label
        self.total = total
        self.done = 0
        self._bar: Bar | None = None
        self._changing = threading.Lock()
        self._closed = False
        still = time.monotonic() - _LateBar._still_since
        self._timer = threading.Timer(max(PATIENCE_SECONDS - still, FLICKER_SECONDS), self._open)
        self._timer.daemon = True
        self._timer.start()

    def advance(self, count: int) -> None:
        self.done += count
        self._show()

    def _show(self) -> None:
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=self.done)

    def _open(self) -> None:
        with self._changing:
            if not self._closed and self._screen.acquire(blocking=False):
                self._bar = _rich_bar(self.label, self.total)
                self._show()

    def close(self) -> None:
        self._timer.cancel()
        with self._changing:
            self._closed = True
            if self._bar is not None:
                self._bar.stop()
                self._bar = None
                _LateBar._still_since = time.monotonic()
                self._screen.release()


def _rich_bar(label: str, total: int | None) -> Bar:
    """Draw a bar; one that moves to and fro where nobody knows how much there is to do."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    measured: tuple[ProgressColumn, ...] = (MofNCompleteColumn(), TimeRemainingColumn())
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        *(measured if total else (TimeElapsedColumn(),)),
    )
    bar = Progress(*columns, console=Console(stderr=True), transient=True)
    bar.add_task(label, total=total)
    bar.start()
    return bar
