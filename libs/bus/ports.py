"""The contract of every bus: its methods, data and errors."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from libs.envelope import Temporary

# The delays of retries: a retry waits for the shortest one that is not below the requested delay.
RETRY_DELAYS = tuple(timedelta(seconds=s) for s in (1, 5, 30, 120, 600, 1800))

# Attempts that end in a bug before a message becomes a dead letter. Outages do not count.
MAX_BUG_ATTEMPTS = 5
# Crashes of the process with the message alone in flight before it becomes a dead letter.
MAX_CRASHES = 5
# The age up to which a message is retried during an outage, counted from its first publication ...
MAX_RETRY_AGE = timedelta(days=5)
# ... and the attempts that it gets in any case: a message that waited for days without a consumer is not given up at
# the first failure.
MIN_ATTEMPTS = 10

# RabbitMQ 4 closes the channel on a larger message. Mail is far smaller: above 256 KiB its bytes are in the blob store.
MAX_MESSAGE_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one queue: beyond them publishing is refused, and a queue of events drops its oldest messages."""

    max_messages: int = 500_000
    max_bytes: int = 8 << 30


DEFAULT_LIMITS = Limits()


class Unavailable(Temporary):
    """The broker is gone, blocked or silent: the message may be durable or not."""


class NotPublished(Unavailable):
    """The broker is gone, blocked or silent, and never received the message: it is surely not durable."""


class Refused(Temporary):
    """The broker answered and refused the message: the queue is full, or does not exist.

    It is surely not durable.
    """


class Delivery(Protocol):
    """One message in flight. Exactly one of `ack`, `retry`, `dead_letter`, `requeue` ends it."""

    @property
    def queue(self) -> str: ...
    @property
    def body(self) -> bytes: ...
    @property
    def headers(self) -> Mapping[str, str]: ...

    @property
    def attempt(self) -> int:
        """1 on the first attempt; counts requested retries as well as redeliveries after a crash."""

    @property
    def bugs(self) -> int:
        """The number of earlier attempts that ended in a `bug`."""

    @property
    def first_seen(self) -> datetime:
        """When the message was first published to this queue (kept across retries)."""

    @property
    def settled(self) -> bool:
        """Whether the delivery is settled. One that raised `Unavailable` did not happen: another may follow."""

    async def ack(self) -> None:
        """Acknowledge the message, which deletes it."""

    async def retry(self, delay: timedelta, *, reason: str, body: bytes | None = None, bug: bool = False) -> None:
        """Deliver the message again after about `delay` (one of `RETRY_DELAYS`), with `body` instead if given.

        It never blocks other messages. `bug` says that the handler failed by itself rather than by an outage.
        """

    async def dead_letter(self, reason: str) -> None:
        """Move the message to the dead letters of its queue."""

    async def requeue(self) -> None:
        """Return the message to the queue at once, for another consumer (shutdown)."""


class Consumer(Protocol):
    """A running subscription."""

    async def stop(self) -> None:
        """Accept no more deliveries. Deliveries in flight stay valid and may still be settled."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that its consumer gave up. `id` is stable until the letter is replayed or purged."""

    id: str
    queue: str
    reason: str
    died_at: datetime
    attempts: int
    body: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Replayed:
    """The number of replayed dead letters, and whether more of them may match."""

    count: int
    more: bool


@dataclass(frozen=True, slots=True)
class Depth:
    """The messages of a queue: waiting (`ready`), in flight or to be retried (`pending`, where known), and dead."""

    ready: int
    pending: int
    dead: int


@dataclass(frozen=True, slots=True)
class Event:
    """An event, named in the past tense (`UsageChanged`), with its JSON."""

    name: str
    payload: bytes


class Bus(Protocol):
    """Methods raise `Unavailable` or `Refused`, and never an error of a driver. No method waits without bound."""

    @property
    def healthy(self) -> bool:
        """Whether the bus is connected and not blocked, as far as is known."""

    async def start(self) -> None:
        """Connect. Waits for the broker at most for the configured time, then raises `Unavailable`."""

    async def close(self) -> None:
        """Stop everything and disconnect; unsettled deliveries are requeued."""

    async def declare(self, *queues: str) -> None:
        """Declare the work queues and their dead letters. Idempotent."""

    async def publish(self, queue: str, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        """Publish a message, and return when it is durable in `queue`.

        Raises `Refused` (also for a body beyond `MAX_MESSAGE_BYTES`) and `NotPublished` when it surely is not, and any
        other `Unavailable` when it may be.
        """

    async def consume(
        self, queue: str, handler: Callable[[Delivery], Awaitable[None]], *, prefetch: int = 50
    ) -> Consumer:
        """Call `handler` for each message, at most `prefetch` at a time, reconnecting by itself.

        When a handler raises without having settled its delivery, the message is retried (counted as an attempt);
        after `Permanent` it becomes a dead letter.
        """

    async def emit(self, event: Event) -> None:
        """Publish an event: durable for every subscribed group, immediate for broadcast subscribers.

        A group whose queue is full loses its oldest events to its dead letters; other groups are not affected.
        """

    async def subscribe(
        self, names: Sequence[str], handler: Callable[[Event], Awaitable[None]], *, group: str | None = None
    ) -> Consumer:
        """Subscribe to the events called `names`.

        With `group`: durable, each event reaches one member of the group, at least once, again after an error.
        Without: a broadcast to every connected subscriber, which others miss.
        """

    async def reconcile_groups(
        self,
        service: str,
        rows: Mapping[str, Collection[str]],
        *,
        former: Mapping[str, Collection[str]] | None = None,
    ) -> None:
        """Retire the groups whose names begin with `service.` and that are not in `rows` (groups with their events).

        The queue of a retired group is unbound. Its messages move to the groups of `rows` with the same event, or else
        to the dead letters of the first of them. A group that still has consumers (an older version during a rolling
        update) is kept until a later call. `former` are groups of versions that did not register theirs.
        """

    async def depth(self, queue: str) -> Depth:
        """The number of messages in `queue`, by state."""

    async def oldest(self, queue: str) -> datetime | None:
        """The first publication of the oldest message that waits, is in flight or is to be retried; None without one.

        A broker does not tell the age of waiting messages. The result is then an estimate: the first publication of the
        last message received, or the last moment at which no message waited.
        """

    async def dead_letters(self, queue: str, *, after: str | None = None, limit: int = 50) -> list[DeadLetter]:
        """A page of the dead letters of `queue`, oldest first, behind the id `after`."""

    async def publish_dead_letter(
        self, queue: str, body: bytes, reason: str, headers: Mapping[str, str] | None = None
    ) -> None:
        """Publish a dead letter of `queue` directly: its consumer acknowledged the message, and gives it up only now.

        Raises `Unavailable` when it may be durable or not.
        """

    async def replay(self, queue: str, id: str) -> bool:
        """Return a dead letter to its queue as a first attempt; False if there is none. No crash can lose it."""

    async def replay_many(
        self, queue: str, matches: Callable[[DeadLetter], bool], *, limit: int, per_second: float
    ) -> Replayed:
        """Return matching dead letters to the queue as first attempts: oldest first, at most `limit`, rate-limited.

        Each is durable in the queue before it is deleted. A message that dies again meanwhile is not replayed again.
        """

    async def purge(self, queue: str, id: str) -> bool:
        """Delete a dead letter; False if there is none."""
