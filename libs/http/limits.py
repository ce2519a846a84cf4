"""Request bodies: a bound on their size, and the end of the connection where one was not read."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from libs.http.problems import Problem, problem_response


class BodyLimit:
    """ASGI middleware: 413 for a body of more than `limit_bytes`, by its Content-Length or as it arrives."""

    def __init__(self, app: ASGIApp, limit_bytes: int) -> None:
        self._app = app
        self._limit = limit_bytes
        self._detail = f"the body is larger than {limit_bytes} bytes"
        self._refusal = problem_response(Problem(413, self._detail))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        length = dict(scope["headers"]).get(b"content-length", b"0")
        if length.isdigit() and int(length[:20]) > self._limit:
            await self._refusal(scope, receive, send)
            return
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self._limit:
                # The framework turns any other error while it reads a body into a 400.
                raise HTTPException(413, self._detail)
            return message

        await self._app(scope, counted, send)


class UnreadBody:
    """ASGI middleware: an answer to a request whose body was not read to its end closes the connection.

    Else a refused request would hold it for as long as its sender likes (RFC 9112 9.6).
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _has_body(Headers(scope=scope)):
            await self._app(scope, receive, send)
            return
        is_read = False

        async def noted() -> Message:
            nonlocal is_read
            message = await receive()
            is_read = not message.get("more_body", False)
            return message

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start" and not is_read:
                message = {**message, "headers": [*message["headers"], (b"connection", b"close")]}
            await send(message)

        await self._app(scope, noted, told)


def _has_body(headers: Headers) -> bool:
    return "transfer-encoding" in headers or headers.get("content-length", "0") != "0"
