"""What becomes of a message, by what its handler did: over a real bus and a real blob store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from libs.blobs import Missing
from libs.blobs.files import FileBlobs
from libs.bus import Delivery, Unavailable
from libs.bus.embedded import EmbeddedBus
from libs.bus.ports import MAX_BUG_ATTEMPTS, MIN_ATTEMPTS, DeadLetter
from libs.envelope import Mail, Permanent, Temporary, decode, encode
from libs.envelope.model import utc_now
from libs.runtime import Outbox, QueueHandler, Route
from libs.runtime.worker import Worker
from libs.telemetry import Metrics, Traces
from tests import builders

QUEUE, NEXT, OTHER = "mail.here", "mail.next", "mail.other"
RUNGS = (timedelta(milliseconds=5),)
INLINE_LIMIT = 100
SMALL, LARGE = b"small", b"large" * 100


def a_mail(raw: bytes = SMALL, **fields: Any) -> Mail:
    return builders.a_mail("a@example.org", "b@example.org", raw=raw, **{"id": "0190a1", "sha256": "", **fields})


class Blobs(FileBlobs):
    """Writes down what was asked of it; `down` makes it unavailable for holding and releasing."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.fetched: list[str] = []
        self.log: list[tuple[str, str]] = []
        self.down = False

    async def get(self, id: str) -> bytes:
        self.fetched.append(id)
        return await super().get(id)

    async def hold(self, id: str, holder: str) -> None:
        if self.down:
            raise Temporary("the blob store is down")
        await super().hold(id, holder)
        self.log.append(("hold", holder))

    async def release(self, id: str, holder: str) -> None:
        if self.down:
            raise Temporary("the blob store is down")
        await super().release(id, holder)
        self.log.append(("release", holder))


class Bus(EmbeddedBus):
    """Does not publish to the queues in `refused`; fails at the end of a delivery when `gone`."""

    refused: Mapping[str, BaseException] = {}

    async def publish(self, queue: str, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        if queue in self.refused:
            raise self.refused[queue]
        await super().publish(queue, body, headers)


Handle = Callable[[Mail], Awaitable[Iterable[Route]]]


@dataclass
class Line:
    """One queue with its worker, and two more to publish to."""

    bus: Bus
    blobs: Blobs
    outbox: Outbox
    metrics: Metrics = field(default_factory=Metrics)
    seen: list[Mail] = field(default_factory=list)

    async def work(
        self,
        handle: Handle,
        *,
        deadline: timedelta = timedelta(seconds=10),
        needs_raw: bool = True,
        keeps_blob: bool = False,
    ) -> None:
        async def noted(mail: Mail) -> Iterable[Route]:
            self.seen.append(mail)
            return await handle(mail)

        row = QueueHandler(QUEUE, noted, needs_raw=needs_raw, keeps_blob=keeps_blob)
        traces = Traces("test", endpoint="", ratio=0)
        worker = Worker(row, self.blobs, self.outbox, self.metrics, traces, deadline)
        await self.bus.consume(QUEUE, worker)

    async def send(self, mail: Mail) -> None:
        await self.outbox.send(QUEUE, mail)

    def count(self, outcome: str) -> float:
        labels = {"queue": QUEUE, "outcome": outcome}
        return self.metrics.registry.get_sample_value("facteur_messages_handled_total", labels) or 0

    async def until(self, outcome: str, times: int = 1) -> None:
        async with asyncio.timeout(10):
            while self.count(outcome) < times:
                await asyncio.sleep(0.005)

    async def dead(self) -> DeadLetter:
        await self.until("dead_lettered")
        [letter] = await self.bus.dead_letters(QUEUE)
        return letter

    async def is_empty(self) -> bool:
        depth = await self.bus.depth(QUEUE)
        return (depth.ready, depth.pending, depth.dead) == (0, 0, 0)

    async def waiting(self, queue: str) -> list[Mail]:
        """The messages in `queue`, taken out."""
        depth = await self.bus.depth(queue)
        found: list[Mail] = []

        async def take(delivery: Delivery) -> None:
            found.append(decode(delivery.body))
            await delivery.ack()

        consumer = await self.bus.consume(queue, take)
        async with asyncio.timeout(10):
            while len(found) < depth.ready:
                await asyncio.sleep(0.005)
        await consumer.stop()
        return found


@pytest.fixture
async def line(tmp_path: Path) -> AsyncIterator[Line]:
    bus, blobs = Bus(tmp_path / "bus", retry_delays=RUNGS), Blobs(tmp_path / "blobs")
    await bus.start()
    await bus.declare(QUEUE, NEXT, OTHER)
    yield Line(bus, blobs, Outbox(bus, blobs, inline_limit_bytes=INLINE_LIMIT))
    await bus.close()


async def nothing_on(mail: Mail) -> Iterable[Route]:
    return ()


def raises(*errors: Exception | None) -> Handle:
    """A handler that raises `errors` one after the other, the last one for ever; None is success."""
    left = list(errors)

    async def handle(mail: Mail) -> Iterable[Route]:
        error = left.pop(0) if len(left) > 1 else left[0]
        if error is not None:
            raise error
        return ()

    return handle


async def test_what_is_done_goes_on_and_is_gone(line: Line) -> None:
    async def handle(mail: Mail) -> Iterable[Route]:
        return (Route(step, mail) for step in (NEXT, OTHER))  # read once only

    with capture_logs() as lines:
        await line.work(handle)
        await line.send(a_mail())
        await line.until("done")
    assert await line.is_empty()
    assert [mail.raw for queue in (NEXT, OTHER) for mail in await line.waiting(queue)] == [SMALL, SMALL]
    for queue in (NEXT, OTHER):
        assert line.metrics.registry.get_sample_value("facteur_messages_published_total", {"queue": queue}) == 1
    [told] = [entry for entry in lines if entry["log_level"] == "info"]
    assert (told["event"], told["to"]) == ("mail_handled", [NEXT, OTHER])


async def test_done_without_anything_to_publish(line: Line) -> None:
    await line.work(nothing_on)
    await line.send(a_mail())
    await line.until("done")
    assert await line.is_empty()


DEFERRALS = {
    "temporary": Temporary("clamd is away"),
    "several temporary": ExceptionGroup("g", [Temporary("a"), ExceptionGroup("h", [Temporary("b")])]),
    "one temporary, one permanent": ExceptionGroup("g", [Permanent("never"), Temporary("a")]),
    "a time-out of its own": TimeoutError(),
}


@pytest.mark.parametrize("error", DEFERRALS.values(), ids=DEFERRALS.keys())
async def test_what_passes_is_tried_again_until_it_succeeds(line: Line, error: Exception) -> None:
    tries = MAX_BUG_ATTEMPTS + 3  # an outage is no bug
    await line.work(raises(*[error] * tries, None))
    await line.send(a_mail())
    await line.until("done")
    assert line.count("deferred") == tries
    assert await line.is_empty()


async def test_the_next_try_has_the_narrowed_envelope_and_the_same_bytes(line: Line) -> None:
    mail = a_mail(LARGE)
    narrowed = mail.envelope.to(mail.envelope.recipients[1:]).model_copy(update={"blob": mail.envelope.id})
    await line.work(raises(Temporary("b is over quota", narrowed=narrowed), None))
    await line.send(mail)
    await line.until("done")
    assert [[r.address for r in seen.envelope.recipients] for seen in line.seen] == [
        ["a@example.org", "b@example.org"], ["b@example.org"],
    ]  # fmt: skip
    assert [seen.raw for seen in line.seen] == [LARGE, LARGE]


async def test_what_can_never_succeed_is_a_dead_letter_at_once(line: Line) -> None:
    await line.work(raises(Permanent("a loop")))
    await line.send(a_mail())
    letter = await line.dead()
    assert (letter.reason, letter.attempts, len(line.seen)) == ("a loop", 1, 1)
    assert decode(letter.body).raw == SMALL


async def test_poison_is_a_dead_letter_and_the_queue_goes_on(line: Line) -> None:
    await line.work(nothing_on)
    await line.bus.publish(QUEUE, b"no envelope\n")
    await line.send(a_mail())
    await line.until("done")
    letter = await line.dead()
    assert letter.reason.startswith("not an envelope")
    assert letter.body == b"no envelope\n"


async def test_a_frame_of_a_later_schema_waits_as_it_is_for_a_newer_version(line: Line) -> None:
    frame = b'{"schema_version": 2, "id": {"of": "another shape"}}\nraw'
    await line.work(nothing_on)
    await line.bus.publish(QUEUE, frame)
    await line.send(a_mail())
    await line.until("done")
    await line.until("deferred", 2)
    depth = await line.bus.depth(QUEUE)
    assert (depth.ready + depth.pending, depth.dead) == (1, 0)


async def cancelled_inside(mail: Mail) -> Iterable[Route]:
    shared = asyncio.get_running_loop().create_future()
    shared.cancel()
    await shared
    return ()


BUGS = {
    "a bug": raises(KeyError("x")),
    "a bug among others": raises(ExceptionGroup("g", [Temporary("a"), KeyError("x")])),
    "what it waits for is cancelled": cancelled_inside,
    "it sends on bytes that it did not ask for": raises(LookupError("the handler did not ask for the raw message")),
}


@pytest.mark.parametrize("handle", BUGS.values(), ids=BUGS.keys())
async def test_a_bug_is_tried_a_few_times_and_then_a_dead_letter(line: Line, handle: Handle) -> None:
    await line.work(handle)
    await line.send(a_mail())
    letter = await line.dead()
    assert (letter.attempts, len(line.seen)) == (MAX_BUG_ATTEMPTS, MAX_BUG_ATTEMPTS)
    assert letter.reason.startswith(f"failed {MAX_BUG_ATTEMPTS} times: ")
    assert decode(letter.body).raw == SMALL


async def test_outages_before_it_do_not_count_as_tries_of_a_bug(line: Line) -> None:
    outages = MAX_BUG_ATTEMPTS + 2
    await line.work(raises(*[Temporary("the database is away")] * outages, KeyError("x")))
    await line.send(a_mail())
    assert (await line.dead()).attempts == outages + MAX_BUG_ATTEMPTS
    assert await line.bus.replay(QUEUE, (await line.dead()).id)
    await line.until("dead_lettered", 2)
    assert (await line.dead()).attempts == MAX_BUG_ATTEMPTS  # a replay begins anew


async def test_a_bug_that_goes_away_leaves_no_trace(line: Line) -> None:
    await line.work(raises(*[KeyError("x")] * (MAX_BUG_ATTEMPTS - 1), None))
    await line.send(a_mail())
    await line.until("done")
    assert await line.is_empty()


async def test_a_handler_that_hangs_is_ended_at_its_deadline_and_tried_again(line: Line) -> None:
    ended: list[bool] = []

    async def hangs_once(mail: Mail) -> Iterable[Route]:
        if not ended:
            try:
                await asyncio.Event().wait()
            finally:
                ended.append(True)
        return ()

    with capture_logs() as lines:
        await line.work(hangs_once, deadline=timedelta(seconds=0.05))
        await line.send(a_mail())
        await line.until("done")
    [deferred] = [entry for entry in lines if entry["event"] == "mail_deferred"]
    assert deferred["reason"] == "no result within 0:00:00.050000"


async def test_what_fails_for_days_is_a_dead_letter(tmp_path: Path) -> None:
    bus = Bus(tmp_path / "bus", retry_delays=RUNGS, clock=lambda: utc_now() - timedelta(days=5, seconds=1))
    await bus.start()
    await bus.declare(QUEUE)
    old = Line(bus, Blobs(tmp_path), Outbox(bus, Blobs(tmp_path), inline_limit_bytes=INLINE_LIMIT))
    await old.work(raises(Temporary("the database is away")))
    await old.send(a_mail())
    letter = await old.dead()
    assert letter.reason == "gave up after 5 days, 0:00:00: the database is away"
    assert letter.attempts == MIN_ATTEMPTS  # not at the first hiccup after days without a consumer
    await bus.close()


@pytest.mark.parametrize(("needs_raw", "fetched"), [(True, ["0190a1"]), (False, [])])
async def test_large_bytes_are_fetched_only_for_whoever_needs_them(
    line: Line, needs_raw: bool, fetched: list[str]
) -> None:
    async def handle(mail: Mail) -> Iterable[Route]:
        return (Route(NEXT, mail.with_envelope(mail.envelope.model_copy(update={"mail_from": "seen"}))),)

    await line.work(handle, needs_raw=needs_raw)
    await line.send(a_mail(LARGE))
    await line.until("done")
    assert line.blobs.fetched == fetched
    assert (line.seen[0].content == LARGE) is needs_raw
    [onward] = await line.waiting(NEXT)
    assert (onward.envelope.mail_from, onward.envelope.blob, onward.content) == ("seen", "0190a1", None)


async def test_small_bytes_never_go_to_the_blob_store(line: Line) -> None:
    await line.work(nothing_on)
    await line.send(a_mail(SMALL))
    await line.until("done")
    with pytest.raises(Missing):
        await line.blobs.get("0190a1")


async def test_a_message_whose_bytes_are_missing_is_a_dead_letter_at_once(line: Line) -> None:
    await line.work(nothing_on)
    await line.bus.publish(QUEUE, encode(a_mail(LARGE, blob="0190ff")))
    assert (await line.dead()).reason == "blob 0190ff is missing"
    assert line.seen == []


async def test_the_blob_of_a_deferred_message_is_held_until_it_is_done(line: Line) -> None:
    await line.work(raises(Temporary("later"), Temporary("later"), None), needs_raw=False)
    await line.send(a_mail(LARGE))
    await line.until("done")
    assert line.blobs.log == [*[("hold", QUEUE)] * 3, ("release", QUEUE)]


async def test_a_blob_goes_from_queue_to_queue_and_is_held_by_one_at_least(line: Line) -> None:
    async def handle(mail: Mail) -> Iterable[Route]:
        return [Route(NEXT, mail), Route(OTHER, mail)]

    await line.work(handle, needs_raw=False)
    await line.send(a_mail(LARGE))
    await line.until("done")
    assert line.blobs.log[0] == ("hold", QUEUE)
    assert set(line.blobs.log[1:3]) == {("hold", NEXT), ("hold", OTHER)}
    assert line.blobs.log[3:] == [("release", QUEUE)]


ENDS: dict[str, tuple[Exception | None, bool, list[tuple[str, str]]]] = {
    "a dead letter keeps it": (Permanent("no such thing"), False, []),
    "what takes it over keeps it": (None, True, [("hold", QUEUE)]),
    "what is done lets it go": (None, False, [("release", QUEUE)]),
}


@pytest.mark.parametrize(("error", "keeps_blob", "then"), ENDS.values(), ids=ENDS.keys())
async def test_who_holds_a_blob_at_the_end(
    line: Line, error: Exception | None, keeps_blob: bool, then: list[tuple[str, str]]
) -> None:
    await line.work(raises(error), needs_raw=False, keeps_blob=keeps_blob)
    await line.send(a_mail(LARGE))
    await line.until("dead_lettered" if error else "done")
    assert line.blobs.log == [("hold", QUEUE), *then]


async def test_a_small_message_costs_the_blob_store_nothing(line: Line) -> None:
    await line.work(raises(None))
    await line.send(a_mail(SMALL))
    await line.until("done")
    assert (line.blobs.log, line.blobs.fetched) == ([], [])


async def test_a_blob_that_cannot_be_released_does_not_bring_its_message_back(line: Line) -> None:
    async def handle(mail: Mail) -> Iterable[Route]:
        line.blobs.down = True
        return ()

    await line.work(handle, needs_raw=False)
    await line.send(a_mail(LARGE))
    await line.until("done")
    assert await line.is_empty()
    assert len(line.seen) == 1


async def test_a_deferred_message_without_its_blob_is_a_dead_letter_that_says_both(line: Line) -> None:
    await line.work(raises(Temporary("quota is away")), needs_raw=False)
    await line.bus.publish(QUEUE, encode(a_mail(LARGE, blob="0190ff")))
    letter = await line.dead()
    assert (letter.reason, letter.attempts) == ("blob 0190ff is missing, after: quota is away", 1)


async def test_a_blob_store_that_is_down_does_not_lose_the_narrowed_envelope(line: Line) -> None:
    mail = a_mail(LARGE)
    narrowed = mail.envelope.to(mail.envelope.recipients[1:]).model_copy(update={"blob": mail.envelope.id})
    await line.work(raises(Temporary("later", narrowed=narrowed), None), needs_raw=False)
    mail = await line.outbox.checked_in(mail)
    line.blobs.down = True
    await line.bus.publish(QUEUE, encode(mail))
    await line.until("done")
    assert len(line.seen[1].envelope.recipients) == 1


@pytest.mark.parametrize("steps", [(NEXT,), (OTHER, NEXT)], ids=["one step", "two steps"])
async def test_when_publishing_fails_nothing_is_acked(line: Line, steps: tuple[str, ...]) -> None:
    async def handle(mail: Mail) -> Iterable[Route]:
        return [Route(step, mail) for step in steps]

    line.bus.refused = {NEXT: Unavailable("the broker is blocked")}
    await line.work(handle)
    await line.send(a_mail())
    await line.until("deferred", MAX_BUG_ATTEMPTS + 1)
    assert line.count("done") == line.count("dead_lettered") == 0
    line.bus.refused = {}
    await line.until("done")
    assert [mail.raw for mail in await line.waiting(NEXT)] == [SMALL]


@pytest.mark.parametrize("steps", [(NEXT,), (OTHER, NEXT)], ids=["one step", "two steps"])
async def test_a_publish_that_is_cancelled_under_our_hands_is_no_success(line: Line, steps: tuple[str, ...]) -> None:
    async def handle(mail: Mail) -> Iterable[Route]:
        return [Route(step, mail) for step in steps]

    line.bus.refused = {NEXT: asyncio.CancelledError()}
    await line.work(handle)
    await line.send(a_mail())
    assert "was cancelled" in (await line.dead()).reason
    assert line.count("done") == 0


async def test_a_delivery_that_cannot_be_ended_is_left_to_the_bus(line: Line) -> None:
    class Stuck:
        """A delivery whose broker is gone."""

        queue, headers, attempt, ended = QUEUE, {"": ""}, 1, False
        body = b'{"id":"a","received_at":"2024-05-17T00:00:00Z","recipients":[],"size_bytes":0,"sha256":""}\n'
        first_seen = utc_now()

        async def ack(self) -> None:
            raise Unavailable("gone")

    worker = Worker(
        QueueHandler(QUEUE, nothing_on), line.blobs, line.outbox, line.metrics, Traces("", endpoint="", ratio=0),
        timedelta(seconds=1),
    )  # fmt: skip
    with pytest.raises(Unavailable):
        await worker(Stuck())  # type: ignore[arg-type]
    assert line.count("unsettled") == 1
    assert line.metrics.registry.get_sample_value("facteur_messages_in_flight", {"queue": QUEUE}) == 0


async def test_a_worker_that_is_cancelled_leaves_its_delivery_in_the_queue(line: Line, tmp_path: Path) -> None:
    taken = asyncio.Event()

    async def hangs(mail: Mail) -> Iterable[Route]:
        taken.set()
        await asyncio.Event().wait()
        return ()

    await line.work(hangs)
    await line.send(a_mail())
    await taken.wait()
    await line.bus.close()
    assert line.count("unsettled") == 1
    again = Bus(tmp_path / "bus")
    await again.start()
    assert (await again.depth(QUEUE)).ready == 1
    await again.close()


async def test_every_line_of_a_handler_has_the_id_of_its_message(
    line: Line, capsys: pytest.CaptureFixture[str]
) -> None:
    await line.work(raises(Temporary("later"), None))
    await line.send(a_mail())
    await line.until("done")
    lines = [text for text in capsys.readouterr().out.splitlines() if "event='mail_" in text]
    assert len(lines) == 2
    assert all("id='0190a1'" in text for text in lines)


async def test_trace_context_goes_from_the_message_to_those_that_follow(line: Line) -> None:
    heads: list[Mapping[str, str]] = []

    async def handle(mail: Mail) -> Iterable[Route]:
        return (Route(NEXT, mail),)

    async def note(delivery: Delivery) -> None:
        heads.append(delivery.headers)
        await delivery.ack()

    await line.work(handle)
    await line.bus.consume(NEXT, note)
    await line.outbox.send(QUEUE, a_mail(), {"traceparent": "00-1-2-01", "x": "not ours to carry"})
    async with asyncio.timeout(10):
        while not heads:
            await asyncio.sleep(0.005)
    assert heads == [{"traceparent": "00-1-2-01"}]
