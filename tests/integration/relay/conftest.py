"""The outbound queue on a real MongoDB with a clock that tests move, and relay as a running service."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from libs.envelope import Mail, Peer
from libs.mongo import Mongo
from services.relay.adapters.leases import Leases
from services.relay.adapters.queue import MongoQueue, Settlement
from services.relay.adapters.queue_views import QueueViews
from services.relay.adapters.report_queue import ReportQueue
from services.relay.domain.entries import Entry, State, Transition
from services.relay.domain.reporting import DeliveryReport, ReportEvent, ReportTarget
from tests import builders
from tests.integration.relay.running import Start, starting
from tests.servers.dns import DnsServer
from tests.servers.sink import Sink

DONE_RETENTION = timedelta(days=7)
BYTES = b"Subject: bonjour\r\n\r\nfin\r\n"


@dataclass
class Clock:
    """Both clocks of a process."""

    now: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    seconds: float = 0.0

    def __call__(self) -> datetime:
        return self.now

    def monotonic(self) -> float:
        return self.seconds

    def move(self, by: timedelta) -> None:
        self.now += by
        self.seconds += by.total_seconds()


@dataclass
class QueueReplica:
    """What a process of relay has of the queue."""

    name: str
    database: Any
    clock: Clock
    queue: MongoQueue = field(init=False)
    leases: Leases = field(init=False)
    reports: ReportQueue = field(init=False)
    views: QueueViews = field(init=False)

    def __post_init__(self) -> None:
        self.queue = MongoQueue(self.database, holder=self.name, done_retention=DONE_RETENTION)
        self.leases = Leases(self.database, holder=self.name, monotonic=self.clock.monotonic)
        self.reports = ReportQueue(self.database, self.queue.bodies, done_retention=DONE_RETENTION)
        self.views = QueueViews(self.database, self.queue.bodies, done_retention=DONE_RETENTION)

    async def add(self, *recipients: str, id: str = "m1", **more: Any) -> None:
        await self.queue.add(a_mail(*recipients, id=id, **more), now=self.clock())

    async def claim(self, destination: str = "far.example", **more: Any) -> list[Entry]:
        return await self.queue.claim(destination, **{"now": self.clock(), "messages": 20, **more})

    async def settle(self, entries: list[Entry], state: State, *, tell: ReportEvent | None = None) -> None:
        await self.queue.settle([self.settlement(entry, state, tell=tell) for entry in entries], now=self.clock())

    def settlement(
        self, entry: Entry, state: State, *, tell: ReportEvent | None = None, target: ReportTarget = ReportTarget.SENDER
    ) -> Settlement:
        now = self.clock()
        again = now + timedelta(minutes=5) if state is State.QUEUED else now
        report = None
        if tell:
            report = DeliveryReport(event=tell, target=target, status="5.1.1", text="550 5.1.1 no", created_at=now)
        return Settlement(entry, Transition(state, again, "said"), report)

    async def look_after_the_dead(self) -> list[str]:
        """A heartbeat, and what belongs to it."""
        await self.leases.renew(now=self.clock())
        dead = await self.leases.expired(now=self.clock())
        if dead:
            await self.queue.release_all(dead, now=self.clock())
            await self.leases.remove(dead)
        return dead

    async def states(self) -> dict[str, str]:
        entries = await self.views.listing(state=None, destination=None, after=None, limit=200)
        return {entry.id: entry.state.value for entry in entries}


def a_mail(*recipients: str, raw: bytes = BYTES, blob: str | None = None, **more: Any) -> Mail:
    usual = {"received_at": datetime(2026, 1, 1, tzinfo=UTC), "mail_from": "jean@example.org", "blob": blob}
    mail = builders.a_mail(*recipients, raw=raw, **{**usual, "peer": Peer(account="jean@example.org"), **more})
    return Mail(mail.envelope, None if blob else raw)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def replica(mongo: Mongo, clock: Clock) -> Callable[[], QueueReplica]:
    """Each is another process, on the same database and with the same clock."""
    database = mongo.database("relay")
    numbers = itertools.count(1)
    first = QueueReplica("first", database, clock)
    await first.queue.prepare()
    await first.leases.prepare()
    return lambda: QueueReplica(f"r{next(numbers)}", database, clock)


@pytest.fixture(scope="module")
def sink() -> Iterator[Sink]:
    sink = Sink()
    sink.start()
    yield sink
    sink.stop()


@pytest.fixture(scope="session")
def dns() -> Iterator[DnsServer]:
    """`good` has an MX that is dead before one that lives; `null` takes no mail; `plain` has an address alone.

    `one` and `two` have their mail at one server, `tarpit` at another.
    """
    server = DnsServer(
        [
            "--mx-host=good.example,dead.example,10",
            "--mx-host=good.example,live.example,20",
            "--mx-host=one.example,live.example,10",
            "--mx-host=two.example,live.example,20",
            "--host-record=tarpit.example,127.0.0.9",
            "--host-record=dead.example,127.0.0.9",
            "--host-record=live.example,127.0.0.1",
            "--host-record=plain.example,127.0.0.1",
            "--mx-host=null.example,.,0",
            "--local=/example/",
        ]
    )
    server.start()
    yield server
    server.stop()


@pytest.fixture
def start(mongo: Mongo, tmp_path: Path, dns: DnsServer) -> Start:
    """Starts a relay with the given settings."""
    return starting(mongo, tmp_path, dns)
