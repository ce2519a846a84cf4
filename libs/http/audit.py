"""The audit trail: one line for every change that is asked for, whatever becomes of it, in every service.

A line says who (`by`), what (`operation`), to what (`target`), with which outcome, and from where. It never holds a
body or a header, in which secrets are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import unquote

import structlog
from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from libs.http.openapi import operation_id

log = structlog.get_logger(__name__)

F = TypeVar("F", bound=Callable[..., Any])

_SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})  # RFC 9110 9.2.1
_MAX_CHARACTERS = 1000
# The query was understood: all of it are parameters that the operation has, none of which is a secret.
_UNDERSTOOD = frozenset({200, 201, 202, 204, 409, 410, 412})


def audited(endpoint: F) -> F:
    """Marks a GET that shows the mail of a user: the administrator's reading is written down like a change."""
    endpoint.audited = True  # type: ignore[attr-defined]
    return endpoint


def question(endpoint: F) -> F:
    """Marks a POST that changes nothing: it is written down for the administrator only, since services send many."""
    endpoint.audited = False  # type: ignore[attr-defined]
    return endpoint


class Audit:
    """ASGI middleware, outside of the check of tokens, so that an attempt without one leaves its line."""

    def __init__(self, app: ASGIApp, service: str) -> None:
        self._app = app
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, location = 0, b""

        async def noted(message: Message) -> None:
            nonlocal status, location
            if message["type"] == "http.response.start":
                status = message["status"]
                location = dict(message.get("headers", ())).get(b"location", b"")
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            if _is_written_down(scope):
                log.info("audit", service=self._service, **_line(scope, status, location))


def _is_written_down(scope: Scope) -> bool:
    marked = getattr(scope.get("endpoint"), "audited", None)
    if marked is False:
        return _caller(scope) == "admin"
    return scope["method"] not in _SAFE or marked is True


def _line(scope: Scope, status: int, location: bytes) -> dict[str, Any]:
    route, client = scope.get("route"), scope.get("client")
    # The path of a page for people is the key to it.
    is_page = not getattr(route, "include_in_schema", True)
    path = str(getattr(route, "path", "")) if is_page else scope["path"]
    made = unquote(location.decode("latin-1"))
    query = scope["query_string"].decode("latin-1") if status in _UNDERSTOOD and not is_page else ""
    return {
        "by": _caller(scope),
        "operation": operation_id(route) if isinstance(route, APIRoute) else "",
        "method": scope["method"],
        "target": (made or path)[:_MAX_CHARACTERS],
        "query": query[:_MAX_CHARACTERS],
        "status": status,
        "outcome": _outcome(status),
        "client": client[0] if client else "",
    }


def _caller(scope: Scope) -> str:
    return str(scope.get("state", {}).get("caller", "nobody"))


def _outcome(status: int) -> str:
    """`unknown` when there was no answer: the caller went away, and the change may have happened."""
    if not status:
        return "unknown"
    return "done" if status < 400 else "refused" if status < 500 else "failed"
