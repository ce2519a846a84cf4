"""What this process knows of tries, until the database knows it too.

An outcome that cannot be written is not forgotten: it is written as soon as the database answers, and an entry that the
peer took is never sent again by this process, whoever gives it back meanwhile. What the process knew and had not
written when it died is sent again: RFC 1047, better twice than never.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

import structlog

from libs.envelope import Temporary
from libs.mongo import Batcher
from services.relay.adapters.queue import MongoQueue, Settlement
from services.relay.domain.entries import State

log = structlog.get_logger(__name__)


class OutcomeWriter:
    """Outcomes on their way into the database, in batches."""

    def __init__(self, queue: MongoQueue, clock: Callable[[], datetime]) -> None:
        self._queue = queue
        self._clock = clock
        self._unwritten: dict[str, Settlement] = {}
        self._writes: Batcher[Sequence[Settlement], None] = Batcher(self._write)

    @property
    def unwritten(self) -> int:
        return len(self._unwritten)

    @property
    def fences(self) -> set[str]:
        """Under which these were claimed."""
        return {settlement.entry.fence for settlement in self._unwritten.values()}

    def taken(self, id: str) -> Settlement | None:
        """The outcome of an entry that a server took, if the database does not know it yet."""
        settlement = self._unwritten.get(id)
        return settlement if settlement is not None and settlement.transition.state is State.SENT else None

    async def write(self, settlements: Sequence[Settlement]) -> bool:
        """Whether they are in the database. False: they are remembered, and written by `flush`."""
        self._unwritten |= {settlement.entry.id: settlement for settlement in settlements}
        try:
            await self._writes.add(settlements)
        except Temporary as error:
            log.warning("outcome_write_failed", count=len(settlements), reason=error.reason)
            return False
        return True

    async def flush(self) -> None:
        """Write what is left. Raises `Temporary`."""
        if self._unwritten:
            await self._write([list(self._unwritten.values())])

    async def _write(self, batch: Sequence[Sequence[Settlement]]) -> Sequence[None]:
        settlements = [settlement for each in batch for settlement in each]
        await self._queue.settle(settlements, now=self._clock())
        for settlement in settlements:
            if self._unwritten.get(settlement.entry.id) is settlement:
                del self._unwritten[settlement.entry.id]
        return [None] * len(batch)
