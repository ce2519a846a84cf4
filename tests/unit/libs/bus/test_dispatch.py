"""What becomes of a delivery whose handler fails."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from libs.bus import Unavailable
from libs.bus.dispatch import delay_step, run_handler
from libs.bus.ports import MAX_RETRY_AGE, RETRY_DELAYS, Delivery, Event
from libs.bus.subscribers import group_handler
from libs.envelope import Permanent, Temporary

DAYS = MAX_RETRY_AGE
SHORT = (timedelta(milliseconds=1), timedelta(milliseconds=2))


@dataclass
class Held:
    """A delivery that tells how it was ended."""

    attempt: int = 1
    bugs: int = 0
    away: bool = False
    broken: bool = False
    settled: bool = False
    end: list[str] = field(default_factory=list)
    queue: str = "q"
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    first_seen: datetime = field(default_factory=lambda: datetime.now(UTC))

    async def ack(self) -> None:
        self.settled = True
        self.end.append("ack")

    async def retry(self, delay: timedelta, *, reason: str, body: bytes | None = None, bug: bool = False) -> None:
        self._try()
        self.settled = True
        self.end.append(f"{'bug, ' * bug}retry {delay / timedelta(milliseconds=1):g} ms: {reason}")

    async def dead_letter(self, reason: str) -> None:
        self._try()
        self.settled = True
        self.end.append(f"bury: {reason}")

    async def requeue(self) -> None:
        self.settled = True
        self.end.append("requeue")

    def _try(self) -> None:
        if self.away:
            raise Unavailable("no broker")
        if self.broken:
            raise ValueError("headers that do not fit into a frame")


LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("delay", "expected"),
    [(0, 1), (1, 1), (2, 5), (30, 30), (31, 120), (1800, 1800), (99999, 1800)],
)
def test_a_retry_waits_on_the_lowest_rung_that_is_long_enough(delay: int, expected: int) -> None:
    assert delay_step(RETRY_DELAYS, timedelta(seconds=delay)) == timedelta(seconds=expected)


@pytest.mark.parametrize(
    ("error", "held", "end"),
    [
        (ValueError("bug"), Held(), "bug, retry 1 ms: ValueError: bug"),
        (ValueError("bug"), Held(attempt=2, bugs=1), "bug, retry 2 ms: ValueError: bug"),
        (ValueError("bug"), Held(attempt=3, bugs=2), "bury: ValueError: bug"),
        (ValueError("bug"), Held(attempt=300), "bug, retry 2 ms: ValueError: bug"),
        (asyncio.CancelledError("a driver"), Held(), "bug, retry 1 ms: CancelledError: a driver"),
        (Permanent("no such event"), Held(), "bury: no such event"),
        (Permanent("no such event"), Held(away=True), "requeue"),
        (Temporary("engine down"), Held(), "retry 1 ms: engine down"),
        (Temporary("engine down"), Held(attempt=300), "retry 2 ms: engine down"),
        (Temporary("engine down"), Held(attempt=9, first_seen=LONG_AGO), "retry 2 ms: engine down"),
        (Temporary("engine down"), Held(attempt=10, first_seen=LONG_AGO), f"bury: gave up after {DAYS}: engine down"),
        (Temporary("broker down"), Held(away=True), "requeue"),
        (ValueError("bug"), Held(broken=True), "requeue"),
        (Permanent("no such event"), Held(broken=True), "requeue"),
    ],
    ids=[
        "bug",
        "bug_again",
        "bug_too_often",
        "bug_after_outages",
        "cancelled_inside",
        "never",
        "never_and_bus_away",
        "outage",
        "long_outage",
        "waited_long_and_tried_seldom",
        "waited_out",
        "bus_away",
        "cannot_be_moved",
        "cannot_be_buried",
    ],
)
async def test_a_delivery_whose_handler_raises_is_given_back(error: BaseException, held: Held, end: str) -> None:
    async def fail(delivery: Delivery) -> None:
        raise error

    await run_handler(fail, held, retry_delays=SHORT, limit=3)
    assert held.end == [end]


async def test_a_delivery_that_was_ended_before_the_handler_raised_stays_ended() -> None:
    async def ack_and_fail(delivery: Delivery) -> None:
        await delivery.ack()
        raise ValueError("afterwards")

    held = Held()
    await run_handler(ack_and_fail, held, retry_delays=SHORT, limit=3)
    assert held.end == ["ack"]


@pytest.mark.parametrize(
    ("event", "first_seen", "end"),
    [
        ("Known", None, "ack"),
        ("Newer", None, "retry 1 ms: no member of the group handles the event 'Newer'"),
        ("Newer", LONG_AGO, "bury: no member of the group handles the event 'Newer'"),
        ("", None, "bury: it does not say which event it is"),
    ],
    ids=["known", "during_an_update", "long_after_an_update", "no_event"],
)
async def test_an_event_that_no_member_knows_waits_for_the_end_of_the_update(
    event: str, first_seen: datetime | None, end: str
) -> None:
    async def hear(heard: Event) -> None: ...

    held = Held(headers={"event": event}, first_seen=first_seen or datetime.now(UTC))
    await run_handler(group_handler(["Known"], hear), held, retry_delays=SHORT, limit=3)
    assert held.end == [end]
