"""How tasks end: cancelled until they are, since code on their way may swallow one cancellation.

`asyncio.wait_for` of Python 3.11 does, when what it waits for is done at the same moment (3.12 mended it), and drivers
use it. A caller that cancels once and then waits may wait without end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

AGAIN = 0.5  # seconds after which a task that goes on is cancelled once more


async def cancelled(tasks: Iterable[asyncio.Future[Any]]) -> None:
    """Cancel the tasks and wait until all have ended; their exceptions are dropped."""
    chosen = list(tasks)
    running = {task for task in chosen if not task.done()}
    while running:
        for task in running:
            task.cancel()
        _, running = await asyncio.wait(running, timeout=AGAIN)
    for task in chosen:
        if not task.cancelled():
            task.exception()
