"""What a transaction does after a write conflict: it waits a little before it starts anew.

Changes to one mailbox happen one after the other, so replicas that want the same one at the same time do clash. Those
that all start again at once clash again; random waits that grow let one after the other through.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

T = TypeVar("T")

FIRST_WAIT = 0.004  # seconds, at most: about as long as a commit takes
LONGEST_WAIT = 0.25


def patient(work: Callable[[Any], Awaitable[T]]) -> Callable[[Any], Awaitable[T]]:
    """`work` for `Mongo.transaction`. It waits before the first operation, so no snapshot grows old meanwhile."""
    conflicts = -1

    async def attempt(session: Any) -> T:
        nonlocal conflicts
        conflicts += 1
        if conflicts:
            await asyncio.sleep(random.uniform(0, min(FIRST_WAIT * 2**conflicts, LONGEST_WAIT)))
        return await work(session)

    return attempt
