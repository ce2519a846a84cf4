"""Limits of mailboxes, asked of quota over HTTP and remembered for a while.

When quota is away or slow the last known limit counts; where none is known the message is accepted: an outage of quota
must stop no mail, and the next message is judged again.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta

import structlog
from pydantic import BaseModel

from libs.envelope import Permanent, Temporary
from libs.http import Client

log = structlog.get_logger(__name__)

REMEMBERED = 100_000  # mailboxes
AT_ONCE = 20  # calls
PATIENCE = 3.0  # seconds that a message waits for answers
GRACE = 10.0  # seconds in which a quota that did not answer is not asked again


class _Answer(BaseModel):
    limit_bytes: int


@dataclass(frozen=True, slots=True)
class _Known:
    limit: int | None
    fresh_until: float


class QuotaLimits:
    """`monotonic` is a clock in seconds."""

    def __init__(self, client: Client, *, keep: timedelta, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._keep = keep.total_seconds()
        self._now = monotonic
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._away_until = float("-inf")
        self._calls = asyncio.Semaphore(AT_ONCE)
        self._asking: dict[str, asyncio.Task[None]] = {}

    async def of(self, addresses: Iterable[str]) -> Mapping[str, int | None]:
        addresses = list(addresses)
        if stale := [address for address in addresses if self._is_stale(address)]:
            await asyncio.wait([self._ask_once(address) for address in stale], timeout=PATIENCE)
        return {address: self._limit(address) for address in addresses}

    def forget(self, address: str) -> None:
        """The last value stays known, for the case that quota is away when it is asked."""
        known = self._known.get(address)
        if known is not None:
            self._known[address] = _Known(known.limit, float("-inf"))

    async def close(self) -> None:
        """Ask nothing more."""
        asking = list(self._asking.values())
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)

    def _limit(self, address: str) -> int | None:
        known = self._known.get(address)
        return known.limit if known else None

    def _is_stale(self, address: str) -> bool:
        now = self._now()
        known = self._known.get(address)
        return now >= self._away_until and (known is None or now >= known.fresh_until)

    def _ask_once(self, address: str) -> asyncio.Task[None]:
        """Many messages for one mailbox share one question."""
        task = self._asking.get(address)
        if task is None:
            task = self._asking[address] = asyncio.create_task(self._ask(address))
            task.add_done_callback(lambda _: self._asking.pop(address, None))
        return task

    async def _ask(self, address: str) -> None:
        try:
            async with self._calls:
                if self._is_stale(address):
                    self._remember(address, await self._answer(address))
        except (Temporary, Permanent, ValueError) as error:
            log.warning("limits_unknown", reason=str(error)[:200])
            self._away_until = self._now() + GRACE

    async def _answer(self, address: str) -> int | None:
        response = await self._client.call("GET", f"/v1/usage/{address}")
        match response.status_code:
            case 200:
                return _Answer.model_validate_json(response.content).limit_bytes
            case 404:
                return None
            case status:
                raise Permanent(f"quota answers {status}")

    def _remember(self, address: str, limit: int | None) -> None:
        self._known[address] = _Known(limit, self._now() + self._keep)
        self._known.move_to_end(address)
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
