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
from services.relay.adapters.queue import MongoQueue, Verdict
from services.relay.domain.entries import State

log = structlog.get_logger(__name__)


class Ledger:
    """Outcomes on their way into the database, in batches."""

    def __init__(self, queue: MongoQueue, clock: Callable[[], datetime]) -> None:
        self._queue = queue
        self._clock = clock
        self._unwritten: dict[str, Verdict] = {}
        self._writes: Batcher[Sequence[Verdict], None] = Batcher(self._write)

    @property
    def unwritten(self) -> int:
        return len(self._unwritten)

    @property
    def fences(self) -> set[str]:
        """Under which these were claimed."""
        return {verdict.entry.fence for verdict in self._unwritten.values()}

    def taken(self, id: str) -> Verdict | None:
        """The outcome of an entry that a server took, if the database does not know it yet."""
        verdict = self._unwritten.get(id)
        return verdict if verdict is not None and verdict.then.state is State.SENT else None

    async def write(self, verdicts: Sequence[Verdict]) -> bool:
        """Whether they are in the database. False: they are remembered, and written by `flush`."""
        self._unwritten |= {verdict.entry.id: verdict for verdict in verdicts}
        try:
            await self._writes.add(verdicts)
        except Temporary as error:
            log.warning("outcomes_not_written", count=len(verdicts), reason=error.reason)
            return False
        return True

    async def flush(self) -> None:
        """Write what is left. Raises `Temporary`."""
        if self._unwritten:
            await self._write([list(self._unwritten.values())])

    async def _write(self, batch: Sequence[Sequence[Verdict]]) -> Sequence[None]:
        verdicts = [verdict for each in batch for verdict in each]
        await self._queue.settle(verdicts, now=self._clock())
        for verdict in verdicts:
            if self._unwritten.get(verdict.entry.id) is verdict:
                del self._unwritten[verdict.entry.id]
        return [None] * len(batch)
