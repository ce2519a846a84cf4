"""A bound on what a client may send, kept before anything is parsed."""

from __future__ import annotations

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
