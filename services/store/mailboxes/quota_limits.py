"""Limits of mailboxes, asked of quota over HTTP and remembered for a while.

When quota is away or slow the last known limit counts; where none is known the message is accepted: an outage of quota
must stop no mail, and the next message is judged again.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog

from libs.envelope import Temporary
from libs.neighbours import QuotaClient
from libs.neighbours.quota import MAX_LIMITS
from libs.tasks import cancelled

log = structlog.get_logger(__name__)

REMEMBERED = 100_000  # mailboxes
PATIENCE = 3.0  # seconds that a message waits for answers
GRACE = 10.0  # seconds in which a quota that did not answer is not asked again


@dataclass(frozen=True, slots=True)
class _Known:
    limit: int | None
    fresh_until: float


class QuotaLimits:
    """`monotonic` is a clock in seconds."""

    def __init__(self, quota: QuotaClient, *, keep: timedelta, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._quota = quota
        self._keep = keep.total_seconds()
        self._now = monotonic
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._away_until = float("-inf")
        self._asking: dict[str, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def of(self, addresses: Iterable[str]) -> Mapping[str, int | None]:
        addresses = list(addresses)
        if asking := self._asked([address for address in addresses if self._is_stale(address)]):
            await asyncio.wait(asking, timeout=PATIENCE)
        return {address: self._limit(address) for address in addresses}

    def forget(self, address: str) -> None:
        """An address, or `@domain` for all of a domain.

        The last value stays known, for the case that quota is away. An answer that is under way may be older than the
        change: whoever comes now asks anew.
        """
        for one in _meant(address, self._known):
            self._known[one] = _Known(self._known[one].limit, float("-inf"))
        for one in _meant(address, self._asking):
            del self._asking[one]

    async def close(self) -> None:
        """Ask nothing more."""
        await cancelled(self._tasks)

    def _limit(self, address: str) -> int | None:
        known = self._known.get(address)
        return known.limit if known else None

    def _is_stale(self, address: str) -> bool:
        now = self._now()
        known = self._known.get(address)
        return now >= self._away_until and (known is None or now >= known.fresh_until)

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
            self._away_until = self._now() + GRACE
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
        self._known[address] = _Known(limit, self._now() + self._keep)
        self._known.move_to_end(address)
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)


def _meant(address: str, among: Mapping[str, object]) -> list[str]:
    if address.startswith("@"):
        return [one for one in among if one.endswith(address)]
    return [address] if address in among else []
