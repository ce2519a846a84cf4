"""Every route of every service reads requests in the same strict way; a route says nothing about it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import TypeAdapter

from libs.http.parameters import Parameters
from libs.http.requests import is_json, validated

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


def strict(router: APIRouter) -> APIRouter:
    """`router`, of which every route has its parameters and its JSON body checked before it sees them.

    Pages for people are left out, since programs that open links put parameters of their own behind them.
    """
    for route in router.routes:
        if isinstance(route, APIRoute) and route.include_in_schema:
            route.get_route_handler = _strict_handler_of(route)  # type: ignore[method-assign]
    return router


def _strict_handler_of(route: APIRoute) -> Callable[[], Handler]:
    made = route.get_route_handler
    parameters = Parameters(route.dependant)
    kind: Any = route.body_field.field_info.annotation if route.body_field else None
    body = TypeAdapter[Any](kind) if kind is not None else None

    def get_route_handler() -> Handler:
        handle = made()

        async def handler(request: Request) -> Response:
            parameters.check(request)
            if body is None or not is_json(request) or not (octets := await request.body()):
                return await handle(request)
            try:
                document = validated(body, octets)
            except RequestValidationError as error:
                return await _refusing(handle, request, error)
            request._json = document  # what the framework takes instead of reading it once more
            return await handle(request)

        return handler

    return get_route_handler


async def _refusing(handle: Handler, request: Request, error: RequestValidationError) -> Response:
    """Let the framework check the caller first (403), and then raise `error`."""
    request._json = ""  # is never the body of a route
    try:
        return await handle(request)
    except RequestValidationError:
        raise error from None
