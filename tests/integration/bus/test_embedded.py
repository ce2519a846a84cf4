"""What is peculiar to the embedded bus: its file, and what a dying process leaves in it."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from libs.bus import Delivery, Event, Limits, NotPublished, Refused, Unavailable
from libs.bus.embedded import EmbeddedBus

Eventually = Callable[..., Awaitable[None]]
EmbeddedFactory = Callable[..., Awaitable[EmbeddedBus]]
QUEUE = "mail.test"


@pytest.fixture
async def open_bus(tmp_path: Path) -> AsyncIterator[EmbeddedFactory]:
    """Starts a bus in the directory of the test; all are closed after it."""
    opened: list[EmbeddedBus] = []

    async def start(**options: Any) -> EmbeddedBus:
        bus = EmbeddedBus(tmp_path / "bus", **options)
        opened.append(bus)
        await bus.start()
        await bus.declare(QUEUE)
        return bus

    yield start
    for bus in opened:
        await bus.close()


def script(body: str, *arguments: str) -> subprocess.Popen[str]:
    """A process of its own with a bus `bus` and `log(text)`, a line on its standard output."""
    indented = "\n".join(f"    {line}" for line in body.strip().splitlines())
    source = f"{HEAD}\n{indented}\n\nasyncio.run(main())\n"
    return subprocess.Popen([sys.executable, "-c", source, *arguments], stdout=subprocess.PIPE, text=True)


HEAD = """
import asyncio, os, sys
from pathlib import Path
from libs.bus.embedded import EmbeddedBus

def log(text):
    os.write(1, f"{text}\\n".encode())

async def main():
    bus = EmbeddedBus(Path(sys.argv[1]), delivery_limit=2)
    await bus.start()
    await bus.declare("mail.test")
"""

PUBLISH_FOR_EVER = """
async def publish(share):
    number = 0
    while True:
        number += 1
        await bus.publish("mail.test", b"%d:%d " % (share, number) + bytes(4096))
        log(f"{share}:{number}")
async with asyncio.TaskGroup() as group:
    for share in range(20):
        group.create_task(publish(share))
"""

CONSUME_SLOWLY = """
async def take(delivery):
    log(delivery.body.decode())
    await delivery.ack()
await bus.consume("mail.test", take, prefetch=5)
await asyncio.sleep(60)
"""

DIE_OF_A_MESSAGE = """
async def die(delivery):
    log(delivery.attempt)
    os.kill(os.getpid(), 9)
await bus.consume("mail.test", die)
await asyncio.sleep(60)
"""


def kill_after(process: subprocess.Popen[str], lines: int) -> list[str]:
    """`kill -9` when the process has written so many lines; returns all that it wrote."""
    assert process.stdout is not None
    written = [process.stdout.readline() for _ in range(lines)]
    process.send_signal(signal.SIGKILL)
    written += process.stdout.readlines()
    process.wait()
    process.stdout.close()
    return [line.strip() for line in written if line.endswith("\n")]


async def drain(bus: EmbeddedBus, eventually: Eventually) -> list[Delivery]:
    taken: list[Delivery] = []

    async def take(delivery: Delivery) -> None:
        taken.append(delivery)
        await delivery.ack()

    async def is_empty() -> bool:
        depth = await bus.depth(QUEUE)
        return depth.ready == depth.pending == 0

    await bus.consume(QUEUE, take)
    await eventually(is_empty)
    return taken


async def test_kill_9_in_the_middle_of_publishing_loses_nothing_that_was_confirmed(
    open_bus: EmbeddedFactory, tmp_path: Path, eventually: Eventually
) -> None:
    process = script(PUBLISH_FOR_EVER, str(tmp_path / "bus"))
    confirmed = await asyncio.to_thread(kill_after, process, 1000)
    taken = await drain(await open_bus(), eventually)
    found = [delivery.body.partition(b" ") for delivery in taken]
    assert set(confirmed) <= {name.decode() for name, _, _ in found}
    assert len({name for name, _, _ in found}) == len(found), "nothing is there twice"
    assert all(rest == bytes(4096) for _, _, rest in found), "nothing is there in part"
    assert {delivery.attempt for delivery in taken} == {1}


async def test_kill_9_in_the_middle_of_consuming_loses_nothing_and_doubles_only_what_was_in_hand(
    open_bus: EmbeddedFactory, tmp_path: Path, eventually: Eventually
) -> None:
    bus = await open_bus()
    bodies = {str(number) for number in range(3000)}
    await asyncio.gather(*(bus.publish(QUEUE, body.encode()) for body in bodies))
    await bus.close()
    handled = await asyncio.to_thread(kill_after, script(CONSUME_SLOWLY, str(tmp_path / "bus")), 500)
    left = [delivery.body.decode() for delivery in await drain(await open_bus(), eventually)]
    assert set(handled) | set(left) == bodies
    assert len(left) < 3000 - 400, "what was acknowledged long before is gone"


async def test_an_acknowledgement_is_written_also_when_nothing_else_is(
    open_bus: EmbeddedFactory, tmp_path: Path, eventually: Eventually
) -> None:
    bus = await open_bus()
    await bus.publish(QUEUE, b"once")
    await drain(bus, eventually)
    with contextlib.closing(sqlite3.connect(tmp_path / "bus" / "queues.sqlite")) as file:
        (id,) = file.execute("SELECT id FROM queues WHERE name = ?", (QUEUE,)).fetchone()
        await eventually(lambda: file.execute(f"SELECT count(*) FROM queue_{id}").fetchone() == (0,))


async def test_a_message_that_kills_its_process_ends_in_the_dead_letters(
    open_bus: EmbeddedFactory, tmp_path: Path
) -> None:
    bus = await open_bus()
    await bus.publish(QUEUE, b"poison")
    await bus.close()
    attempts = []
    for _ in range(3):
        attempts += await asyncio.to_thread(kill_after, script(DIE_OF_A_MESSAGE, str(tmp_path / "bus")), 1)
    assert attempts == ["1", "2", "3"]
    bus = await open_bus(delivery_limit=2)
    [letter] = await bus.dead_letters(QUEUE)
    assert (letter.body, letter.attempts) == (b"poison", 3)
    assert "crashes" in letter.reason
    assert (await bus.depth(QUEUE)).ready == 0


async def test_a_second_process_is_told_who_uses_the_directory(open_bus: EmbeddedFactory, tmp_path: Path) -> None:
    await open_bus()
    second = EmbeddedBus(tmp_path / "bus")
    with pytest.raises(Unavailable, match=f"in use by process {os.getpid()}"):
        await second.start()
    assert not second.healthy


async def test_a_start_waits_for_the_disk_only_so_long(tmp_path: Path) -> None:
    (tmp_path / "bus").mkdir()
    with contextlib.closing(sqlite3.connect(tmp_path / "bus/queues.sqlite", isolation_level=None)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        bus = EmbeddedBus(tmp_path / "bus", start_timeout=timedelta(seconds=0.1), timeout=timedelta(seconds=0.1))
        with pytest.raises(Unavailable, match="the queue file within"):
            await bus.start()
        assert not bus.healthy


async def test_a_full_file_refuses_with_nothing_half_kept_and_recovers(
    open_bus: EmbeddedFactory, eventually: Eventually
) -> None:
    bus = await open_bus(max_bytes=4 << 20)
    results = await asyncio.gather(
        *(bus.publish(QUEUE, b"%d " % number + bytes(20_000)) for number in range(400)), return_exceptions=True
    )
    kept = {number for number, result in enumerate(results) if result is None}
    assert 0 < len(kept) < 400
    assert all(isinstance(result, NotPublished) for result in results if result is not None)
    assert not bus.healthy
    taken = await drain(bus, eventually)
    assert sorted(int(delivery.body.split()[0]) for delivery in taken) == sorted(kept)
    await bus.publish(QUEUE, b"room again")
    assert bus.healthy


async def test_the_file_does_not_grow_with_what_has_passed_through(
    open_bus: EmbeddedFactory, tmp_path: Path, eventually: Eventually
) -> None:
    bus = await open_bus()
    await drain(bus, eventually)
    for _ in range(40):
        await asyncio.gather(*(bus.publish(QUEUE, bytes(10_000)) for _ in range(100)))
    assert size_of(tmp_path / "bus") < 40 << 20, "40 MB went through a WAL of at most 16 MB and a small file"


async def test_a_file_that_was_large_gives_its_pages_back_when_it_is_idle(
    open_bus: EmbeddedFactory, tmp_path: Path, eventually: Eventually
) -> None:
    bus = await open_bus(spare_bytes=4 << 20)
    await asyncio.gather(*(bus.publish(QUEUE, bytes(200_000)) for _ in range(100)))
    file = tmp_path / "bus" / "queues.sqlite"
    await drain(bus, eventually)
    assert file.stat().st_size > 15 << 20
    await eventually(lambda: file.stat().st_size < 5 << 20)


def size_of(directory: Path) -> int:
    return sum(file.stat().st_size for file in directory.iterdir())


async def test_waiting_bodies_stay_in_the_file_not_in_memory(tmp_path: Path) -> None:
    process = script(MEASURE_MEMORY, str(tmp_path / "bus"))
    output, _ = await asyncio.to_thread(process.communicate, timeout=60)
    grown_megabytes, taken = map(int, output.split())
    assert taken == 400
    assert grown_megabytes < 60, "100 MB of bodies waited"


MEASURE_MEMORY = """
import resource
def used():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
before, taken, done = used(), 0, asyncio.Event()
async def take(delivery):
    nonlocal taken
    await asyncio.sleep(0)
    await delivery.ack()
    taken += 1
    if taken == 400:
        done.set()
for _ in range(400):
    await bus.publish("mail.test", bytes(256_000))
await bus.consume("mail.test", take, prefetch=10)
await done.wait()
log(used() - before)
log(taken)
await bus.close()
"""


@pytest.mark.parametrize("jump", [timedelta(hours=-1), timedelta(hours=1)], ids=["back", "forward"])
async def test_a_jump_of_the_clock_over_a_restart_does_not_hold_retries_back(
    open_bus: EmbeddedFactory, eventually: Eventually, jump: timedelta
) -> None:
    """Fault 30."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    retry_delays = (timedelta(milliseconds=300),)
    first = await open_bus(clock=lambda: now, retry_delays=retry_delays)
    deferred = asyncio.Event()

    async def defer(delivery: Delivery) -> None:
        await delivery.retry(timedelta(0), reason="again")
        deferred.set()

    await first.publish(QUEUE, b"x")
    await first.consume(QUEUE, defer)
    await deferred.wait()
    await first.close()
    second = await open_bus(clock=lambda: now + jump, retry_delays=retry_delays)
    taken: list[int] = []

    async def take(delivery: Delivery) -> None:
        taken.append(delivery.attempt)
        await delivery.ack()

    await second.consume(QUEUE, take)
    await eventually(lambda: taken == [2])


async def test_a_disk_that_does_not_answer_makes_callers_fail_in_time(
    open_bus: EmbeddedFactory, tmp_path: Path, eventually: Eventually
) -> None:
    bus = await open_bus(timeout=timedelta(seconds=0.3))
    other = sqlite3.connect(tmp_path / "bus" / "queues.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        async with asyncio.timeout(4):
            with pytest.raises(Unavailable, match="not answered"):
                await bus.publish(QUEUE, b"x")
        assert not bus.healthy
    finally:
        other.execute("ROLLBACK")
        other.close()
    await eventually(lambda: bus.healthy)
    await bus.publish(QUEUE, b"y")
    taken = await drain(bus, eventually)
    assert b"y" in {delivery.body for delivery in taken}


@pytest.mark.parametrize(
    ("prepare", "reason"),
    [
        (lambda file: file.write_bytes(b"no database" * 1000), "not a database"),
        (lambda file: _set_version(file, 99), "newer version"),
        (lambda file: file.mkdir(), "unable to open"),
    ],
    ids=["garbage", "newer", "directory"],
)
async def test_a_file_that_cannot_be_used_is_one_clear_error(
    tmp_path: Path, prepare: Callable[[Path], None], reason: str
) -> None:
    prepare(tmp_path / "queues.sqlite")
    bus = EmbeddedBus(tmp_path)
    with pytest.raises(Unavailable, match=reason):
        await bus.start()
    await bus.close()
    assert not bus.healthy


def _set_version(file: Path, version: int) -> None:
    with sqlite3.connect(file) as database:
        database.execute(f"PRAGMA user_version = {version}")
    database.close()


async def test_a_directory_that_cannot_be_made_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(Unavailable, match="queue directory"):
        await EmbeddedBus(tmp_path / "file" / "bus").start()


async def test_a_group_that_no_longer_hears_an_event_gets_no_more_of_it(open_bus: EmbeddedFactory) -> None:
    async def hear(event: Event) -> None: ...

    bus = await open_bus()
    await bus.subscribe(["Old", "Kept"], hear, group="g")
    await bus.close()
    bus = await open_bus()
    consumer = await bus.subscribe(["Kept"], hear, group="g")
    await consumer.stop()
    await bus.emit(Event("Old", b"1"))
    await bus.emit(Event("Kept", b"2"))
    assert (await bus.depth("events.g")).ready == 1


async def test_the_files_are_for_their_owner_only(open_bus: EmbeddedFactory, tmp_path: Path) -> None:
    bus = await open_bus()
    await bus.publish(QUEUE, b"a private letter")
    assert (tmp_path / "bus").stat().st_mode & 0o077 == 0


async def test_a_full_queue_does_not_stop_another(open_bus: EmbeddedFactory) -> None:
    bus = await open_bus(limits=Limits(max_messages=3))
    await bus.declare("mail.other")
    for _ in range(3):
        await bus.publish(QUEUE, b"x")
    with pytest.raises(Refused, match="full"):
        await bus.publish(QUEUE, b"x")
    await bus.publish("mail.other", b"x")


@pytest.mark.parametrize("call", ["flock", "ftruncate", "pwrite"])
async def test_a_directory_that_cannot_be_locked_is_one_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """Some network file systems have no locks, and a full disk takes no process id."""

    def fail(*arguments: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl if call == "flock" else os, call, fail)
    bus = EmbeddedBus(tmp_path)
    with pytest.raises(Unavailable, match="No locks available"):
        await bus.start()
    monkeypatch.undo()
    await bus.start()
    await bus.close()
