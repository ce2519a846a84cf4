"""Errors as RFC 9457 problem documents."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from libs.envelope import Permanent, Temporary

log = structlog.get_logger(__name__)


class Problem(Exception):
    """An answer that is an error. `detail` is for whoever called; nothing secret belongs there."""

    def __init__(self, status: int, detail: str, *, headers: dict[str, str] | None = None, **more: Any) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers
        self.more = more


def problem_response(problem: Problem) -> JSONResponse:
    """`application/problem+json` with type, title, status and detail."""
    document = {
        "type": "about:blank",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.detail,
        **problem.more,
    }
    return JSONResponse(
        document, status_code=problem.status, media_type="application/problem+json", headers=problem.headers
    )


def install_problems(app: FastAPI) -> None:
    """Make every error of `app` a problem document."""

    @app.exception_handler(Problem)
    async def known(request: Request, error: Problem) -> JSONResponse:
        return problem_response(error)

    @app.exception_handler(HTTPException)
    async def framework(request: Request, error: HTTPException) -> JSONResponse:
        headers = dict(error.headers) if error.headers else None
        return problem_response(Problem(error.status_code, str(error.detail), headers=headers))

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        errors = [{"field": ".".join(map(str, e["loc"])), "message": e["msg"]} for e in error.errors()]
        return problem_response(Problem(422, "the request does not fit", errors=errors))

    @app.exception_handler(Temporary)
    async def temporary(request: Request, error: Temporary) -> JSONResponse:
        log.warning("request_deferred", path=request.url.path, reason=error.reason)
        return problem_response(Problem(503, "temporarily unavailable, try again", headers={"Retry-After": "5"}))

    @app.exception_handler(Permanent)
    async def permanent(request: Request, error: Permanent) -> JSONResponse:
        return problem_response(Problem(422, error.reason))

    @app.exception_handler(Exception)
    async def bug(request: Request, error: Exception) -> JSONResponse:
        log.error("request_failed", path=request.url.path, exc_info=error)
        return problem_response(Problem(500, "internal error; the log has the details"))
