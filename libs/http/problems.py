"""Errors as RFC 9457 problem documents."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from libs.envelope import Permanent, Temporary

log = structlog.get_logger(__name__)


# Each kind of problem with its title. A client acts on the `type`, which is `urn:facteur:problem:KIND` and stays.
KINDS: Mapping[str, str] = {
    "invalid-http": "The request is not valid HTTP",
    "unauthenticated": "A bearer token is needed",
    "wrong-credentials": "The login or the password is wrong",
    "forbidden": "The caller may not do this",
    "not-found": "The resource does not exist",
    "method-not-allowed": "The resource does not have this method",
    "request-timeout": "The request came too slowly",
    "conflict": "The request contradicts the state of the resource",
    "already-exists": "The resource exists already",
    "limit-reached": "A limit of the domain or the account is reached",
    "not-empty": "The resource is not empty",
    "over-quota": "The mailbox is over its quota",
    "infected": "The message is malware",
    "gone": "The resource was deleted",
    "precondition-failed": "The resource has changed",
    "too-large": "The content is too large",
    "unsupported-media-type": "The media type is not supported",
    "invalid-request": "The request is not valid",
    "idempotency-key-reused": "The Idempotency-Key belongs to another request",
    "search-timeout": "The search took too long",
    "mail-refused": "The message is refused",
    "locked": "The account is locked",
    "rate-limited": "Too many requests",
    "headers-too-large": "The header fields are too large",
    "internal-error": "Internal error",
    "unavailable": "The service is temporarily unavailable",
}
URN = "urn:facteur:problem:"
MEDIA_TYPE = "application/problem+json"

_KIND_OF_STATUS: Mapping[int, str] = {
    400: "invalid-http",
    401: "unauthenticated",
    403: "forbidden",
    404: "not-found",
    405: "method-not-allowed",
    408: "request-timeout",
    409: "conflict",
    410: "gone",
    412: "precondition-failed",
    413: "too-large",
    415: "unsupported-media-type",
    422: "invalid-request",
    423: "locked",
    429: "rate-limited",
    431: "headers-too-large",
    500: "internal-error",
    503: "unavailable",
}


class Problem(Exception):
    """An error response. `detail` is for the caller and has no secrets.

    `kind` is one of `KINDS`; by default, it is the general one of the status.
    """

    def __init__(
        self, status: int, detail: str, *, kind: str = "", headers: dict[str, str] | None = None, **more: Any
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.kind = kind or _KIND_OF_STATUS.get(status, "")
        self.headers = headers
        self.more = more


class ProblemError(BaseModel):
    """One thing that is wrong with a request, and where: in the body, in a parameter or in a header field."""

    detail: str = Field(description="What is wrong, for people.")
    pointer: str | None = Field(
        None, description="Place in the JSON body: a JSON Pointer as a URI fragment (RFC 6901 6), for example `#/name`."
    )
    parameter: str | None = Field(None, description="Name of the query or path parameter.")
    header: str | None = Field(None, description="Name of the header field.")


class ProblemDocument(BaseModel):
    """A problem document (RFC 9457). Problems of some kinds have more members, which the operation describes."""

    model_config = ConfigDict(title="Problem", extra="allow")

    type: str = Field(
        description="Kind of the problem, `urn:facteur:problem:KIND`. It is stable: act on it, not on the texts.",
        examples=["urn:facteur:problem:already-exists"],
        json_schema_extra={"format": "uri"},
    )
    title: str = Field(description="What problems of this kind are called, for people.")
    status: int = Field(description="HTTP status code of the response.")
    detail: str = Field(description="What is wrong with this request, for people.")
    errors: list[ProblemError] | None = Field(None, description="Each error of an invalid request.")


def problem_document(problem: Problem) -> dict[str, Any]:
    """Return the document with type, title, status and detail."""
    return {
        "type": f"{URN}{problem.kind}" if problem.kind else "about:blank",
        "title": KINDS[problem.kind] if problem.kind else HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.detail,
        **problem.more,
    }


def problem_response(problem: Problem) -> JSONResponse:
    """Return the response with the document of `problem`."""
    document = problem_document(problem)
    return JSONResponse(document, status_code=problem.status, media_type=MEDIA_TYPE, headers=problem.headers)


def problem_of(error: Problem | Temporary | Permanent) -> Problem:
    """Return the problem for an expected error. The reason of a `Temporary` is for the log only."""
    match error:
        case Temporary():
            return Problem(503, "temporarily unavailable, try again", headers={"Retry-After": "5"})
        case Permanent():
            return Problem(422, error.reason)
        case _:
            return error


def invalid(errors: Iterable[Mapping[str, Any]], detail: str = "the request is not valid") -> Problem:
    """Problem 422 for `errors` as pydantic lists them; each `loc` starts with `body`, `query`, `path` or `header`."""
    return Problem(422, detail, errors=[_error(each) for each in errors])


def invalid_body(errors: Iterable[Mapping[str, Any]], detail: str = "the request is not valid") -> Problem:
    """As `invalid`, for errors of a model that is the whole body."""
    return invalid(({**each, "loc": ("body", *each["loc"])} for each in errors), detail)


def _error(error: Mapping[str, Any]) -> dict[str, str]:
    place, *rest = error["loc"] or ("body",)
    detail = str(error["msg"]).removeprefix("Value error, ").removeprefix("Assertion failed, ")
    if place in ("query", "path"):
        return {"detail": detail, "parameter": str(rest[0])} if rest else {"detail": f"{place}: {detail}"}
    if place == "header":
        return {"detail": detail, "header": str(rest[0]) if rest else ""}
    # RFC 6901 3: ~ and / in a name are written ~0 and ~1.
    tokens = (str(token).replace("~", "~0").replace("/", "~1") for token in rest)
    return {"detail": detail, "pointer": "#" + "".join(f"/{quote(token)}" for token in tokens)}


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
    async def not_valid(request: Request, error: RequestValidationError) -> JSONResponse:
        return problem_response(invalid(error.errors()))

    @app.exception_handler(Temporary)
    async def temporary(request: Request, error: Temporary) -> JSONResponse:
        log.warning("request_deferred", path=request.url.path, reason=error.reason)
        return problem_response(problem_of(error))

    @app.exception_handler(Permanent)
    async def permanent(request: Request, error: Permanent) -> JSONResponse:
        return problem_response(problem_of(error))


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
            log.info("http_client_disconnected", path=scope["path"])
        except Exception as error:
            if started:
                raise  # the server logs it and cuts the connection: half an answer must not look whole
            log.error("request_failed", path=scope["path"], exc_info=error)
            await problem_response(Problem(500, "internal error; the log has the details"))(scope, receive, send)
