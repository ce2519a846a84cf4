"""A client of another service: a deadline on every call, retries where they are safe, two kinds of errors."""

from __future__ import annotations

import asyncio
import json
import re
import ssl
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode, urlsplit

from pydantic import BaseModel, ValidationError

from libs.envelope import Permanent, Temporary
from libs.http.auth import CHALLENGE
from libs.http.outgoing import ConnectionFailed, ConnectionPool, Request, Response, Unanswered

M = TypeVar("M", bound=BaseModel)

IDEMPOTENT = frozenset({"GET", "HEAD", "PUT", "DELETE"})  # RFC 9110 9.2.2
# Below `server.KEEP_ALIVE_SECONDS`: a POST on a connection that the neighbour closes just now cannot be repeated.
KEPT_SECONDS = 20.0
MAX_TARGET_CHARACTERS = 60_000
# The moment is wrong and not the request: 408 too slow, 425 too early, 429 too many.
_LATER = frozenset({408, 425, 429})
_TARGET = re.compile(r"/[!-~]*")  # RFC 9112 3.2.1, percent-encoded by the caller
_FIELD_VALUE = re.compile(r"[ -~]*")


class Client:
    """Calls one neighbour. `token` is asked at each call, so that a rotated secret is used at once."""

    def __init__(
        self,
        url: str,
        *,
        token: Callable[[], str],
        deadline: timedelta = timedelta(seconds=5),
        ca_file: Path | None = None,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{url!r} is no address of an HTTP server")
        is_secure = parts.scheme == "https"
        self._deadline = deadline.total_seconds()
        self._url = url.rstrip("/")
        self._prefix = parts.path.rstrip("/")
        self._connections = ConnectionPool(
            parts.hostname,
            parts.port or (443 if is_secure else 80),
            tls=ssl.create_default_context(cafile=ca_file) if is_secure else None,
            keep_seconds=KEPT_SECONDS,
        )
        self._token = token

    async def close(self) -> None:
        """Close the kept connections."""
        self._connections.close()

    async def call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        content: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """Send one request, twice where that is safe. `path` is percent-encoded; `json` takes the place of `content`.

        Raises `Temporary` when there is no answer within the deadline, a 5xx, a 408, 425 or 429, or when the
        neighbour does not take our token; `Permanent` when the path is none. Any other 4xx is returned: it may be the
        answer.
        """
        what = f"{method} {self._url}{path}"[:300]
        request = self._request(method, path, params, json, content, headers)
        try:
            async with asyncio.timeout(self._deadline):
                response = await self._tried(request)
        except TimeoutError as error:
            raise Temporary(f"{what}: no answer within {self._deadline:g} s") from error
        except ConnectionFailed as error:
            raise Temporary(f"{what}: {error!r}") from error
        if response.status_code >= 500 or response.status_code in _LATER:
            raise Temporary(f"{what}: {response.status_code}")
        if response.status_code in (401, 403) and _is_about_our_token(response):
            raise Temporary(f"{what}: {response.status_code}, our token is not accepted")
        return response

    async def model(self, kind: type[M], method: str, path: str, **options: Any) -> M:
        """Return the answer as `kind`. Raises `Temporary`, or `Permanent` for a 4xx or an answer that does not fit."""
        return read_answer(kind, f"{method} {path}", await self.call(method, path, **options))

    def _request(
        self,
        method: str,
        path: str,
        params: Mapping[str, Any] | None,
        body: Any,
        content: bytes,
        headers: Mapping[str, str] | None,
    ) -> Request:
        target = self._prefix + path + (f"?{urlencode(params)}" if params else "")
        if len(target) > MAX_TARGET_CHARACTERS or not _TARGET.fullmatch(target):
            raise Permanent(f"{method} {path[:200]!r}: the path is no part of a URL")
        fields = {"Accept": "application/json", **(headers or {})}
        if body is not None:
            content = json.dumps(body, separators=(",", ":")).encode()
            fields["Content-Type"] = "application/json"
        fields["Authorization"] = f"Bearer {self._own_token()}"
        if wrong := [name for name, value in fields.items() if not _FIELD_VALUE.fullmatch(value)]:
            raise Permanent(f"{method} {path}: the header field {wrong[0]} has characters that HTTP forbids")
        return Request(method, target, fields, content)

    async def _tried(self, request: Request) -> Response:
        if request.method in IDEMPOTENT:
            try:
                response = await self._connections.send(request)
                if response.status_code < 500:
                    return response
            except ConnectionFailed:
                pass  # a kept connection that went stale, most of the time; the second try says it if not
            return await self._connections.send(request, fresh=True)
        try:
            return await self._connections.send(request)
        except Unanswered as error:
            # The neighbour most likely closed the kept connection before the request came; its key makes sure that a
            # request that came after all counts once.
            if error.reused and "Idempotency-Key" in request.headers:
                return await self._connections.send(request, fresh=True)
            raise

    def _own_token(self) -> str:
        try:
            return self._token()
        except OSError as error:
            # While it is rotated, or a mount is late: no message is to blame for it.
            raise Temporary(f"our token: {error}") from error


def read_answer(kind: type[M], what: str, response: Response) -> M:
    """Return the content of `response` as `kind`. Raises `Permanent` when it does not fit; `what` names the request."""
    if response.status_code >= 300:
        raise Permanent(f"{what}: {response.status_code} {response.text[:200]}")
    try:
        return kind.model_validate_json(response.content)
    except ValidationError as error:
        raise Permanent(f"{what}: the answer does not fit: {error.error_count()} errors") from error


def _is_about_our_token(response: Response) -> bool:
    """`require` says so; a 401 of another kind is an answer (a wrong password)."""
    return response.headers.get("www-authenticate", "").startswith(CHALLENGE)
