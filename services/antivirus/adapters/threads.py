"""A few threads for work that would keep the loop busy."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TypeVar

from libs.envelope import Temporary

Result = TypeVar("Result")


class Threads:
    """Work waits for a free thread here, not in a thread's queue: the wait is no fault of the engine and not counted.

    Python cannot end a thread, so whatever runs here bounds its own time; the deadline is for what goes wrong in spite
    of that.
    """

    def __init__(self, engine: str, count: int, deadline: timedelta) -> None:
        self._engine = engine
        self._places = asyncio.Semaphore(count)
        self._seconds = deadline.total_seconds()
        self._pool = ThreadPoolExecutor(count, thread_name_prefix=f"antivirus-{engine}")

    async def run(self, work: Callable[[], Result]) -> Result:
        """Raises `Temporary` after the deadline."""
        async with self._places:
            try:
                async with asyncio.timeout(self._seconds):
                    return await asyncio.get_running_loop().run_in_executor(self._pool, work)
            except TimeoutError as error:
                raise Temporary(f"{self._engine}: no result within {self._seconds:g} seconds") from error

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
