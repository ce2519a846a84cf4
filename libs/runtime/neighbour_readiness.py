"""The order of a start across services: a service that needs a neighbour waits for it, for a bounded time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import structlog

from libs.envelope import Permanent, Temporary
from libs.http import Client

log = structlog.get_logger(__name__)

_AGAIN = 0.1  # seconds


async def wait_until_ready(clients: Sequence[tuple[str, Client]], *, deadline: timedelta) -> None:
    """Returns when all of them are ready, or after `deadline`: then the service starts without, and defers."""
    await asyncio.gather(*(_answers(name, client, deadline) for name, client in clients))


async def _answers(name: str, client: Client, deadline: timedelta) -> None:
    reason = "no answer"
    try:
        async with asyncio.timeout(deadline.total_seconds()):
            while reason := await _not_ready(client):
                await asyncio.sleep(_AGAIN)
    except TimeoutError:
        log.warning("started_without_neighbour", neighbour=name, waited=deadline.total_seconds(), reason=reason)


async def _not_ready(client: Client) -> str:
    """Why not; empty when it is."""
    try:
        response = await client.call("GET", "/readyz")
    except (Temporary, Permanent) as error:
        return error.reason
    return "" if response.is_success else f"status {response.status_code}"
