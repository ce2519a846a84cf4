"""Micro-batches: many handlers in flight, one write for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

I = TypeVar("I")  # noqa: E741
O = TypeVar("O")  # noqa: E741


class Batcher(Generic[I, O]):
    """Collects items from concurrent callers and hands them to `flush` together.

    While one flush runs, the next batch gathers, so that a lone item waits for nothing and a crowd shares one write.
    `flush` returns one result an item, in order; a result that is an exception is raised at its caller only.
    """

    def __init__(
        self,
        flush: Callable[[Sequence[I]], Awaitable[Sequence[O | BaseException]]],
        *,
        max_items: int = 100,
        lanes: int = 1,
    ) -> None:
        self._flush = flush
        self._max_items = max_items
        self._waiting: list[tuple[I, asyncio.Future[O]]] = []
        self._free_lanes = lanes
        self._running: set[asyncio.Task[None]] = set()

    async def add(self, item: I) -> O:
        """The result for `item`, once its batch is written."""
        future: asyncio.Future[O] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._free_lanes:
            self._free_lanes -= 1
            task = asyncio.create_task(self._drain())
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        return await future

    async def _drain(self) -> None:
        try:
            # One turn of the loop lets callers that are ready now join this batch.
            await asyncio.sleep(0)
            while self._waiting:
                batch, self._waiting = self._waiting[: self._max_items], self._waiting[self._max_items :]
                await self._write(batch)
        finally:
            self._free_lanes += 1

    async def _write(self, batch: Sequence[tuple[I, asyncio.Future[O]]]) -> None:
        results: Sequence[O | BaseException]
        try:
            results = await self._flush([item for item, _ in batch])
        except Exception as error:
            results = [error] * len(batch)
        for (_, future), result in zip(batch, results, strict=True):
            if future.done():
                continue
            if isinstance(result, BaseException):
                future.set_exception(result)
            else:
                future.set_result(result)
