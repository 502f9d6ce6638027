"""A judging session as a file: every answer is on the disk before the next question is asked."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from tellapart.errors import TellapartError
from tellapart.experiments.judging.asking import Judging, JudgingQuestion
from tellapart.experiments.judging.pools import DEPTH, Pools
from tellapart.experiments.qrels import LARGEST_NUMBER, Qrels
from tellapart.experiments.textfiles import replacing

if TYPE_CHECKING:
    from filelock import BaseFileLock

FORMAT = 1
KEY = "tellapart judging"


@dataclass(frozen=True, slots=True)
class Answer:
    """A grade given to a document for a query; None where the person could not say."""

    query: str
    document: str
    grade: int | None


class Session:
    """The answers of one person to the questions of one `Judging`, kept in an append-only file of JSON lines.

    The first line names the leaders, then comes one line per query with the leaders' lists, then one line
    per event: a query begun with its probability, an answer, an answer taken back. The file is replayed on
    opening, so a session goes on with the lists it began with even if the index has changed since.
    """

    def __init__(self, path: Path, texts: Mapping[str, str], pools: Pools, seed: int) -> None:
        self.path = path
        self.texts = texts
        self.pools = pools
        self._seed = seed
        self._rows = {query: row for row, query in enumerate(pools.queries)}
        self._begun: list[tuple[str, float, int]] = []
        self._answers: list[Answer] = []
        self._again: JudgingQuestion | None = None
        self._stream: IO[bytes] | None = None
        self._lock: BaseFileLock | None = None
        self.judging = Judging(pools, seed=seed)

    @classmethod
    def create(cls, path: Path, texts: Mapping[str, str], pools: Pools, *, seed: int = 0) -> Session:
        """Start a session in a file that does not exist yet."""
        head = {KEY: FORMAT, "depth": pools.depth, "leaders": pools.leaders, "seed": seed}
        with replacing(path) as stream:
            stream.write(_line(head))
            for query, lists in zip(pools.queries, pools.lists, strict=True):
                stream.write(_line({"query": query, "text": texts[query], "lists": lists}))
        return cls.open(path)

    @classmethod
    def open(cls, path: Path) -> Session:
        """Go on with a session; an event that a crash left half written is dropped.

        Raises:
            TellapartError: The file cannot be read or is no session.
        """
        lock = _locked(path)
        try:
            stream = _opened(path)
        except TellapartError:
            lock.release()
            raise
        try:
            head, queries, events, length = _parsed(path, stream.read())
            texts = {record["query"]: record["text"] for record in queries}
            lists = [tuple(tuple(documents) for documents in record["lists"]) for record in queries]
            pools = Pools.of(list(texts), head["leaders"], lists, depth=head["depth"])
            session = cls(path, texts, pools, head["seed"])
            for event in events:
                session._take(event)
            session._replay()
            # What a crash left half written must not become a part of the next event.
            stream.truncate(length)
            stream.seek(length)
        except BaseException:
            stream.close()
            lock.release()
            raise
        session._stream, session._lock = stream, lock
        return session

    def question(self, *, begun_only: bool = False) -> JudgingQuestion | None:
        """Give the next question, the one just taken back first; None when nothing is left to ask."""
        if self._again is not None:
            return self._again
        known = len(self.judging.entered)
        question = self.judging.question(begun_only=begun_only)
        if len(self.judging.entered) > known:
            query, chance = self.judging.entered[-1], self.judging.probabilities[-1]
            event = {"begin": self.pools.queries[query], "probability": chance}
            self._append(event)
            self._take(event)
        return question

    def document(self, question: JudgingQuestion) -> str:
        """Name the document that a question is about."""
        return self.pools.documents[question.query][question.slot]

    def answer(self, question: JudgingQuestion, grade: int | None) -> None:
        """Keep an answer on the disk, then take it into account."""
        query = self.pools.queries[question.query]
        event = {"answer": query, "document": self.document(question), "grade": grade}
        self._append(event)
        self._take(event)
        self._again = None
        self.judging.answer(question, grade)

    def undo(self) -> bool:
        """Take the last answer back, so that it is asked again; False when there is none."""
        if not self._answers:
            return False
        last = self._answers[-1]
        self._append({"undo": True})
        self._take({"undo": True})
        self._replay()
        self._again = self._question(last)
        return True

    def skip_query(self, question: JudgingQuestion) -> None:
        """Keep for every document of the query that is not judged yet that the person could not say."""
        for slot in (~self.judging.known[question.query]).nonzero()[0]:
            self.answer(JudgingQuestion(question.query, int(slot)), None)

    def qrels(self) -> Qrels:
        """Give the judgements of every query whose pool is complete, in the order in which they were begun."""
        complete = {self.pools.queries[row] for row in self.judging.entered if self.judging.complete[row]}
        grades: dict[str, dict[str, int]] = {}
        for answer in self._answers:
            if answer.query in complete and answer.grade is not None:
                grades.setdefault(answer.query, {})[answer.document] = answer.grade
        return Qrels(grades)

    def close(self) -> None:
        """Release the file."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def _take(self, event: Mapping[str, Any]) -> None:
        if "begin" in event:
            self._begun.append((event["begin"], event["probability"], len(self._answers)))
        elif "answer" in event:
            self._answers.append(Answer(event["answer"], event["document"], event["grade"]))
        else:
            self._answers.pop()
            kept = len(self._answers)
            self._begun = [(query, chance, min(place, kept)) for query, chance, place in self._begun]

    def _replay(self) -> None:
        self.judging = Judging(self.pools, seed=self._seed)
        begun = iter(self._begun)
        upcoming = next(begun, None)
        for place, answer in enumerate(self._answers):
            while upcoming is not None and upcoming[2] <= place:
                self.judging.enter(self._rows[upcoming[0]], upcoming[1])
                upcoming = next(begun, None)
            self.judging.answer(self._question(answer), answer.grade)
        while upcoming is not None:
            self.judging.enter(self._rows[upcoming[0]], upcoming[1])
            upcoming = next(begun, None)

    def _question(self, answer: Answer) -> JudgingQuestion:
        row = self._rows[answer.query]
        return JudgingQuestion(row, self.pools.documents[row].index(answer.document))

    def _append(self, event: Mapping[str, object]) -> None:
        if self._stream is None:
            raise ValueError("the session is closed")
        try:
            self._stream.write(_line(event).encode())
            self._stream.flush()
            os.fsync(self._stream.fileno())
        except OSError as refused:
            raise TellapartError(
                f"cannot write {self.path}: {refused.strerror or refused}; the answers before this one are kept"
            ) from None


def _opened(path: Path) -> IO[bytes]:
    try:
        return path.open("r+b")
    except OSError as refused:
        raise TellapartError(
            f"cannot open {path}: {refused.strerror or refused}; make it readable and writable to go on"
        ) from None


def _locked(path: Path) -> BaseFileLock:
    """Take the session for this process; the kernel gives it back when the process ends."""
    from filelock import FileLock, Timeout

    lock = FileLock(path.with_name(f".{path.name}.lock"), timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise TellapartError(
            f"another 'tellapart judge' is at work on {path}: go on there, or end it"
        ) from None
    except OSError as refused:
        raise TellapartError(f"cannot write beside {path}: {refused.strerror or refused}") from refused
    return lock


def _line(record: Mapping[str, object]) -> str:
    return json.dumps(record, ensure_ascii=False) + "\n"


def _parsed(path: Path, raw: bytes) -> tuple[dict[str, Any], list[dict[str, Any]], list[dict[str, Any]], int]:
    """Head, queries, events, and the length of what is whole."""
    whole = raw[: raw.rfind(b"\n") + 1]
    try:
        records = [json.loads(line) for line in whole.splitlines()]
        head = records[0]
        if head[KEY] != FORMAT:
            raise TellapartError(
                f"{path} was written by another version of tellapart (format {head[KEY]}); "
                "give another --qrels to start anew"
            )
        queries = [record for record in records[1:] if "query" in record]
        events = records[1 + len(queries) :]
        _check(head, queries, events)
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        raise TellapartError(
            f"{path} is not a judging session, or is damaged; move it away, or give another --qrels"
        ) from None
    return head, queries, events, len(whole)


def _check(head: dict[str, Any], queries: Sequence[dict[str, Any]], events: Sequence[dict[str, Any]]) -> None:
    pooled = {q["query"]: {d for of in q["lists"] for d in of} for q in queries}
    answers = 0
    for event in events:
        if "answer" in event:
            answers += 1
            grade = event["grade"]
            if event["document"] not in pooled[event["answer"]] or not (
                grade is None or 0 <= grade <= LARGEST_NUMBER
            ):
                raise ValueError(event)
        elif "begin" in event:
            if not (event["begin"] in pooled and 0 < event["probability"] <= 1):
                raise ValueError(event)
        else:
            answers -= bool(event["undo"])
        if answers < 0:
            raise ValueError(event)
    if not (0 < head["depth"] <= 10 * DEPTH and len(head["leaders"]) > 1):
        raise ValueError(head)
