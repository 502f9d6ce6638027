"""Judging by hand over HTTP: sessions kept with the index, questions, answers, how it stands."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import FastAPI
from pydantic import BaseModel, Field

from tellapart.engine import Configuration, Index
from tellapart.engine.results import Hit
from tellapart.errors import TellapartError
from tellapart.progress import Progress
from tellapart.serving.http_errors import UnknownIdError
from tellapart.serving.http_models import Body, ErrorShape, IndexName, JobShape, Text
from tellapart.serving.jobs import Work
from tellapart.serving.shared import Service

if TYPE_CHECKING:
    from tellapart.experiments.judging.session import Session

FOLDER = "judging"
"""In the index's folder: a folder for each session, with queries.jsonl, qrels.tsv and the session's own file."""

BUSY_SECONDS = 5.0
"""How long an answer waits for another one to the same session."""

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", examples=["first-look"])]


class JudgedQueryShape(BaseModel):
    """A query to judge results of."""

    id: str = Field(min_length=1, max_length=200)
    text: str = Field(min_length=1, max_length=10_000)


class JudgeBody(Body):
    """A new session; `configurations` are 2 to 4, the cheapest first (default: what leads)."""

    name: Name
    queries: Annotated[list[JudgedQueryShape], Field(min_length=1, max_length=2_000)]
    configurations: list[Text] = Field(default=[], max_length=4)
    index: IndexName = None


class JudgementBody(Body):
    """An answer to the question that was asked, named by its query and document.

    `grade`: 0 = no, 1 = yes, up to 3; null = cannot say. `action` undo takes the last answer back, skip leaves out the
    whole query.
    """

    query: str = ""
    document: str = ""
    grade: Annotated[int, Field(ge=0, le=3)] | None = None
    action: Literal["answer", "undo", "skip"] = "answer"
    index: IndexName = None


class AskedShape(BaseModel):
    """Is this document an answer? `hit` is its best passage, null where the index no longer has it."""

    query: str
    text: str
    document: str
    hit: Hit | None


class SessionShape(BaseModel):
    """A session: what is asked next (null: nothing is left) and how it stands."""

    name: str
    configurations: list[str]
    question: AskedShape | None
    standing: dict[str, Any]
    sentence: str
    judgements: int


class SessionsShape(BaseModel):
    """The sessions of an index."""

    sessions: list[str]


def add_judging(app: FastAPI, service: Service) -> None:
    """Add `/v1/judge`."""
    missing: dict[int | str, dict[str, Any]] = {404: {"model": ErrorShape}}

    @app.get("/v1/judge", response_model=SessionsShape)
    def sessions(index: str | None = None) -> dict[str, Any]:
        """List the sessions of judging by hand."""
        return {"sessions": _names(service.index(index).judging_home)}

    @app.post("/v1/judge", response_model=JobShape, status_code=202)
    def begin(body: JudgeBody) -> dict[str, Any]:
        """Start a session: search all queries with all configurations, which is a job."""
        folder = service.index(body.index).judging_home
        if body.name in _names(folder):
            raise TellapartError(
                f"there is a session {body.name!r} already: go on with it, or choose another name"
            )
        texts = {query.id: query.text for query in body.queries}
        if len(texts) < len(body.queries):
            raise TellapartError("two queries have the same id: give each its own")
        work = _pooling(folder, body.name, texts, body.configurations)
        return service.jobs.start(f"judge {folder} {body.name}", work).to_json()

    @app.get("/v1/judge/{name}", response_model=SessionShape, responses=missing)
    def session(name: Name, index: str | None = None) -> dict[str, Any]:
        """Give the next question and how it stands."""
        shared = service.index(index)
        with _opened(shared.judging_home, name) as judging, shared.use() as opened:
            return _state(name, judging, opened)

    @app.post("/v1/judge/{name}", response_model=SessionShape, responses=missing)
    def answer(name: Name, body: JudgementBody) -> dict[str, Any]:
        """Answer the question; the answer is on the disk before the next question is given."""
        from tellapart.experiments.qrels import write_qrels

        shared = service.index(body.index)
        with _opened(shared.judging_home, name) as judging, shared.use() as opened:
            question = judging.question()
            if body.action == "undo":
                judging.undo()
            elif question is not None and _is_about(judging, question, body):
                if body.action == "skip":
                    judging.skip_query(question)
                else:
                    judging.answer(question, body.grade)
            write_qrels(judging.qrels(), judged_folder(shared.judging_home, name) / "qrels.tsv")
            return _state(name, judging, opened)


def judged_folder(index: Path, name: str) -> Path:
    """Where the queries and judgements of a session lie.

    Raises:
        UnknownIdError: There is no such session.
    """
    known = _names(index)
    if name not in known:
        others = f", or choose {', '.join(known)}" if known else ""
        raise UnknownIdError(f"no session {name!r} of judging here: start it{others}")
    return index / FOLDER / name


def _names(index: Path) -> list[str]:
    return sorted(path.parent.name for path in (index / FOLDER).glob("*/qrels.tsv.session.jsonl"))


def _pooling(index: Path, name: str, texts: Mapping[str, str], configurations: list[str]) -> Work:
    def work(progress: Progress) -> dict[str, Any]:
        from tellapart.experiments.judging.leaders import default_leaders, pool
        from tellapart.experiments.judging.session import Session

        with Index.open(index) as opened:
            leaders = [Configuration.parse(each) for each in configurations] or default_leaders(opened)
            pools = pool(opened, leaders, texts, progress=progress)
        folder = index / FOLDER / name
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lines = [json.dumps({"_id": id, "text": text}, ensure_ascii=False) for id, text in texts.items()]
            (folder / "queries.jsonl").write_text("\n".join(lines) + "\n")
            Session.create(folder / "qrels.tsv.session.jsonl", texts, pools).close()
        except OSError as refused:
            raise TellapartError(f"cannot write {folder}: {refused.strerror or refused}") from refused
        return {"session": name}

    return work


@contextmanager
def _opened(index: Path, name: str) -> Iterator[Session]:
    """Open a session for one request: another worker may have the next one."""
    from tellapart.experiments.judging.session import Session

    path = judged_folder(index, name) / "qrels.tsv.session.jsonl"
    until = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            session = Session.open(path)
            break
        except TellapartError as busy:
            if not re.match("another 'tellapart judge'", str(busy)) or time.monotonic() > until:
                raise
            time.sleep(0.02)
    try:
        yield session
    finally:
        session.close()


def _is_about(session: Session, question: Any, body: JudgementBody) -> bool:  # noqa: ANN401
    asked = session.pools.queries[question.query], session.document(question)
    return asked == (body.query, body.document)


def _state(name: str, session: Session, index: Index) -> dict[str, Any]:
    from tellapart.experiments.judging.leaders import Passages
    from tellapart.experiments.judging.standing import standing, standing_json, standing_line

    now, question = standing(session.judging), session.question()
    asked = None
    if question is not None:
        query, document = session.pools.queries[question.query], session.document(question)
        hit = Passages(index, session.pools.leaders).of(session.texts[query], document)
        asked = {
            "query": query,
            "text": session.texts[query],
            "document": document,
            "hit": None if hit is None else hit.to_dict(),
        }
    return {
        "name": name,
        "configurations": list(session.pools.leaders),
        "question": asked,
        "standing": standing_json(now),
        "sentence": standing_line(now),
        "judgements": sum(len(grades) for grades in session.qrels().grades.values()),
    }
