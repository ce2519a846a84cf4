"""The threads of an engine."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from libs import tasks
from libs.envelope import Temporary

Result = TypeVar("Result")


class ScanThreads:
    """Work waits for a free thread before its deadline runs: the wait is no fault of the engine."""

    def __init__(self, engine: str, count: int, deadline: timedelta) -> None:
        self._engine = engine
        self._seconds = deadline.total_seconds()
        self._threads = tasks.Threads(f"antivirus-{engine}", count, deadline)

    async def run(self, work: Callable[[], Result]) -> Result:
        """Raises `Temporary` after the deadline."""
        try:
            return await self._threads.run(work)
        except TimeoutError as error:
            raise Temporary(f"{self._engine}: no result within {self._seconds:g} seconds") from error

    def close(self) -> None:
        self._threads.close()
