"""Long work that a caller asks for and comes back to: one of a kind at a time, known to all workers of a server."""

from __future__ import annotations

import json
import os
import re
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from tellapart.engine import Index
from tellapart.errors import TellapartError
from tellapart.progress import Advance, Progress

KEPT = 32
"""Finished jobs that are remembered."""

TOLD_SECONDS = 0.2
"""How often progress is written for other workers to read, in seconds: what a person who looks on takes for at once."""

Work = Callable[[Progress], dict[str, Any]]


@dataclass
class JobState:
    """How far a job is; `state` is running, done or failed."""

    id: str
    subject: str
    state: str = "running"
    step: str = ""
    done: int = 0
    total: int | None = None
    result: dict[str, Any] | None = None
    error: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Give it in the documented shape."""
        return {
            "id": self.id,
            "state": self.state,
            "step": self.step,
            "done": self.done,
            "total": self.total,
            "result": self.result,
            "error": self.error,
        }


@dataclass
class Job(JobState):
    """Work in a thread of this process."""

    finished: threading.Event = field(default_factory=threading.Event)
    told: Callable[[], None] = lambda: None

    @contextmanager
    def progress(self, label: str, total: int | None) -> Iterator[Advance]:
        """Tell what is being done; a `tellapart.progress.Progress`."""
        self.step, self.done, self.total = label, 0, total
        self.told()

        def advance(count: int) -> None:
            self.done += count
            self.told()

        yield advance


class Jobs:
    """Jobs by id; the same subject is never worked on twice at a time.

    What a job says is written to `folder`, so that any worker of a server can tell it; a lock that the kernel gives
    back shows whether the worker that runs it still lives.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._own = None if folder is not None else tempfile.TemporaryDirectory(prefix="tellapart-jobs-")
        self.folder = folder or Path(self._own.name if self._own else "")
        self._jobs: dict[str, Job] = {}
        self._lock = threading.Lock()

    def start(self, subject: str, work: Work) -> JobState:
        """Begin, or give the job that is running for this subject."""
        with self._lock:
            lock = FileLock(self._file(subject, "lock"), thread_local=False)
            try:
                lock.acquire(blocking=False)
            except Timeout:
                running = self.latest(subject)
                if running is None:
                    raise TellapartError("another worker is about to start this: ask again") from None
                return running
            job = Job(uuid.uuid4().hex[:12], subject)
            job.told = _Teller(job, self.folder)
            job.told()
            self._file(subject, "latest").write_text(job.id)
            self._jobs[job.id] = job
            for old in [each for each in self._jobs.values() if each.state != "running"][:-KEPT]:
                del self._jobs[old.id]
                with suppress(OSError):
                    (self.folder / f"{old.id}.json").unlink()
        threading.Thread(target=self._run, args=(job, work, lock), name=f"job {job.id}", daemon=True).start()
        return job

    def get(self, identifier: str) -> JobState:
        """Find a job, in whatever worker it runs.

        Raises:
            TellapartError: There is none of that id.
        """
        job = self._jobs.get(identifier) or self._read(identifier)
        if job is None:
            raise TellapartError(f"no job {identifier!r}: start one, then ask by the id it was given")
        return job

    def report(self, subject: str) -> Path:
        """Where the page about the newest job for a subject is kept."""
        return self._file(subject, "html")

    def latest(self, subject: str) -> JobState | None:
        """The newest job for a subject."""
        with suppress(OSError, TellapartError):
            return self.get(self._file(subject, "latest").read_text())
        return None

    def _read(self, identifier: str) -> JobState | None:
        if not re.fullmatch("[0-9a-f]{12}", identifier):
            return None
        try:
            job = JobState(**json.loads((self.folder / f"{identifier}.json").read_text()))
        except (OSError, ValueError, TypeError):
            return None
        if job.state == "running" and self._ended(job.subject):
            job.state, job.error = (
                "failed",
                "the process that did this ended before it was done: start it again",
            )
        return job

    def _ended(self, subject: str) -> bool:
        lock = FileLock(self._file(subject, "lock"), thread_local=False)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            return False
        lock.release()
        return True

    def _file(self, subject: str, kind: str) -> Path:
        return self.folder / f"{blake2b(subject.encode(), digest_size=8).hexdigest()}.{kind}"

    def _run(self, job: Job, work: Work, lock: FileLock) -> None:
        try:
            job.result = work(job.progress)
            job.state = "done"
        except TellapartError as error:
            job.error, job.state = str(error), "failed"
        except Exception as error:  # the server lives on, and says what happened
            job.error, job.state = f"{type(error).__name__}: {error}", "failed"
        finally:
            job.told()
            job.finished.set()
            lock.release()


class _Teller:
    """Writes what a job says, at once when it ends, else not too often."""

    def __init__(self, job: Job, folder: Path) -> None:
        self._job, self._folder, self._last = job, folder, 0.0

    def __call__(self) -> None:
        now = time.monotonic()
        if self._job.state == "running" and now - self._last < TOLD_SECONDS:
            return
        self._last = now
        shape = {**self._job.to_json(), "subject": self._job.subject}
        beside = self._folder / f".{self._job.id}"
        with suppress(OSError):  # a full disk ends no job; this worker still knows
            beside.write_text(json.dumps(shape))
            os.replace(beside, self._folder / f"{self._job.id}.json")


def evaluation(folder: Path, *, keep: bool, judged: Path | None = None, report: Path | None = None) -> Work:
    """Compare the configurations of an index; `keep` lets search follow what comes out.

    Args:
        folder: Of the index, or the address of a published one.
        keep: Whether searches follow the verdict.
        judged: Folder with queries.jsonl and qrels.tsv; None = queries made from the index's own texts.
        report: Where the page about it is written.

    Returns:
        The work for a job; its result is the verdict as `evaluate --json` prints it.
    """

    def work(progress: Progress) -> dict[str, Any]:
        from tellapart.experiments import evaluate, read_query_set
        from tellapart.experiments.report.page import contents_of, render

        with Index.open(folder) as index:
            queries = None
            if judged is not None:
                queries = read_query_set(index, judged / "queries.jsonl", judged / "qrels.tsv")
            verdict = evaluate(index, queries, keep=keep, progress=progress)
            if report is not None and verdict.queries:
                command = f"tellapart evaluate --index {index.place}"
                report.write_text(render(contents_of(index, verdict, queries, command=command)))
            return verdict.to_json()

    return work
