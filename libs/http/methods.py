"""HEAD, OPTIONS and `Allow`, for every path alike (RFC 9110 9.3.2, 9.3.7, 10.2.1)."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


class Methods:
    """ASGI middleware: HEAD is GET without content, OPTIONS tells the methods, and so does each 405.

    The framework's own 405 names the methods of the first route of a path and forgets those of its others.
    """

    def __init__(self, app: ASGIApp, api: FastAPI) -> None:
        self._app = app
        self._api = api

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif scope["method"] == "OPTIONS" and (allowed := self._allowed(scope)):
            await Response(status_code=204, headers={"Allow": allowed})(scope, receive, send)
        elif scope["method"] == "HEAD":
            # The server leaves the content away by the method that it read itself.
            await self._app({**scope, "method": "GET"}, receive, self._told(scope, send))
        else:
            await self._app(scope, receive, self._told(scope, send))

    def _told(self, scope: Scope, send: Send) -> Send:
        async def told(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == 405:
                headers = [pair for pair in message["headers"] if pair[0].lower() != b"allow"]
                message = {**message, "headers": [*headers, (b"allow", self._allowed(scope).encode())]}
            await send(message)

        return told

    def _allowed(self, scope: Scope) -> str:
        """The methods of the path, comma separated; empty when there is no such path."""
        found = [method for method in _METHODS if self._matches({**scope, "method": method})]
        if not found:
            return ""
        return ", ".join([*found, *(["HEAD"] if "GET" in found else []), "OPTIONS"])

    def _matches(self, scope: dict[str, Any]) -> bool:
        return any(route.matches(scope)[0] is Match.FULL for route in self._api.router.routes)
