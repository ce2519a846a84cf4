"""Lists, adds, replays and purges dead letters of the embedded bus."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Protocol

from libs.bus.embedded.queues import WorkQueue
from libs.bus.embedded.retries import BusClock
from libs.bus.embedded.rows import DeadRow, decode_headers, encode_headers
from libs.bus.embedded.writer import Writer
from libs.bus.ports import DeadLetter, Replayed

# The number of letters in memory at a time.
PAGE = 50


class BusInternals(Protocol):
    """The parts of the bus that are needed here; a Protocol, since the bus imports this module."""

    clock: BusClock

    def running_writer(self) -> Writer: ...


class DeadLetters:
    """Manages the dead letters of all queues. The counts follow the file, whether or not a caller waits."""

    def __init__(self, bus: BusInternals) -> None:
        self._bus = bus

    async def page(self, queue: WorkQueue, *, after: int, limit: int) -> list[DeadLetter]:
        rows = await self._bus.running_writer().call(lambda file: file.dead_page(queue.id, after=after, limit=limit))
        return [_dead_letter(queue.name, row) for row in rows]

    async def add(self, queue: WorkQueue, body: bytes, reason: str, headers: Mapping[str, str] | None) -> None:
        text = reason.encode(errors="replace").decode()
        row = (0, text, self._bus.clock.now(), 1, encode_headers(headers), body)

        def added(_: None, error: Exception | None) -> None:
            queue.dead += error is None

        await self._bus.running_writer().call(lambda file: file.insert_dead(queue.id, row), added)

    async def replay(self, queue: WorkQueue, id: int) -> bool:
        now = self._bus.clock.now()

        def replayed(size: int | None, error: Exception | None) -> None:
            if error is None and size is not None:
                queue.dead -= 1
                queue.arrived(1, size)

        writer = self._bus.running_writer()
        return await writer.call(lambda file: file.replay(queue.id, id, now=now), replayed) is not None

    async def replay_many(
        self, queue: WorkQueue, matches: Callable[[DeadLetter], bool], *, limit: int, pause: float, until: float
    ) -> Replayed:
        """Replay matching letters that were dead at `until`; `pause` seconds follow each."""
        after, count = 0, 0
        while page := await self.page(queue, after=after, limit=PAGE):
            after = int(page[-1].id)
            for letter in page:
                if letter.died_at.timestamp() > until or not matches(letter):
                    continue
                if count == limit:
                    return Replayed(count, more=True)
                count += await self.replay(queue, int(letter.id))
                await asyncio.sleep(pause)
        return Replayed(count, more=False)

    async def purge(self, queue: WorkQueue, id: int) -> bool:
        def purged(done: bool, error: Exception | None) -> None:
            queue.dead -= error is None and done

        return await self._bus.running_writer().call(lambda file: file.purge(queue.id, id), purged)


def _dead_letter(queue: str, row: DeadRow) -> DeadLetter:
    id, reason, died_at, attempts, headers, body = row
    return DeadLetter(
        id=str(id),
        queue=queue,
        reason=reason,
        died_at=datetime.fromtimestamp(died_at, UTC),
        attempts=attempts,
        body=body,
        headers=decode_headers(headers),
    )
