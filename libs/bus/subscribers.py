"""Subscribers of events: a broadcast subscriber, and the handler for the queue of a group."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import timedelta

import structlog

from libs.bus.dispatch import is_being_cancelled
from libs.bus.ports import Delivery, Event
from libs.envelope import Permanent, Temporary
from libs.envelope.model import utc_now
from libs.tasks import cancelled

log = structlog.get_logger(__name__)

EVENT_HEADER = "event"
# A broadcast subscriber that falls further behind loses the oldest events, which only invalidate caches.
MAX_QUEUED_EVENTS = 10_000

# After this time no rolling update is under way, so that no newer member will handle an unknown event.
ROLLING_UPDATE_LIMIT = timedelta(days=1)

EventHandler = Callable[[Event], Awaitable[None]]


_OF_GROUPS = "events."


def group_queue(group: str) -> str:
    """The work queue of a group of subscribers."""
    return f"{_OF_GROUPS}{group}"


def is_group_queue(queue: str) -> bool:
    """Whether `queue` belongs to a group. When full, it drops its oldest events, so that emitting never fails."""
    return queue.startswith(_OF_GROUPS)


def successors(rows: Mapping[str, Collection[str]], event: str) -> list[str]:
    """The queues that take `event` over from a retired group."""
    return [group_queue(group) for group, names in rows.items() if event in names]


def group_handler(names: Collection[str], handler: EventHandler) -> Callable[[Delivery], Awaitable[None]]:
    """Return the delivery handler for the queue of a group.

    An event that this member does not know is retried: during a rolling update a newer member may handle it.
    """

    async def hear(delivery: Delivery) -> None:
        event = Event(delivery.headers.get(EVENT_HEADER, ""), delivery.body)
        if not event.name:
            raise Permanent("it does not say which event it is")
        if event.name not in names:
            unknown = f"no member of the group handles the event {event.name[:100]!r}"
            raise Permanent(unknown) if utc_now() - delivery.first_seen > ROLLING_UPDATE_LIMIT else Temporary(unknown)
        await handler(event)
        await delivery.ack()

    return hear


class BroadcastSubscriber:
    """Handles broadcast events one after the other, in their order."""

    def __init__(self, names: Collection[str], handler: EventHandler) -> None:
        self.names = frozenset(names)
        self._handler = handler
        self._queued: deque[Event] = deque(maxlen=MAX_QUEUED_EVENTS)
        self._wake = asyncio.Event()
        self._stopped = False
        self._task = asyncio.get_running_loop().create_task(self._listen())

    def put(self, event: Event) -> None:
        if event.name in self.names:
            self._queued.append(event)
            self._wake.set()

    async def stop(self) -> None:
        """Accept no more events; the event in flight is finished."""
        self._stopped = True
        self._wake.set()

    async def cancel(self) -> None:
        """Stop, and cancel a running handler."""
        await self.stop()
        await cancelled([self._task])

    async def _listen(self) -> None:
        while not self._stopped:
            if not self._queued:
                self._wake.clear()
                await self._wake.wait()
                continue
            await self._handle(self._queued.popleft())

    async def _handle(self, event: Event) -> None:
        try:
            await self._handler(event)
        except (Exception, asyncio.CancelledError):
            if is_being_cancelled():
                raise
            # A broadcast cannot be requeued, and the next event must be handled all the same.
            log.exception("event_handler_raised", event_name=event.name)
