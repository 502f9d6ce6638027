"""Every error of the HTTP API in one shape: `{"detail": "what, where, what to do"}`."""

from __future__ import annotations

import logging

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from tellapart.errors import CorruptIndexError, LockedIndexError, StaleIndexError, TellapartError
from tellapart.serving.http_guard import Scope
from tellapart.serving.mistakes import describe_mistakes
from tellapart.serving.shared import GivenUpError

_log = logging.getLogger("tellapart")


class UnknownIdError(TellapartError):
    """Nothing here goes by the id in the address: 404."""


def refused(error: TellapartError) -> JSONResponse:
    """Answer a mistake with 4xx, and with 503 where the index cannot be used."""
    unusable = isinstance(error, CorruptIndexError | StaleIndexError | LockedIndexError)
    given_up = isinstance(error, GivenUpError)
    status = 404 if isinstance(error, UnknownIdError) else 499 if given_up else 503 if unusable else 400
    return JSONResponse({"detail": str(error)}, status)


def fault(scope: Scope, error: Exception) -> JSONResponse:
    """Answer with 500, and leave a line in the log that holds nothing of the corpus."""
    _log.error("%s %s: %s", scope["method"], scope["path"], type(error).__name__)
    return JSONResponse(
        {"detail": "a fault of the server, not of the request: its log says more; please report it"}, 500
    )


def handle_errors(app: FastAPI) -> None:
    """Answer mistakes with 4xx, an index that cannot be used with 503, and faults of ours with 500."""

    @app.exception_handler(TellapartError)
    async def mistaken(_: Request, error: TellapartError) -> JSONResponse:
        return refused(error)

    @app.exception_handler(RequestValidationError)
    async def not_understood(_: Request, error: RequestValidationError) -> JSONResponse:
        return JSONResponse({"detail": describe_mistakes(error.errors())}, 422)

    @app.exception_handler(HTTPException)
    async def no_such_address(request: Request, error: HTTPException) -> JSONResponse:
        told = {
            404: f"nothing at {request.url.path}: /docs lists what there is",
            405: f"{request.method} is not understood at {request.url.path}: /docs lists what is",
        }
        detail = told.get(error.status_code, str(error.detail))
        return JSONResponse({"detail": detail}, error.status_code, headers=error.headers)

    @app.exception_handler(Exception)
    async def failed(request: Request, error: Exception) -> JSONResponse:
        return fault(request.scope, error)
