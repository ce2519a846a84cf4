"""A few threads for work that would keep the event loop busy. A place is free when its thread has ended, not before."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from typing import TypeVar

Result = TypeVar("Result")


class Threads:
    """At most `count` computations at a time.

    Python cannot end a thread. Work that is given up goes on and keeps its place, so that the work behind it waits for
    a thread that is really free, and its own deadline does not run while it waits.
    """

    def __init__(self, name: str, count: int, deadline: timedelta) -> None:
        self._places = asyncio.Semaphore(count)
        self._seconds = deadline.total_seconds()
        self._pool = ThreadPoolExecutor(count, thread_name_prefix=name)

    async def run(self, work: Callable[[], Result]) -> Result:
        """Return the result of `work`. Raises `TimeoutError` when there is none within the deadline."""
        await self._places.acquire()
        loop = asyncio.get_running_loop()
        try:
            computing = self._pool.submit(work)
        except BaseException:
            self._places.release()
            raise
        computing.add_done_callback(lambda ended: self._leave(loop, ended))
        async with asyncio.timeout(self._seconds):
            return await asyncio.wrap_future(computing)

    def close(self) -> None:
        """Begin no further work; running work is not waited for."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _leave(self, loop: asyncio.AbstractEventLoop, _: Future[Result]) -> None:
        """In the thread, or where a computation that had not begun was cancelled."""
        try:
            loop.call_soon_threadsafe(self._places.release)
        except RuntimeError:
            return  # the loop is closed: no task waits for a place
