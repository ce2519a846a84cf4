"""Limits of mailboxes, asked of quota over HTTP and remembered for a while.

When quota is away or slow the last known limit counts; where none is known the message is accepted: an outage of quota
must stop no mail, and the next message is judged again.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta

import structlog

from libs.caching import TtlCache
from libs.envelope import Temporary
from libs.neighbours import QuotaClient
from libs.neighbours.quota import MAX_LIMITS
from libs.tasks import cancelled

log = structlog.get_logger(__name__)

REMEMBERED = 100_000  # mailboxes
ANSWER_DEADLINE = 3.0  # seconds that a message waits for answers
RETRY_AFTER = 10.0  # seconds in which a quota that did not answer is not asked again


class QuotaLimits:
    """`monotonic` is a clock in seconds."""

    def __init__(self, quota: QuotaClient, *, keep: timedelta, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._quota = quota
        self._keep = keep.total_seconds()
        self._now = monotonic
        # The last limits have no end: they count as long as quota is away. Those that are fresh are not asked for.
        self._last: TtlCache[str, int] = TtlCache(max_entries=REMEMBERED, clock=monotonic)
        self._fresh: TtlCache[str, tuple[int | None]] = TtlCache(max_entries=REMEMBERED, clock=monotonic)
        self._away_until = float("-inf")
        self._asking: dict[str, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def of(self, addresses: Iterable[str]) -> Mapping[str, int | None]:
        addresses = list(addresses)
        if asking := self._asked([address for address in addresses if self._is_stale(address)]):
            await asyncio.wait(asking, timeout=ANSWER_DEADLINE)
        return {address: self._limit(address) for address in addresses}

    def forget(self, address: str) -> None:
        """An address, or `@domain` for all of a domain.

        The last value stays known, for the case that quota is away. An answer that is under way may be older than the
        change: later messages ask again.
        """
        if address.startswith("@"):
            self._fresh.forget_tagged(address)
        else:
            self._fresh.forget(address)
        for one in _meant(address, self._asking):
            del self._asking[one]

    async def close(self) -> None:
        """Cancel pending queries."""
        await cancelled(self._tasks)

    def _limit(self, address: str) -> int | None:
        fresh = self._fresh.get(address)
        return self._last.get(address) if fresh is None else fresh[0]

    def _is_stale(self, address: str) -> bool:
        return self._now() >= self._away_until and self._fresh.get(address) is None

    def _asked(self, addresses: Sequence[str]) -> set[asyncio.Task[None]]:
        """The questions under way for `addresses`: many messages for one mailbox share one."""
        new = [address for address in dict.fromkeys(addresses) if address not in self._asking]
        for at in range(0, len(new), MAX_LIMITS):
            some = new[at : at + MAX_LIMITS]
            task = asyncio.create_task(self._ask(some))
            self._asking |= dict.fromkeys(some, task)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return {self._asking[address] for address in addresses}

    async def _ask(self, addresses: Sequence[str]) -> None:
        try:
            limits = await self._quota.limits(addresses)
        except Temporary as error:
            log.warning("limits_unknown", mailboxes=len(addresses), reason=error.reason)
            self._away_until = self._now() + RETRY_AFTER
        else:
            for address in filter(self._is_ours, addresses):
                self._remember(address, limits.get(address))
        finally:
            for address in filter(self._is_ours, addresses):
                del self._asking[address]

    def _is_ours(self, address: str) -> bool:
        """Whether this task still answers for `address`: it was not forgotten while we asked."""
        return self._asking.get(address) is asyncio.current_task()

    def _remember(self, address: str, limit: int | None) -> None:
        if limit is None:
            self._last.forget(address)
        else:
            self._last.put(address, limit, seconds=math.inf)
        self._fresh.put(address, (limit,), seconds=self._keep, tags=(f"@{address.rpartition('@')[2]}",))


def _meant(address: str, among: Mapping[str, object]) -> list[str]:
    if address.startswith("@"):
        return [one for one in among if one.endswith(address)]
    return [address] if address in among else []
