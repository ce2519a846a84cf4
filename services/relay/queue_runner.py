"""Runs the outbound queue: finds the entries that are due, and opens and closes connections for them.

Each connection leads to one MX group and holds a slot that counts in the whole cluster. It serves the destinations of
its group in turn, some entries of each, and stays open for a while when nothing is left.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic
from typing import Any

import structlog

from libs.envelope import Permanent, Temporary
from libs.tasks import cancelled
from services.relay.adapters.leases import Leases
from services.relay.adapters.queue import MOST_ENTRIES, MongoQueue
from services.relay.adapters.smtp import SmtpSession
from services.relay.deliverer import Deliverer
from services.relay.domain.connection_scheduler import ConnectionScheduler, ScheduledConnection
from services.relay.domain.entries import Entry
from services.relay.domain.replies import Result, deferred, failed
from services.relay.outcome_writer import OutcomeWriter
from services.relay.ports import DeliveryRoute, Destinations

log = structlog.get_logger(__name__)

MESSAGES_PER_TURN = 20  # messages
IDLE_TIMEOUT = timedelta(seconds=10)
_MAX_MX_GROUPS = 20_000
_MAX_LOOKUPS = 100
_NO_ROUTE = "no route to "


@dataclass(frozen=True, slots=True)
class ConcurrencyLimits:
    """Bounds the open connections: those of the cluster to one MX group, and those of this process to all."""

    mx_group: int
    total: int


class QueueRunner:
    """Started and stopped by the runner like a listener: at SIGTERM transactions under target end first."""

    def __init__(
        self,
        *,
        queue: MongoQueue,
        leases: Leases,
        outcomes: OutcomeWriter,
        deliverer: Deliverer,
        destinations: Destinations,
        session: Callable[[], SmtpSession],
        limits: ConcurrencyLimits,
        clock: Callable[[], datetime],
    ) -> None:
        self._queue = queue
        self._leases = leases
        self._outcomes = outcomes
        self._deliverer = deliverer
        self._destinations = destinations
        self._session = session
        self._limits = limits
        self._clock = clock
        self._scheduler = ConnectionScheduler(limit=limits.mx_group, total=limits.total)
        self._mx_groups: OrderedDict[str, str] = OrderedDict()
        self._suspended: set[str] = set()
        self._claims: dict[str, asyncio.Lock] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._finding: dict[str, asyncio.Task[None]] = {}
        self._work = asyncio.Condition()
        self._polling = asyncio.Lock()
        self._turns = 0
        self._in_flight: set[str] = set()
        self._lost: set[str] = set()
        self._stopping = False

    async def start(self) -> None:
        """Do nothing: there is no socket to bind."""

    async def stop(self, grace: timedelta) -> None:
        """Claim no more entries, let transactions end within `grace`, and requeue unsent entries at once."""
        self._stopping = True
        async with self._polling:
            pass  # a poll that had begun is over, and no other one begins
        await cancelled([*self._finding.values()])
        await self._notify()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace.total_seconds())
        await cancelled(self._tasks)
        try:
            await self._outcomes.flush()
            await self._queue.release_all([self._leases.holder], now=self._clock())
            await self._leases.remove([self._leases.holder])
        except Temporary as error:
            # Other processes take the entries over when the lease of this one ends.
            log.warning("lease_release_failed", reason=error.reason, unwritten=self._outcomes.unwritten)

    async def heartbeat(self) -> None:
        """Flush the outcomes, renew the lease of this process, then requeue the entries of dead processes."""
        await self._outcomes.flush()
        if self._stopping:
            return
        await self._leases.renew(now=self._clock())
        await self._requeue_lost()
        if dead := await self._leases.expired(now=self._clock()):
            count = await self._queue.release_all(dead, now=self._clock())
            await self._leases.remove(dead)
            log.warning("leases_taken_over", holders=dead, entries=count)

    async def _requeue_lost(self) -> None:
        """Requeue entries that this process has claimed and does not serve, since an answer to it was lost.

        An entry must be seen twice, and never while a claim is under way.
        """
        if self._claims:
            return
        leased = await self._queue.fences()
        lost = leased - self._in_flight - self._outcomes.fences
        if again := lost & self._lost:
            log.warning("lost_leases_released", count=len(again))
            await self._queue.release_fences(again, now=self._clock())
        self._lost = lost - again

    async def poll(self) -> None:
        """Schedule the destinations that are due now. Raises `Temporary`."""
        async with self._polling:
            if self._stopping:
                return
            if not self._leases.is_valid:
                await self._leases.renew(now=self._clock())
            self._suspended = await self._queue.suspended()
            ready = await self._queue.ready(now=self._clock())
            self._scheduler.retry_full_groups()
        self.expect(ready)

    def hold(self, destination: str, *, held: bool) -> None:
        """Suspend or resume a destination at once; other processes see it at their next poll."""
        (self._suspended.add if held else self._suspended.discard)(destination)

    def expect(self, destinations: Iterable[str]) -> None:
        """Schedule `destinations`, for which entries are due."""
        if self._stopping:
            return
        for destination in destinations:
            if destination in self._suspended:
                continue
            if (mx_group := self._mx_groups.get(destination)) is not None:
                self._scheduler.expect(mx_group, destination)
            elif destination not in self._finding and len(self._finding) < _MAX_LOOKUPS:
                self._finding[destination] = self._start(self._find(destination))
        self._open_connections()

    async def _find(self, destination: str) -> None:
        try:
            route = await self._route(destination)
        finally:
            del self._finding[destination]
        self._mx_groups[destination] = route.mx_group if isinstance(route, DeliveryRoute) else _NO_ROUTE + destination
        while len(self._mx_groups) > _MAX_MX_GROUPS:
            self._mx_groups.popitem(last=False)
        self.expect([destination])

    async def _route(self, destination: str) -> DeliveryRoute | Result:
        try:
            return await self._destinations.route(destination)
        except Temporary as error:
            return deferred(error.reason, status=error.reason.split()[0])
        except Permanent as error:
            return failed(error.reason, status=error.reason.split()[0])

    def _open_connections(self) -> None:
        if self._stopping:
            return
        while (connection := self._scheduler.open(monotonic())) is not None:
            self._start(self._run_connection(connection))
        if (idle := self._scheduler.idle()) is not None:
            idle.must_close = True
        if any(connection.busy_since is None for connection in self._scheduler.connections):
            self._start(self._notify())

    async def _notify(self) -> None:
        async with self._work:
            self._work.notify_all()

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            if isinstance(error, Temporary):
                log.warning("connection_deferred", reason=error.reason)
            else:
                log.error("connection_failed", exc_info=error)

    async def _run_connection(self, connection: ScheduledConnection) -> None:
        slot: str | None = None
        session = self._session()
        try:
            slot = await self._leases.acquire_slot(connection.mx_group, limit=self._limits.mx_group, now=self._clock())
            while slot is not None and not self._stopping:
                if (destination := self._scheduler.next_destination(connection.mx_group)) is not None:
                    await self._serve_destination(connection, destination, session)
                    if self._scheduler.must_yield(connection, monotonic()):
                        break
                elif not await self._wait_for_work(connection):
                    break
        finally:
            self._scheduler.close(connection, is_full=slot is None)
            await session.close()
            if slot is not None:
                await self._leases.release_slot(connection.mx_group, slot)
            self._open_connections()

    async def _wait_for_work(self, connection: ScheduledConnection) -> bool:
        """Wait for more work for the same connection; False when it is to be closed."""
        connection.busy_since = None
        try:
            async with asyncio.timeout(IDLE_TIMEOUT.total_seconds()):
                while not (self._stopping or connection.must_close or self._scheduler.has_work(connection.mx_group)):
                    async with self._work:
                        await self._work.wait()
        except TimeoutError:
            return False
        finally:
            connection.busy_since = monotonic()
        return not self._stopping and not connection.must_close

    async def _serve_destination(self, connection: ScheduledConnection, destination: str, session: SmtpSession) -> None:
        route = await self._route(destination)
        mx_group = route.mx_group if isinstance(route, DeliveryRoute) else connection.mx_group
        if mx_group != connection.mx_group:
            self._mx_groups[destination] = mx_group  # its MX group has changed: another connection serves it
            self.expect([destination])
            return
        left = {entry.id: entry for entry in await self._claim(destination)}
        self._in_flight |= {entry.fence for entry in left.values()}
        fences = {entry.fence for entry in left.values()}
        try:
            if len(left) >= MOST_ENTRIES or len({entry.message for entry in left.values()}) >= MESSAGES_PER_TURN:
                self.expect([destination])  # other connections may help
            for batch, mail in await self._deliverer.batches(list(left.values())) if left else ():
                if self._stopping or not self._leases.is_valid:
                    break
                connection.busy_since = monotonic()
                for entry in batch.entries:
                    del left[entry.id]
                await self._deliverer.deliver(batch, mail, route, session)
        finally:
            self._in_flight -= fences
            if left:
                await self._release(list(left.values()))

    async def _claim(self, destination: str) -> list[Entry]:
        """Claim due entries. Claims of a destination are serialized: two would choose the same entries."""
        if self._stopping or destination in self._suspended or not self._leases.is_valid:
            return []
        self._turns += 1
        lock = self._claims.setdefault(destination, asyncio.Lock())
        try:
            async with lock:
                return await self._queue.claim(
                    destination, now=self._clock(), messages=MESSAGES_PER_TURN, bulk_first=self._turns % 4 == 0
                )
        finally:
            if not lock.locked():
                self._claims.pop(destination, None)

    async def _release(self, entries: list[Entry]) -> None:
        try:
            await self._queue.release(entries, now=self._clock())
        except Temporary as error:
            log.warning("entry_release_failed", count=len(entries), reason=error.reason)
