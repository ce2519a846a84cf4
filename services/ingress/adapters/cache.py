"""Answers of a neighbour, kept for a short time: bounded, asked once however many wait, never stale after a change."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from libs.envelope import Temporary

V = TypeVar("V")


class Cache(Generic[V]):
    """`fetch(key)` is called for what is not known. Seconds; `clock` is monotonic.

    After a `Temporary` the neighbour is left alone for `rest` seconds: sessions need not wait for it one by one.
    """

    def __init__(
        self,
        fetch: Callable[[str], Awaitable[V]],
        *,
        ttl: float,
        max_entries: int,
        clock: Callable[[], float],
        rest: float = 1.0,
    ) -> None:
        self._fetch = fetch
        self._ttl = ttl
        self._max_entries = max_entries
        self._clock = clock
        self._rest = rest
        self._known: OrderedDict[str, tuple[float, V]] = OrderedDict()  # ends first come first
        self._asked: dict[str, asyncio.Task[V]] = {}
        self._running: set[asyncio.Task[V]] = set()
        self._generation = 0
        self._asleep_until = float("-inf")

    async def get(self, key: str) -> V:
        """Raises `Temporary`, and what else `fetch` raises."""
        known = self._known.get(key)
        if known is not None and known[0] > self._clock():
            return known[1]
        task = self._asked.get(key)
        if task is None:
            if self._asleep_until > self._clock():
                raise Temporary("the neighbour did not answer a moment ago")
            task = self._asked[key] = asyncio.create_task(self._ask(key))
            self._running.add(task)
            task.add_done_callback(self._done)
        # Whoever asked first may go away; the others still want the answer.
        return await asyncio.shield(task)

    def forget(self, *keys: str) -> None:
        """Without keys: everything. What is being asked right now is not kept either, and asked anew for newcomers."""
        self._generation += 1
        self._asked.clear()
        if not keys:
            self._known.clear()
        for key in keys:
            self._known.pop(key, None)

    def __len__(self) -> int:
        return len(self._known)

    async def _ask(self, key: str) -> V:
        generation = self._generation
        try:
            answer = await self._fetch(key)
        except Temporary:
            self._asleep_until = self._clock() + self._rest
            raise
        finally:
            if self._asked.get(key) is asyncio.current_task():
                del self._asked[key]
        if generation == self._generation:
            self._keep(key, answer)
        return answer

    def _done(self, task: asyncio.Task[V]) -> None:
        """An error is told to those who wait; when they are all gone it concerns nobody."""
        self._running.discard(task)
        if not task.cancelled():
            task.exception()

    def _keep(self, key: str, answer: V) -> None:
        self._known[key] = (self._clock() + self._ttl, answer)
        self._known.move_to_end(key)
        while len(self._known) > self._max_entries:
            self._known.popitem(last=False)
