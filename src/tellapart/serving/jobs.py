"""Long work that a caller asks for and comes back to: one evaluation of an index at a time."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tellapart.engine import Index
from tellapart.errors import TellapartError
from tellapart.progress import Advance, Progress

KEPT = 32
"""Finished jobs that are remembered."""


@dataclass
class Job:
    """Work in a thread of its own; `state` is running, done or failed."""

    id: str
    subject: str
    state: str = "running"
    step: str = ""
    done: int = 0
    total: int | None = None
    result: dict[str, Any] | None = None
    error: str | None = None
    finished: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def progress(self, label: str, total: int | None) -> Iterator[Advance]:
        """Tell what is being done; a `tellapart.progress.Progress`."""
        self.step, self.done, self.total = label, 0, total

        def advance(count: int) -> None:
            self.done += count

        yield advance


class Jobs:
    """Jobs by id; the same subject is never worked on twice at a time."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)

    def start(self, subject: str, work: Callable[[Progress], dict[str, Any]]) -> Job:
        """Begin, or give the job that is running for this subject."""
        with self._lock:
            for job in self._jobs.values():
                if job.subject == subject and job.state == "running":
                    return job
            job = Job(str(next(self._numbers)), subject)
            self._jobs[job.id] = job
            for old in [each for each in self._jobs.values() if each.state != "running"][:-KEPT]:
                del self._jobs[old.id]
        threading.Thread(target=self._run, args=(job, work), name=f"job {job.id}", daemon=True).start()
        return job

    def get(self, identifier: str) -> Job:
        """Find a job.

        Raises:
            TellapartError: There is none of that id.
        """
        job = self._jobs.get(identifier)
        if job is None:
            raise TellapartError(f"no job {identifier!r}: start one, then ask by the id it was given")
        return job

    def latest(self, subject: str) -> Job | None:
        """The newest job for a subject."""
        return next((job for job in reversed(self._jobs.values()) if job.subject == subject), None)

    def _run(self, job: Job, work: Callable[[Progress], dict[str, Any]]) -> None:
        try:
            job.result = work(job.progress)
            job.state = "done"
        except TellapartError as error:
            job.error, job.state = str(error), "failed"
        except Exception as error:  # the server lives on, and says what happened
            job.error, job.state = f"{type(error).__name__}: {error}", "failed"
        finally:
            job.finished.set()


def evaluation(folder: Path, *, keep: bool) -> Callable[[Progress], dict[str, Any]]:
    """Compare the configurations of an index on queries made from its own texts; `keep` lets search follow.

    Returns the work for a job; its result is the verdict as `evaluate --json` prints it.
    """

    def work(progress: Progress) -> dict[str, Any]:
        from tellapart.experiments import evaluate

        index = Index.open(folder)
        try:
            return evaluate(index, keep=keep, progress=progress).to_json()
        finally:
            index.close()

    return work
