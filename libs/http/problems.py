"""Errors as RFC 9457 problem documents."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

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
    """Make every error of `app` that is expected a problem document; `LastResort` has the others."""

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


class LastResort:
    """ASGI middleware: a bug is a 500 without details, and one line in the log with all of them."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def noted(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, noted)
        except ClientDisconnect:
            log.info("client_went_away", path=scope["path"])
        except Exception as error:
            if started:
                raise  # the server logs it and cuts the connection: half an answer must not look whole
            log.error("request_failed", path=scope["path"], exc_info=error)
            await problem_response(Problem(500, "internal error; the log has the details"))(scope, receive, send)
