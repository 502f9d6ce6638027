"""Progress bars on stderr, only where a person is watching and only when it takes a while."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tellapart.progress import Advance, Progress, silent

PATIENCE_SECONDS = 1.0
"""Work that ends sooner shows no bar: it would only flicker."""


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
    """A rich progress bar that is made when the work turns out to take long."""

    def __init__(self, label: str, total: int | None) -> None:
        self.label = label
        self.total = total
        self.done = 0
        self.started = time.monotonic()
        self._bar: object | None = None
        self._task: object | None = None

    def advance(self, count: int) -> None:
        self.done += count
        if self._bar is None and time.monotonic() - self.started > PATIENCE_SECONDS:
            self._open()
        if self._bar is not None:
            self._bar.update(self._task, completed=self.done)  # type: ignore[attr-defined]

    def _open(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        bar = Progress(*columns, console=Console(stderr=True), transient=True)
        bar.start()
        self._task = bar.add_task(self.label, total=self.total)
        self._bar = bar

    def close(self) -> None:
        if self._bar is not None:
            self._bar.stop()  # type: ignore[attr-defined]
