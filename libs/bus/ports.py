"""What every bus promises."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from libs.envelope import Temporary

# The delays of the ladder: a retry waits on the lowest rung that is not shorter than the delay that it asks for.
RETRY_DELAYS = tuple(timedelta(seconds=s) for s in (1, 5, 30, 120, 600, 1800))

# Tries that end in a bug before a message is a dead letter. Outages, of which it may have had many, do not count.
MAX_BUG_ATTEMPTS = 5
# Crashes of its process with the message alone in flight before it is a dead letter.
MAX_CRASHES = 5
# How long an outage is waited out, counted from the first publication of a message ...
MAX_RETRY_AGE = timedelta(days=5)
# ... and how many tries it has in any case: one that waited for days in a queue without a consumer is not given up at
# the first hiccup then.
MIN_ATTEMPTS = 10

# RabbitMQ 4 closes the channel on a larger message. Mail is far smaller: above 256 KiB its bytes are in the blob store.
MAX_MESSAGE_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """How much may wait in one queue before publishing to it is refused; a queue of events drops its oldest then."""

    max_messages: int = 500_000
    max_bytes: int = 8 << 30


DEFAULT_LIMITS = Limits()


class Unavailable(Temporary):
    """The broker is gone, blocked or silent: what was published may be durable or not, nobody knows."""


class NotPublished(Unavailable):
    """The broker is gone, blocked or silent, and never got the message: it is surely not durable."""


class Refused(Temporary):
    """The broker answered and did not take the message: the queue is full, or there is no such queue.

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
        """1 on the first try; counts retries that were asked for as well as deliveries that a crash gave back."""

    @property
    def bugs(self) -> int:
        """How many tries before this one were given back as a `bug`."""

    @property
    def first_seen(self) -> datetime:
        """When the message was first published to this queue (kept over retries)."""

    @property
    def settled(self) -> bool:
        """Whether it was ended. An end that raised `Unavailable` is none: another may follow."""

    async def ack(self) -> None:
        """Done: the message is gone for ever."""

    async def retry(self, delay: timedelta, *, reason: str, body: bytes | None = None, bug: bool = False) -> None:
        """Again after about `delay` (a rung of `RETRY_DELAYS`), with `body` instead if given; never blocks others.

        `bug` when the handler failed by itself rather than by an outage.
        """

    async def dead_letter(self, reason: str) -> None:
        """To the dead letters of its queue."""

    async def requeue(self) -> None:
        """Give it back at once, for another consumer (shutdown)."""


class Consumer(Protocol):
    """A running subscription."""

    async def stop(self) -> None:
        """Take nothing more. Deliveries in flight stay valid and may still be ended."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that its consumer gave up. `id` is stable until it is replayed or purged."""

    id: str
    queue: str
    reason: str
    died_at: datetime
    attempts: int
    body: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Replayed:
    """How many dead letters went back, and whether others that match may be left."""

    count: int
    more: bool


@dataclass(frozen=True, slots=True)
class Depth:
    """How many messages wait (`ready`), are in flight or wait for a retry (`pending`, where known) and are dead."""

    ready: int
    pending: int
    dead: int


@dataclass(frozen=True, slots=True)
class Event:
    """A fact in the past tense (`UsageChanged`) with its JSON."""

    name: str
    payload: bytes


class Bus(Protocol):
    """All methods raise `Unavailable` or `Refused`, never a driver's own error. No method waits without bound."""

    @property
    def healthy(self) -> bool:
        """Connected and not blocked, as far as known now."""

    async def start(self) -> None:
        """Connect; waits for the broker, at most the configured time, then raises `Unavailable`."""

    async def close(self) -> None:
        """Stop everything and disconnect; unsettled deliveries go back."""

    async def declare(self, *queues: str) -> None:
        """Make sure that the work queues, their dead letters and the ladder exist. Idempotent."""

    async def publish(self, queue: str, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        """Returns when the message is durable in `queue`.

        Raises `Refused` (also for a body beyond `MAX_MESSAGE_BYTES`) and `NotPublished` when it surely is not, and any
        other `Unavailable` when it may be.
        """

    async def consume(
        self, queue: str, handler: Callable[[Delivery], Awaitable[None]], *, prefetch: int = 50
    ) -> Consumer:
        """Call `handler` for each message, at most `prefetch` at a time, reconnecting by itself.

        A handler that raises without having ended its delivery gives it back (counted as an attempt), but buries it
        with `Permanent`.
        """

    async def emit(self, event: Event) -> None:
        """Publish a fact; durable for every group subscribed to it, at once for broadcast subscribers.

        A group whose queue is full loses its oldest events to its dead letters; the others get all the same.
        """

    async def subscribe(
        self, names: Sequence[str], handler: Callable[[Event], Awaitable[None]], *, group: str | None = None
    ) -> Consumer:
        """Hear the events called `names` (declare-and-listen).

        With `group`: durable, each event reaches one member of the group, at least once, again after an error.
        Without: a broadcast to every live subscriber, lost for those who are away.
        """

    async def reconcile_groups(
        self,
        service: str,
        rows: Mapping[str, Collection[str]],
        *,
        former: Mapping[str, Collection[str]] | None = None,
    ) -> None:
        """Of the groups whose names begin with `service.` only those of `rows` (each with its events) hear any more.

        The queue of another one is unbound. What still waits in it goes to the groups of `rows` that hear the same
        event, or else to the dead letters of the first of them. One that still has consumers (an older version during
        a rolling update) is left alone until a later call. `former` are groups of versions before the list was kept.
        """

    async def depth(self, queue: str) -> Depth:
        """How full `queue` is."""

    async def oldest(self, queue: str) -> datetime | None:
        """When the oldest message that waits, is in flight or is to be retried was first published; None without one.

        As far as this process can know: a broker tells nobody how old what waits is. Then it is a lower bound of the
        time: the last message that was taken, or the last moment at which nothing waited.
        """

    async def dead_letters(self, queue: str, *, after: str | None = None, limit: int = 50) -> list[DeadLetter]:
        """A page of the dead letters of `queue`, oldest first, behind the id `after`."""

    async def publish_dead_letter(
        self, queue: str, body: bytes, reason: str, headers: Mapping[str, str] | None = None
    ) -> None:
        """Put a message straight into the dead letters of `queue`: its consumer took it, and gives it up only now.

        Raises `Unavailable`: then it may be there or not.
        """

    async def replay(self, queue: str, id: str) -> bool:
        """Back to its queue as a first attempt; False if there is no such dead letter. Durable before it is dropped."""

    async def replay_many(
        self, queue: str, matches: Callable[[DeadLetter], bool], *, limit: int, per_second: float
    ) -> Replayed:
        """Those that match go back to the queue as first attempts, oldest first, at most `limit` and so many a second.

        Each is durable before it is dropped. What dies again meanwhile is not replayed again.
        """

    async def purge(self, queue: str, id: str) -> bool:
        """Delete one dead letter for ever; False if there is none."""
