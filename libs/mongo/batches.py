"""Micro-batches: one write for many concurrent handlers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
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
        """Return the result for `item` once its batch is written; without its caller an item is left out."""
        future: asyncio.Future[O] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._free_lanes:
            self._free_lanes -= 1
            # In a context of its own: in logs and traces a batch belongs to no single message.
            task = asyncio.get_running_loop().create_task(self._drain(), context=Context())
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        return await future

    async def _drain(self) -> None:
        try:
            # One turn of the loop lets callers that are ready now join this batch.
            await asyncio.sleep(0)
            while self._waiting and not _is_stopping():
                batch, self._waiting = self._waiting[: self._max_items], self._waiting[self._max_items :]
                await self._write([(item, future) for item, future in batch if not future.done()])
        finally:
            self._free_lanes += 1

    async def _write(self, batch: Sequence[tuple[I, asyncio.Future[O]]]) -> None:
        if not batch:
            return
        for (_, future), result in zip(batch, await self._results([item for item, _ in batch]), strict=True):
            if future.done():
                continue
            if isinstance(result, BaseException):
                future.set_exception(result)
            else:
                future.set_result(result)

    async def _results(self, items: Sequence[I]) -> Sequence[O | BaseException]:
        """Return one result for each item, whatever `flush` does: no caller may wait without end."""
        try:
            results = await self._flush(items)
        except Exception as error:
            return [error] * len(items)
        except asyncio.CancelledError:
            return [RuntimeError("the write was cancelled")] * len(items)
        if len(results) != len(items):
            return [RuntimeError(f"{len(results)} results for {len(items)} items")] * len(items)
        return results


def _is_stopping() -> bool:
    """Cancel the waiting callers, because the loop ends."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
