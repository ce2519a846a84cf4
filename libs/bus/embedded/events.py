"""Groups and broadcasts of the embedded bus: subscriptions to events, and the retirement of groups."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

import structlog

from libs.bus.embedded.groups import TakeoverStep, take_over
from libs.bus.embedded.queues import WorkQueue
from libs.bus.embedded.retries import BusClock
from libs.bus.embedded.writer import Writer
from libs.bus.ports import Event, Limits
from libs.bus.subscribers import EVENT_HEADER, BroadcastSubscriber, EventHandler, group_queue

log = structlog.get_logger(__name__)

DROPPED = "dropped: its queue was full, and it was the oldest there"


class BusInternals(Protocol):
    """The parts of the bus that are needed here; a Protocol, since the bus imports this module."""

    queues: dict[str, WorkQueue]
    limits: Limits
    clock: BusClock

    def running_writer(self) -> Writer: ...
    def work_queue(self, name: str) -> WorkQueue: ...
    async def declare(self, *queues: str) -> None: ...
    async def put(self, target: WorkQueue, body: bytes, headers: Mapping[str, str] | None) -> None: ...


class Events:
    """Holds the groups (as the file has them) and the broadcast subscribers."""

    def __init__(self, bus: BusInternals) -> None:
        self._bus = bus
        self._groups: dict[str, set[str]] = {}  # by event
        self._members: dict[str, frozenset[str]] = {}  # events by group, as this process hears them
        self._broadcast: list[BroadcastSubscriber] = []

    def remember(self, group: str, event: str) -> None:
        self._groups.setdefault(event, set()).add(group)

    async def close(self) -> None:
        await asyncio.gather(*(subscriber.cancel() for subscriber in self._broadcast))

    def broadcast(self, names: Sequence[str], handler: EventHandler) -> BroadcastSubscriber:
        self._broadcast.append(subscriber := BroadcastSubscriber(names, handler))
        return subscriber

    async def emit(self, event: Event) -> None:
        """Publish to all groups concurrently; the failure of one does not affect the others."""
        self._bus.running_writer()
        headers = {EVENT_HEADER: event.name}
        queues = [group_queue(group) for group in self._groups.get(event.name, ())]
        results = await asyncio.gather(
            *(self._put(queue, event.payload, headers) for queue in queues), return_exceptions=True
        )
        for subscriber in self._broadcast:
            subscriber.put(event)
        if failures := [result for result in results if isinstance(result, BaseException)]:
            raise failures[0]

    async def join(self, group: str, names: Collection[str]) -> None:
        """Subscribe `group` to exactly `names`."""
        if self._members.setdefault(group, frozenset(names)) != frozenset(names):
            raise ValueError(f"the group {group!r} already hears {sorted(self._members[group])} in this process")
        await self._bus.declare(group_queue(group))
        await self._hears(group, names)

    async def reconcile_groups(
        self, service: str, rows: Mapping[str, Collection[str]], former: Mapping[str, Collection[str]]
    ) -> None:
        """As `Bus.reconcile_groups`."""
        known = {group for groups in self._groups.values() for group in groups}
        for group in sorted({*known, *former} - rows.keys()):
            if group.startswith(f"{service}.") and group_queue(group) in self._bus.queues:
                await self._retire(group, rows)

    async def _hears(self, group: str, names: Collection[str]) -> None:
        def joined(_: None, error: Exception | None) -> None:
            if error is not None:
                return
            for groups in self._groups.values():
                groups.discard(group)
            for name in names:
                self.remember(group, name)

        await self._bus.running_writer().call(lambda file: file.subscribe(group, names), joined)

    async def _put(self, name: str, payload: bytes, headers: Mapping[str, str]) -> None:
        """Publish to a group. A full queue loses its oldest events, so that no group blocks emitters."""
        queue, limits = self._bus.work_queue(name), self._bus.limits
        beyond = queue.ready - limits.max_messages + 1
        if beyond > 0 or queue.ready_bytes + len(payload) > limits.max_bytes:
            await self._drop_oldest(queue, max(beyond, 1))
        await self._bus.put(queue, payload, headers)

    async def _drop_oldest(self, queue: WorkQueue, count: int) -> None:
        def dropped(result: tuple[int, int, int], error: Exception | None) -> None:
            if error is None:
                gone, size, died = result
                queue.left(gone, size)
                queue.dead += died
                log.warning("events_dropped", queue=queue.name, events=gone)

        now, keep = self._bus.clock.now(), self._bus.limits.max_messages
        await self._bus.running_writer().call(
            lambda file: file.drop_oldest(queue.id, count, keep_dead=keep, reason=DROPPED, died_at=now), dropped
        )

    async def _retire(self, group: str, rows: Mapping[str, Collection[str]]) -> None:
        old, now = self._bus.work_queue(group_queue(group)), self._bus.clock.now()
        if old.consumers:
            log.info("group_kept_for_its_consumers", group=group, consumers=len(old.consumers))
            return
        await self._hears(group, ())
        if not rows:
            if old.ready or old.delayed or old.dead:
                log.warning("events_left_behind", queue=old.name, waiting=old.ready + old.delayed, dead=old.dead)
            return
        numbers = {group_queue(row): self._bus.work_queue(group_queue(row)).id for row in rows}

        def taken_over(step: TakeoverStep, error: Exception | None) -> None:
            if error is None:
                self._took_over(old, step)

        while await self._bus.running_writer().call(
            lambda file: take_over(file, old.id, rows, numbers, now=now), taken_over
        ):
            log.warning("events_moved", group=group)

    def _took_over(self, old: WorkQueue, step: TakeoverStep) -> None:
        old.delayed -= step.delayed
        old.left(step.waiting - step.delayed, step.size)
        old.dead += step.died - step.dead
        for queue in self._bus.queues.values():
            queue.dead += step.dead_lettered.get(queue.id, 0)
            if queue.id in step.arrived:
                queue.arrived(*step.arrived[queue.id])
