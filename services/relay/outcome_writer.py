"""Writes the outcomes of delivery attempts, and remembers them until they are in the database.

An outcome that cannot be written is written as soon as the database answers. This process never sends an entry again
that a peer has accepted, even if the entry is requeued meanwhile. An outcome that was not written when the process died
leads to a second delivery (RFC 1047: duplicates are better than losses).
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
    """Writes outcomes to the database in batches."""

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
        """The fences under which the unwritten entries were claimed."""
        return {settlement.entry.fence for settlement in self._unwritten.values()}

    def accepted(self, id: str) -> Settlement | None:
        """The outcome of an entry that a server accepted, if the database does not have it yet."""
        settlement = self._unwritten.get(id)
        return settlement if settlement is not None and settlement.transition.state is State.SENT else None

    async def write(self, settlements: Sequence[Settlement]) -> bool:
        """Write the outcomes. Returns False when they are only remembered, for `flush` to write."""
        self._unwritten |= {settlement.entry.id: settlement for settlement in settlements}
        try:
            await self._writes.add(settlements)
        except Temporary as error:
            log.warning("outcome_write_failed", count=len(settlements), reason=error.reason)
            return False
        return True

    async def flush(self) -> None:
        """Write the remembered outcomes. Raises `Temporary`."""
        if self._unwritten:
            await self._write([list(self._unwritten.values())])

    async def _write(self, batch: Sequence[Sequence[Settlement]]) -> Sequence[None]:
        settlements = [settlement for each in batch for settlement in each]
        await self._queue.settle(settlements, now=self._clock())
        for settlement in settlements:
            if self._unwritten.get(settlement.entry.id) is settlement:
                del self._unwritten[settlement.entry.id]
        return [None] * len(batch)
