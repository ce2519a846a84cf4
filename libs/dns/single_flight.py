"""Concurrent equal work runs once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class SingleFlight(Generic[K, V]):
    """The first caller of a key works in its own task and the other callers wait: no task lacks an owner.

    When the first caller is cancelled, one of the waiting callers takes its place.
    """

    def __init__(self) -> None:
        self._running: dict[K, asyncio.Future[V | Exception | None]] = {}
        self.joined = 0

    async def of(self, key: K, work: Callable[[], Awaitable[V]]) -> V:
        """Return the result of `work`, or raise its error, for every caller."""
        while (running := self._running.get(key)) is not None:
            self.joined += 1
            outcome = await asyncio.shield(running)
            if isinstance(outcome, Exception):
                raise outcome
            if outcome is not None:
                return outcome
        return await self._work(key, work)

    async def _work(self, key: K, work: Callable[[], Awaitable[V]]) -> V:
        running = self._running[key] = asyncio.get_running_loop().create_future()
        outcome: V | Exception | None = None  # cancelled
        try:
            outcome = await work()
            return outcome
        except Exception as error:
            outcome = error
            raise
        finally:
            del self._running[key]
            running.set_result(outcome)
