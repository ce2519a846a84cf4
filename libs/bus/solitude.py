"""One message at a time, with nothing else in hand in the whole process: for those that were in hand when one died.

Whatever kills the process then is known. Messages that were in hand beside it are no suspects any more once they were
handled alone, and are never given up for the crashes of another.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

# A handler that hangs must not hold up all others for its whole deadline. What has been in hand for so long beside the
# suspect did not kill the process so far.
PATIENCE = timedelta(seconds=10)


class Solitude:
    """Shared by all consumers of a bus. Each tells what it begins and ends, and begins nothing while it is `closed`."""

    def __init__(self, *, patience: timedelta = PATIENCE) -> None:
        self.closed = False
        self._patience = patience.total_seconds()
        self._in_hand = 0
        self._idle = asyncio.Event()
        self._one = asyncio.Lock()
        self._resume: list[Callable[[], None]] = []

    def on_open(self, resume: Callable[[], None]) -> None:
        """`resume` is called each time that others may begin again."""
        self._resume.append(resume)

    def begin(self) -> None:
        self._in_hand += 1

    def end(self) -> None:
        self._in_hand -= 1
        if not self._in_hand:
            self._idle.set()

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Waits until nothing is in hand, at most for the patience."""
        async with self._one:
            self.closed = True
            try:
                await self._until_idle()
                yield
            finally:
                self.closed = False
                for resume in self._resume:
                    resume()

    async def _until_idle(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._patience):
                while self._in_hand:
                    self._idle.clear()
                    await self._idle.wait()
