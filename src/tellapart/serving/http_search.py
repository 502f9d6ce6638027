"""Searches over HTTP: what is asked of the index, and the way of `POST /v1/search` around the framework."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError
from pydantic_core import to_json

from tellapart.engine import Index
from tellapart.engine.relevance import nothing_relevant
from tellapart.engine.request import SearchRequest
from tellapart.engine.results import search_json
from tellapart.errors import TellapartError
from tellapart.serving.http_errors import fault, refused
from tellapart.serving.http_guard import App, Message, Receive, Scope, Send
from tellapart.serving.http_models import SearchBody
from tellapart.serving.shared import Service
from tellapart.serving.units import rerank_settings

SEARCH = "/v1/search"
JSON = b"application/json"


async def answer_search(service: Service, body: SearchBody, receive: Receive) -> bytes:
    """Search, and give the answer as JSON.

    Raises:
        TellapartError: Nothing can be found for such a request.
    """
    request = SearchRequest(
        query=body.query,
        like=tuple(body.like),
        unlike=tuple(body.unlike),
        k=body.k,
        ranker=body.ranker,
        granularity=body.granularity,
        encoder=body.encoder,
        where=tuple(body.where),
        parameters=rerank_settings(body.rerank),
    )

    def ask(index: Index) -> bytes:
        refuse_files(index, request.examples)
        found = index.search(request)
        return to_json({**search_json(found), "absent": nothing_relevant(index, found)})

    return await service.index(body.index).answer(ask, receive)


def refuse_files(index: Index, examples: Sequence[str]) -> None:
    """Examples come out of the index: a request may not make the server read other files."""
    for name in examples:
        if Path(name).is_file():
            index.document_at(name)


class SearchesFirst:
    """Answers `POST /v1/search` itself, and leaves everything else to the application, mistakes in a body included.

    The application describes the endpoint, and would give the same answer. Its layers would take a noticeable
    part of the time of a search that lasts a few milliseconds.
    """

    def __init__(self, app: App, service: Service) -> None:
        self.app = app
        self.service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a search, or let the request through."""
        if scope["type"] != "http" or scope["path"] != SEARCH or not _is_json(scope):
            await self.app(scope, receive, send)
            return
        content = await _content(receive)
        try:
            body = SearchBody.model_validate_json(content)
        except ValidationError:
            await self.app(scope, _again(content, receive), send)
            return
        try:
            answer = await answer_search(self.service, body, receive)
        except TellapartError as error:
            await refused(error)(scope, receive, send)
        except Exception as error:
            await fault(scope, error)(scope, receive, send)
            raise
        else:
            length = str(len(answer)).encode()
            headers = [(b"content-length", length), (b"content-type", JSON)]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": answer})


def _is_json(scope: Scope) -> bool:
    if scope["method"] != "POST":
        return False
    return any(name == b"content-type" and kind.startswith(JSON) for name, kind in scope["headers"])


async def _content(receive: Receive) -> bytes:
    """Read a body; one that breaks off is what came of it."""
    pieces: list[bytes] = []
    more = True
    while more:
        message = await receive()
        pieces.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(pieces)


def _again(content: bytes, receive: Receive) -> Receive:
    """Give a body that was read already once more, then what else comes."""
    kept: list[Message] = [{"type": "http.request", "body": content, "more_body": False}]

    async def receiving() -> Message:
        return kept.pop() if kept else await receive()

    return receiving
