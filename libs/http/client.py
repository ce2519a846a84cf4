"""A client of another service: a deadline on every call, retries where they are safe, two kinds of errors."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from libs.envelope import Permanent, Temporary
from libs.http.auth import CHALLENGE

M = TypeVar("M", bound=BaseModel)

SAFE = frozenset({"GET", "HEAD", "PUT", "DELETE"})  # RFC 9110 9.2.2: idempotent
# Below `server.KEEP_ALIVE_SECONDS`: a POST on a connection that the neighbour closes just now cannot be repeated.
KEPT_SECONDS = 20.0
# The moment is wrong and not the request: 408 too slow, 425 too early, 429 too many.
_LATER = frozenset({408, 425, 429})


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
        self._deadline = deadline.total_seconds()
        limits = httpx.Limits(max_connections=100, max_keepalive_connections=20, keepalive_expiry=KEPT_SECONDS)
        trusted = ssl.create_default_context(cafile=ca_file) if ca_file else True
        self._http = httpx.AsyncClient(
            base_url=url, timeout=self._deadline, limits=limits, trust_env=False, verify=trusted
        )
        self._token = token

    async def close(self) -> None:
        """Close the kept connections."""
        await self._http.aclose()

    async def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        """One call, tried twice where that is safe. `options` as for httpx (`json`, `params`, `content`, `headers`).

        Raises `Temporary` when there is no answer within the deadline, a 5xx, a 408, 425 or 429, or when the
        neighbour does not take our token; `Permanent` when the path is none. Any other 4xx is returned: it may be the
        answer.
        """
        what = f"{method} {self._http.base_url}{path}"
        headers = {"Authorization": f"Bearer {self._own_token()}", **options.pop("headers", {})}
        try:
            async with asyncio.timeout(self._deadline):
                response = await self._tried(method, path, headers=headers, **options)
        except TimeoutError as error:
            raise Temporary(f"{what}: no answer within {self._deadline:g} s") from error
        except httpx.InvalidURL as error:
            raise Permanent(f"{what[:200]!r}: {error}") from error
        except httpx.HTTPError as error:
            raise Temporary(f"{what}: {error!r}") from error
        if response.status_code >= 500 or response.status_code in _LATER:
            raise Temporary(f"{what}: {response.status_code}")
        if response.status_code in (401, 403) and _is_about_our_token(response):
            raise Temporary(f"{what}: {response.status_code}, our token is not accepted")
        return response

    async def model(self, kind: type[M], method: str, path: str, **options: Any) -> M:
        """The answer as `kind`. Raises `Temporary`, or `Permanent` for a 4xx or an answer that does not fit."""
        response = await self.call(method, path, **options)
        if response.status_code >= 300:
            raise Permanent(f"{method} {path}: {response.status_code} {response.text[:200]}")
        try:
            return kind.model_validate_json(response.content)
        except ValidationError as error:
            raise Permanent(f"{method} {path}: the answer does not fit: {error.error_count()} errors") from error

    async def _tried(self, method: str, path: str, **options: Any) -> httpx.Response:
        if method in SAFE:
            try:
                response = await self._http.request(method, path, **options)
                if response.status_code < 500:
                    return response
            except httpx.TransportError:
                pass  # a kept connection that went stale, most of the time; the second try says it if not
        return await self._http.request(method, path, **options)

    def _own_token(self) -> str:
        try:
            return self._token()
        except OSError as error:
            # While it is rotated, or a mount is late: no message is to blame for it.
            raise Temporary(f"our token: {error}") from error


def _is_about_our_token(response: httpx.Response) -> bool:
    """`require` says so; a 401 of another kind is an answer (a wrong password)."""
    return str(response.headers.get("WWW-Authenticate", "")).startswith(CHALLENGE)
