"""A client of another service: a deadline on every call, retries where they are safe, two kinds of errors."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from libs.envelope import Permanent, Temporary

M = TypeVar("M", bound=BaseModel)

SAFE = frozenset({"GET", "PUT", "DELETE"})  # RFC 9110 9.2.2: idempotent


class Client:
    """Calls one neighbour. `token` is asked at each call, so that a rotated secret is used at once."""

    def __init__(self, url: str, *, token: Callable[[], str], deadline: timedelta = timedelta(seconds=5)) -> None:
        self._http = httpx.AsyncClient(base_url=url, timeout=deadline.total_seconds(), trust_env=False)
        self._token = token

    async def close(self) -> None:
        """Close the kept connections."""
        await self._http.aclose()

    async def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        """One call, tried twice where that is safe. `options` as for httpx (`json`, `params`, `content`, `headers`).

        Raises `Temporary` when there is no answer or a 5xx or 429. A 4xx is returned: it may be the answer.
        """
        tries = 2 if method in SAFE else 1
        headers = {"Authorization": f"Bearer {self._token()}", **options.pop("headers", {})}
        for last in (attempt == tries for attempt in range(1, tries + 1)):
            try:
                response = await self._http.request(method, path, headers=headers, **options)
            except httpx.HTTPError as error:
                if last:
                    raise Temporary(f"{method} {self._http.base_url}{path}: {error!r}") from error
                continue
            if response.status_code < 500 and response.status_code != 429:
                return response
        raise Temporary(f"{method} {self._http.base_url}{path}: {response.status_code}")

    async def model(self, kind: type[M], method: str, path: str, **options: Any) -> M:
        """The answer as `kind`. Raises `Temporary`, or `Permanent` for a 4xx or an answer that does not fit."""
        response = await self.call(method, path, **options)
        if response.status_code >= 400:
            raise Permanent(f"{method} {path}: {response.status_code} {response.text[:200]}")
        try:
            return kind.model_validate_json(response.content)
        except ValidationError as error:
            raise Permanent(f"{method} {path}: the answer does not fit: {error.error_count()} errors") from error
