"""Isolation: a message that was in flight when a process died is handled alone, with nothing else in flight.

If the process dies again, the message that killed it is known. The others are cleared once they have been handled
alone, and are never dead-lettered for the crashes of another message.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

# A handler that hangs must not delay all others for its whole deadline. A message that has been in flight for this long
# did not kill the process so far.
DRAIN_TIMEOUT = timedelta(seconds=10)


class IsolationGate:
    """Is shared by all consumers of a bus. Each reports the handlers that it begins and ends, and begins none while the
    gate is `closed`."""

    def __init__(self, *, drain_timeout: timedelta = DRAIN_TIMEOUT) -> None:
        self.closed = False
        self._drain_timeout = drain_timeout.total_seconds()
        self._in_flight = 0
        self._idle = asyncio.Event()
        self._lock = asyncio.Lock()
        self._resume: list[Callable[[], None]] = []

    def on_reopen(self, resume: Callable[[], None]) -> None:
        """Call `resume` each time that the gate opens again."""
        self._resume.append(resume)

    def begin(self) -> None:
        self._in_flight += 1

    def end(self) -> None:
        self._in_flight -= 1
        if not self._in_flight:
            self._idle.set()

    @asynccontextmanager
    async def isolated(self) -> AsyncIterator[None]:
        """Close the gate, and wait until nothing is in flight, at most for the drain timeout."""
        async with self._lock:
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
            async with asyncio.timeout(self._drain_timeout):
                while self._in_flight:
                    self._idle.clear()
                    await self._idle.wait()
