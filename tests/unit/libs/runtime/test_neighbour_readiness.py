"""A starting service waits for its neighbours, for a bounded time."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from libs.envelope import Temporary
from libs.http.outgoing import Response
from libs.runtime import neighbour_readiness
from libs.runtime.neighbour_readiness import wait_until_ready


class Neighbour:
    """Is away, then not ready, then ready; `stays` keeps it at one of these."""

    def __init__(self, stays: int | None = None) -> None:
        self.calls = 0
        self._stays = stays

    async def call(self, method: str, path: str) -> Response:
        assert (method, path) == ("GET", "/readyz")
        step = self.calls if self._stays is None else self._stays
        self.calls += 1
        if step == 0:
            raise Temporary("connection refused")
        return Response(503 if step == 1 else 200, {}, b"")


async def test_it_waits_until_the_neighbour_is_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbour_readiness, "_AGAIN", 0)
    neighbour = Neighbour()
    await wait_until_ready([("quota", cast(Any, neighbour))], deadline=timedelta(seconds=10))
    assert neighbour.calls == 3


@pytest.mark.parametrize(("stays", "reason"), [(0, "connection refused"), (1, "status 503")])
async def test_after_the_deadline_the_service_starts_without_it(stays: int, reason: str) -> None:
    with capture_logs() as logs:
        await wait_until_ready([("quota", cast(Any, Neighbour(stays)))], deadline=timedelta(seconds=0.01))
    assert [(line["event"], line["neighbour"], line["reason"]) for line in logs] == [
        ("started_without_neighbour", "quota", reason)
    ]
