"""The HTTP API over one or several indexes (FastAPI)."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from importlib.metadata import version
from typing import Annotated, Any

import numpy as np
from fastapi import FastAPI, Query, Request
from fastapi.responses import HTMLResponse, Response, StreamingResponse

from tellapart.corpus.document import Kind
from tellapart.engine import Index
from tellapart.engine.context import context_json
from tellapart.engine.results import search_json
from tellapart.errors import CorruptIndexError, StaleIndexError, TellapartError
from tellapart.serving import http_models as shapes
from tellapart.serving.explaining import Explanation, explain
from tellapart.serving.highlighting import tokens_of
from tellapart.serving.http_errors import UnknownIdError, handle_errors
from tellapart.serving.http_identities import add_identities
from tellapart.serving.http_judging import add_judging, judged_folder
from tellapart.serving.http_map import add_map
from tellapart.serving.http_search import answer_search
from tellapart.serving.jobs import Jobs, JobState, evaluation
from tellapart.serving.shared import Service, SharedIndex
from tellapart.serving.units import locate

EVENT_SECONDS = 0.3

ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": shapes.ErrorShape} for status in (400, 401, 403, 413, 421, 422, 429, 500, 503, 504)
}


def make_api(service: Service) -> FastAPI:
    """Make the endpoints over a service."""
    app = FastAPI(
        title="tellapart",
        version=version("tellapart"),
        description="Search with evidence over your own documents and code.",
        responses=ERRORS,
        docs_url=None,
        redoc_url=None,
    )
    handle_errors(app)
    _add_searching(app, service)
    _add_looking(app, service)
    _add_models(app, service)
    _add_jobs(app, service)
    add_judging(app, service)
    add_map(app, service)
    add_identities(app, service)

    @app.get("/health")
    def health() -> shapes.HealthShape:
        """Say that the server answers, and what it serves."""
        return shapes.HealthShape(
            status="ok",
            version=version("tellapart"),
            indexes=[_served(name, shared) for name, shared in service.indexes.items()],
            galleries=list(service.galleries),
        )

    return app


def _add_searching(app: FastAPI, service: Service) -> None:
    async def search(body: shapes.SearchBody, client: Request) -> Response:
        # Made here already: checking it against its own shape took a third, writing it in Python a tenth.
        return Response(await answer_search(service, body, client.receive), media_type="application/json")

    @app.post("/v1/search", response_model=shapes.SearchAnswerShape)
    async def search_by_body(body: shapes.SearchBody, client: Request) -> Response:
        """Find what answers a query, or is like examples."""
        return await search(body, client)

    @app.get("/v1/search", response_model=shapes.SearchAnswerShape)
    async def search_by_words(
        client: Request,
        q: Annotated[str, Query(min_length=1, max_length=10_000)],
        k: Annotated[int, Query(ge=1, le=shapes.MOST_HITS)] = 10,
        ranker: str = "auto",
        granularity: str | None = None,
        rerank: Annotated[str | None, Query(min_length=1, max_length=200)] = None,
        index: str | None = None,
    ) -> Response:
        """Find what answers a query, as something to type into a browser."""
        body = shapes.SearchBody(
            query=q, k=k, ranker=ranker, granularity=granularity, rerank=rerank, index=index
        )
        return await search(body, client)

    @app.post("/v1/related", response_model=shapes.SearchAnswerShape)
    async def related(body: shapes.RelatedBody, client: Request) -> dict[str, Any]:
        """Find units like one at a place."""

        def ask(index: Index) -> dict[str, Any]:
            document = locate(index, body.document).stored.document.id
            found = index.related(
                document, body.line, k=body.k, granularity=body.granularity, where=tuple(body.where)
            )
            return {**search_json(found), "absent": None}

        return await service.index(body.index).answer(ask, client.receive)

    @app.post("/v1/context", response_model=shapes.ContextShape)
    async def context_for(body: shapes.ContextBody, client: Request) -> dict[str, Any]:
        """Give passages for a language model, within a budget of tokens."""
        where = tuple(body.where)
        return await service.index(body.index).answer(
            lambda index: context_json(
                index.context(body.query, tokens=body.tokens, where=where, always=body.always)
            ),
            client.receive,
        )


def _add_looking(app: FastAPI, service: Service) -> None:
    @app.get(
        "/v1/units/{id:path}", response_model=shapes.UnitShape, responses={404: {"model": shapes.ErrorShape}}
    )
    def unit(id: str, index: str | None = None) -> dict[str, Any]:
        """Give a unit by its id, by PATH:LINE or by PATH, with what it lies in."""
        with service.index(index).use() as opened:
            try:
                found = locate(opened, id)
            except (CorruptIndexError, StaleIndexError):
                raise
            except TellapartError as error:
                raise UnknownIdError(str(error)) from error
            return {
                "id": found.id,
                "document": found.stored.document.id,
                "path": found.stored.document.path,
                "granularity": found.granularity.value,
                "label": found.label,
                "span": found.span,
                "lines": found.lines,
                "text": found.text,
                "parents": found.parents(),
            }

    @app.post("/v1/highlight", response_model=shapes.HighlightedShape)
    def highlight(body: shapes.HighlightBody) -> dict[str, Any]:
        """Say what the pieces of some units of code are, to be shown in colours."""
        with service.index(body.index).use() as index:
            units = {id: locate(index, id) for id in body.ids}
        return {
            "units": {
                id: tokens_of(found.stored.document.text, found.stored.document.language, found.span)
                if found.stored.document.kind is Kind.CODE
                else []
                for id, found in units.items()
            }
        }

    @app.post("/v1/explain")
    def explain_score(body: shapes.ExplainBody) -> Explanation:
        """Say why a unit has its place for a query."""
        with service.index(body.index).use() as index:
            return explain(index, body.query, locate(index, body.id), ranker=body.ranker)


def _add_models(app: FastAPI, service: Service) -> None:
    @app.post("/v1/embeddings", response_model=shapes.EmbeddingsShape)
    def embeddings(body: shapes.EmbeddingsBody) -> dict[str, Any]:
        """Encode texts; the shape is OpenAI's, so that other tools can use the encoders here."""
        texts = [body.input] if isinstance(body.input, str) else body.input
        encoder = service.encoder(body.model)
        rows = encoder.encode_query(texts) if body.input_type == "query" else encoder.encode_document(texts)
        tokens = int(np.sum(encoder.count_tokens(texts)))
        return {
            "object": "list",
            "data": [
                {"object": "embedding", "index": position, "embedding": _written(row, body.encoding_format)}
                for position, row in enumerate(rows)
            ],
            "model": body.model,
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        }

    @app.post("/v1/rerank", response_model=shapes.RerankShape, response_model_exclude_none=True)
    def rerank(body: shapes.RerankBody) -> dict[str, Any]:
        """Order texts by their cosine with a query; the shape is Cohere's and Jina's."""
        texts = [each if isinstance(each, str) else each.text for each in body.documents]
        encoder = service.encoder(body.model)
        scores = encoder.encode_document(texts) @ encoder.encode_query([body.query])[0]
        order = np.lexsort((np.arange(len(scores)), -scores))[: body.top_n]
        return {
            "model": body.model,
            "results": [
                {
                    "index": int(row),
                    "relevance_score": float(scores[row]),
                    "document": {"text": texts[row]} if body.return_documents else None,
                }
                for row in order
            ],
        }


def _add_jobs(app: FastAPI, service: Service) -> None:
    missing: dict[int | str, dict[str, Any]] = {404: {"model": shapes.ErrorShape}}

    @app.post("/v1/evaluate", response_model=shapes.JobShape, status_code=202, responses=missing)
    def evaluate(body: shapes.EvaluateBody) -> dict[str, Any]:
        """Start to measure which configuration finds most here, or join what is running."""
        shared = service.index(body.index)
        judged = None if body.judged is None else judged_folder(shared.judging_home, body.judged)
        subject = f"evaluate {shared.place}"
        work = evaluation(shared.folder, keep=body.keep, judged=judged, report=service.jobs.report(subject))
        return service.jobs.start(subject, work).to_json()

    @app.get("/v1/jobs/{id}", response_model=shapes.JobShape, responses=missing)
    def job(id: str) -> dict[str, Any]:
        """Say how far a job is, and what it found."""
        return found(id).to_json()

    @app.get(
        "/v1/jobs/{id}/report",
        response_model=None,
        responses={**missing, 200: {"content": {"text/html": {}}, "description": "The page."}},
    )
    def report(id: str) -> HTMLResponse:
        """Give the page about an evaluation."""
        page = service.jobs.report(found(id).subject)
        if not page.is_file():
            raise UnknownIdError(f"the job {id!r} has no report: it is not done, or nothing was measured")
        return HTMLResponse(page.read_text(encoding="utf-8"))

    @app.get("/v1/jobs/{id}/events", responses=missing, response_class=StreamingResponse)
    async def events(id: str) -> Response:
        """Tell the progress of a job as server-sent events, until it ends."""
        found(id)
        return StreamingResponse(_events(service.jobs, id), media_type="text/event-stream")

    def found(id: str) -> JobState:
        try:
            return service.jobs.get(id)
        except TellapartError as error:
            raise UnknownIdError(str(error)) from error


async def _events(jobs: Jobs, id: str) -> AsyncIterator[str]:
    told = ""
    while True:
        job = jobs.get(id)
        now = json.dumps(job.to_json())
        if now != told:
            told = now
            yield f"event: {job.state}\ndata: {now}\n\n"
        if job.state != "running":
            return
        await asyncio.sleep(EVENT_SECONDS)


def _served(name: str, shared: SharedIndex) -> shapes.ServedIndexShape:
    with shared.use() as index, index.reading() as snapshot:
        return shapes.ServedIndexShape(
            name=name,
            generation=snapshot.generation,
            documents=index.store.count(),
            encoders=list(snapshot.encoders),
            granularities=[level.value for level in snapshot.granularities],
        )


def _written(row: np.ndarray, encoding: str) -> list[float] | str:
    if encoding == "base64":
        return base64.b64encode(np.asarray(row, dtype="<f4").tobytes()).decode()
    return [float(value) for value in row]
