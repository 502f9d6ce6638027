"""Progress on stderr: a bar where a person is watching, a line now and then elsewhere, nothing for short work."""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tellapart.progress import Advance, Progress

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

PATIENCE_SECONDS = 1.0
"""The screen stays still for so long at most; then whatever work is going on shows a bar."""

FLICKER_SECONDS = 0.1
"""Work that ends sooner shows no bar in any case."""

LINE_SECONDS = 10.0
"""Between two lines where no terminal shows a bar."""

PACE_SECONDS = 60.0
"""The pace is that of so many seconds at most, so that an estimate follows a machine that got busy."""

GLANCE_SECONDS = 0.5
"""Between two looks at how far the work is."""


def terminal_progress() -> Progress:
    """Give a bar for a terminal, a line every ten seconds elsewhere."""
    return _reporting(_Bar if sys.stderr.isatty() else _Lines)


def _reporting(kind: type[_Bar | _Lines]) -> Progress:
    @contextmanager
    def report(label: str, total: int | None) -> Iterator[Advance]:
        shown = kind(label, total)
        try:
            yield shown.advance
        finally:
            shown.close()

    return report


class Pace:
    """How fast work goes and how long the rest will take, from what was done in the last minute.

    What is done within `GLANCE_SECONDS` of the start does not count: it was known already.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._started = clock()
        self._seen: deque[tuple[float, int]] = deque()

    def note(self, done: int) -> None:
        """Take down how much is done now."""
        now = self._clock()
        if self._seen and now - self._seen[-1][0] < GLANCE_SECONDS:
            return
        if not self._seen and now - self._started < GLANCE_SECONDS:
            return
        self._seen.append((now, done))
        while len(self._seen) > 2 and now - self._seen[1][0] >= PACE_SECONDS:
            self._seen.popleft()

    def per_second(self, done: int) -> float | None:
        """Items a second; None before anything can be said."""
        if not self._seen or done <= self._seen[0][1]:
            return None
        return (done - self._seen[0][1]) / max(self._clock() - self._seen[0][0], 1e-9)

    def words(self, done: int, total: int | None) -> str:
        """Say the pace and what is left: "1,234/s, 2:05 left"; empty before anything can be said."""
        rate = self.per_second(done)
        if rate is None:
            return ""
        left = "" if not total else f", {_clock_time((total - done) / rate)} left"
        return f"{rate:,.0f}/s{left}" if rate >= 10 else f"{rate:.1f}/s{left}"


def _clock_time(seconds: float) -> str:
    minutes, rest = divmod(max(round(seconds), 0), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


class _Bar:
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
        self._pace = Pace()
        self._bar: Bar | None = None
        self._changing = threading.Lock()
        self._closed = False
        still = time.monotonic() - _Bar._still_since
        self._timer = threading.Timer(max(PATIENCE_SECONDS - still, FLICKER_SECONDS), self._open)
        self._timer.daemon = True
        self._timer.start()

    def advance(self, count: int) -> None:
        self.done += count
        self._pace.note(self.done)
        self._show()

    def _show(self) -> None:
        if self._bar is not None:
            pace = self._pace.words(self.done, self.total)
            self._bar.update(self._bar.task_ids[0], completed=self.done, pace=pace)

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
                _Bar._still_since = time.monotonic()
                self._screen.release()


class _Lines:
    """A line every ten seconds of work; work inside work, and work that ends sooner, writes none."""

    _log = threading.Lock()

    def __init__(self, label: str, total: int | None) -> None:
        self.label = label
        self.total = total
        self.done = 0
        self._pace = Pace()
        self._mine = self._log.acquire(blocking=False)
        self._ended = threading.Event()
        if self._mine:
            threading.Thread(target=self._write, daemon=True).start()

    def advance(self, count: int) -> None:
        self.done += count
        self._pace.note(self.done)

    def _write(self) -> None:
        while not self._ended.wait(LINE_SECONDS):
            share = f" {self.done / self.total:.0%}" if self.total else ""
            pace = self._pace.words(self.done, self.total)
            sys.stderr.write(
                f"{self.label}:{share}{', ' if share and pace else ' '}{pace}".rstrip(": ") + "\n"
            )
            sys.stderr.flush()

    def close(self) -> None:
        self._ended.set()
        if self._mine:
            self._log.release()


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
    )

    measured: tuple[ProgressColumn, ...] = (MofNCompleteColumn(), TextColumn("{task.fields[pace]}"))
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        *(measured if total else (TimeElapsedColumn(),)),
    )
    bar = Progress(*columns, console=Console(stderr=True), transient=True)
    bar.add_task(label, total=total, pace="")
    bar.start()
    return bar
