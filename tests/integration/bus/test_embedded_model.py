"""The embedded bus against a model of what it promised: slow and stalled disks, `kill -9` anywhere, torn writes.

What was confirmed is there until it is acknowledged or buried; what is there is whole, and is handed out without a
restart; a dead letter is there once.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from libs.bus import Delivery, Unavailable
from libs.bus.embedded import EmbeddedBus
from libs.bus.embedded.queue_file import QueueFile

Eventually = Callable[..., Awaitable[None]]
QUEUE = "mail.model"
STALL = timedelta(seconds=0.2)


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Callable[..., Awaitable[EmbeddedBus]]]:
    opened: list[EmbeddedBus] = []

    async def start(**options: Any) -> EmbeddedBus:
        bus = EmbeddedBus(tmp_path, **{"timeout": STALL, "retry_delays": (timedelta(seconds=0.05),), **options})
        opened.append(bus)
        await bus.start()
        await bus.declare(QUEUE)
        return bus

    yield start
    for bus in opened:
        await bus.close()


@contextlib.contextmanager
def stalled_disk(directory: Path) -> Iterator[None]:
    """Another connection holds the file: the writer waits in the middle of a group, as for a disk."""
    with contextlib.closing(sqlite3.connect(directory / "queues.sqlite", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of all loads so far."""
    sizes: list[int] = []
    load = QueueFile.load

    def counted(file: QueueFile, queue: int, limit: int) -> Any:
        rows = load(file, queue, limit)
        sizes.append(len(rows))
        return rows

    monkeypatch.setattr(QueueFile, "load", counted)
    return sizes


def is_drained(bus: EmbeddedBus) -> Callable[[], Awaitable[bool]]:
    async def check() -> bool:
        depth = await bus.depth(QUEUE)
        return depth.ready == depth.pending == 0

    return check


async def ack(delivery: Delivery) -> None:
    await delivery.ack()


async def test_what_a_stalled_disk_loads_is_handed_out_when_it_answers(
    start: Any, tmp_path: Path, eventually: Eventually, loads: list[int]
) -> None:
    bus = await start()
    await asyncio.gather(*(bus.publish(QUEUE, b"%d" % number) for number in range(60)))
    taken: list[int] = []

    async def take(delivery: Delivery) -> None:
        taken.append(delivery.attempt)
        await delivery.ack()

    with stalled_disk(tmp_path):
        await bus.consume(QUEUE, take, prefetch=20)
        await eventually(lambda: not bus.healthy)
    await eventually(is_drained(bus))
    assert taken == [1] * 60
    await asyncio.sleep(0.1)
    assert len(loads) < 40, "nothing loads again and again what is not there"


@pytest.mark.parametrize("end", ["retry", "bury"])
async def test_what_ends_while_the_disk_is_stalled_ends_once(
    start: Any, tmp_path: Path, eventually: Eventually, end: str
) -> None:
    bus = await start()
    attempts: list[int] = []
    go = asyncio.Event()

    async def act(delivery: Delivery) -> None:
        attempts.append(delivery.attempt)
        await go.wait()
        if end == "bury":
            await delivery.dead_letter("poison")
        elif delivery.attempt == 1:
            await delivery.retry(timedelta(0), reason="again")
        else:
            await delivery.ack()

    await bus.consume(QUEUE, act)
    await bus.publish(QUEUE, b"x")
    await eventually(lambda: attempts)
    with stalled_disk(tmp_path):
        go.set()
        await eventually(lambda: not bus.healthy)
    await eventually(is_drained(bus))
    depth = await bus.depth(QUEUE)
    assert (attempts, depth.dead) == (([1], 1) if end == "bury" else ([1, 2], 0))


async def test_a_retry_that_falls_due_while_the_disk_is_stalled_comes_back(
    start: Any, tmp_path: Path, eventually: Eventually
) -> None:
    bus = await start(retry_delays=(timedelta(seconds=0.3),))
    attempts: list[int] = []

    async def act(delivery: Delivery) -> None:
        attempts.append(delivery.attempt)
        if delivery.attempt == 1:
            await delivery.retry(timedelta(0), reason="again")
        else:
            await delivery.ack()

    async def is_delayed() -> bool:
        return attempts == [1] and (await bus.depth(QUEUE)).pending == 1

    await bus.publish(QUEUE, b"x")
    await bus.consume(QUEUE, act)
    await eventually(is_delayed)
    with stalled_disk(tmp_path):
        await eventually(lambda: not bus.healthy)
    await eventually(lambda: attempts == [1, 2])
    await eventually(is_drained(bus))


async def test_a_dead_letter_that_is_replayed_while_the_disk_is_stalled_comes_once(
    start: Any, tmp_path: Path, eventually: Eventually
) -> None:
    bus = await start()
    await bus.publish(QUEUE, b"x")
    consumer = await bus.consume(QUEUE, lambda delivery: delivery.dead_letter("poison"))

    async def is_dead() -> bool:
        return bool((await bus.depth(QUEUE)).dead)

    await eventually(is_dead)
    await consumer.stop()
    [letter] = await bus.dead_letters(QUEUE)
    with stalled_disk(tmp_path), pytest.raises(Unavailable, match="disk"):
        await bus.replay(QUEUE, letter.id)
    taken: list[bytes] = []

    async def take(delivery: Delivery) -> None:
        taken.append(delivery.body)
        await delivery.ack()

    await bus.consume(QUEUE, take)
    await eventually(lambda: taken == [b"x"])
    await eventually(is_drained(bus))
    depth = await bus.depth(QUEUE)
    assert (depth.ready, depth.dead) == (0, 0)


async def test_publishers_that_gave_up_leave_the_counts_true(
    start: Any, tmp_path: Path, eventually: Eventually
) -> None:
    bus = await start()
    with stalled_disk(tmp_path):
        results = await asyncio.gather(*(bus.publish(QUEUE, b"x") for _ in range(30)), return_exceptions=True)
    assert all(isinstance(result, Unavailable) for result in results)
    await eventually(lambda: bus.healthy)
    await bus.publish(QUEUE, b"y")
    assert (await bus.depth(QUEUE)).ready == 31
    await bus.consume(QUEUE, ack)
    await eventually(is_drained(bus))


BREAKS: dict[str, tuple[str, BaseException]] = {
    "commit": ("commit", sqlite3.OperationalError("disk I/O error")),
    "rollback": ("rollback", sqlite3.OperationalError("disk I/O error")),
    "a_bug": ("delete", KeyError("a bug")),
    "no_memory": ("insert", MemoryError()),
}


@pytest.mark.parametrize(("method", "error"), BREAKS.values(), ids=BREAKS.keys())
async def test_the_writer_outlives_whatever_the_file_raises(
    start: Any, monkeypatch: pytest.MonkeyPatch, eventually: Eventually, method: str, error: BaseException
) -> None:
    bus = await start()
    original = getattr(QueueFile, method)
    broken = True

    def fail(file: QueueFile, *arguments: Any) -> Any:
        if broken:
            raise error
        return original(file, *arguments)

    monkeypatch.setattr(QueueFile, method, fail)
    if method == "rollback":
        monkeypatch.setattr(QueueFile, "commit", fail)  # only what fails is rolled back
    taken: list[bytes] = []

    async def take(delivery: Delivery) -> None:
        taken.append(delivery.body)
        await delivery.ack()

    await bus.consume(QUEUE, take)
    with contextlib.suppress(Unavailable, MemoryError):
        await bus.publish(QUEUE, b"during")
    await asyncio.sleep(0.1)
    broken = False
    monkeypatch.undo()
    await bus.publish(QUEUE, b"after")
    await eventually(lambda: b"after" in taken)
    await eventually(is_drained(bus))
    assert bus.healthy


async def test_a_writer_that_ends_all_the_same_is_told_to_those_who_wait(
    start: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    bus = await start()

    def end(file: QueueFile) -> None:
        raise SystemExit

    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    monkeypatch.setattr(QueueFile, "begin", end)
    async with asyncio.timeout(5):
        with pytest.raises(Unavailable, match="ended"):
            await bus.publish(QUEUE, b"x")
        assert not bus.healthy
        with pytest.raises(Unavailable):
            await bus.publish(QUEUE, b"y")
        await bus.close()


WALK = """
import asyncio, os, random, sys, time
from datetime import timedelta
from pathlib import Path
from libs.bus import Unavailable
from libs.bus.embedded import EmbeddedBus
from libs.bus.embedded.queue_file import QueueFile

choice = random.Random(int(sys.argv[2]))
commit = QueueFile.commit

def slow(file):
    time.sleep(choice.choice((0, 0, 0, 0.002, 0.01)) if choice.random() > 0.01 else 0.4)
    commit(file)

QueueFile.commit = slow

def log(*words):
    os.write(1, (" ".join(("told", *words)) + "\\n").encode())

async def act(delivery):
    name = delivery.body.split(b" ")[0].decode()
    await asyncio.sleep(choice.random() * 0.003)
    match choice.randrange(10):
        case 0:
            await delivery.retry(timedelta(0), reason="again")
        case 1:
            await delivery.dead_letter("poison")
            log("buried", name)
        case 2:
            raise ValueError("a bug")
        case 3:
            await delivery.requeue()
        case _:
            log("acked", name)
            await delivery.ack()

async def publish(bus, share):
    for number in range(10_000):
        name = f"{sys.argv[2]}.{share}.{number}"
        try:
            await bus.publish("mail.model", name.encode() + b" " + bytes(choice.choice((10, 5000))))
            log("published", name)
        except Unavailable:
            pass

async def main():
    retry_delays = (timedelta(seconds=0.02),)
    bus = EmbeddedBus(Path(sys.argv[1]), timeout=timedelta(seconds=0.2), retry_delays=retry_delays)
    await bus.start()
    await bus.declare("mail.model")
    await bus.consume("mail.model", act, prefetch=7)
    async with asyncio.TaskGroup() as group:
        for share in range(8):
            group.create_task(publish(bus, share))

asyncio.run(main())
"""


def walk(directory: Path, seed: int, lines: int) -> list[list[str]]:
    """A process that does everything at random on a slow disk, killed when it has written so many lines."""
    process = subprocess.Popen(
        [sys.executable, "-c", WALK, str(directory), str(seed)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    written = [process.stdout.readline() for _ in range(lines)]
    process.send_signal(signal.SIGKILL)
    written += process.stdout.readlines()
    process.wait()
    process.stdout.close()
    return [line.split()[1:] for line in written if line.startswith("told ") and line.endswith("\n")]


async def contents(bus: EmbeddedBus, eventually: Eventually) -> tuple[list[str], list[str]]:
    """What it hands out, and what is dead."""
    taken: list[str] = []

    async def take(delivery: Delivery) -> None:
        name, _, rest = delivery.body.partition(b" ")
        assert rest in (bytes(10), bytes(5000)), "it is whole"
        taken.append(name.decode())
        await delivery.ack()

    await bus.consume(QUEUE, take, prefetch=50)
    await eventually(is_drained(bus))
    dead: list[str] = []
    after: str | None = None
    while page := await bus.dead_letters(QUEUE, after=after, limit=500):
        dead += [letter.body.split(b" ")[0].decode() for letter in page]
        after = page[-1].id
    return taken, dead


def tear(directory: Path, choice: random.Random) -> None:
    """A write that the power cut in two: the log ends in half a transaction that nobody was told of."""
    log = directory / "queues.sqlite-wal"
    if log.exists() and log.stat().st_size > 5000:
        whole = log.read_bytes()
        log.write_bytes(whole + whole[-choice.randrange(1, 5000) :])


@pytest.mark.parametrize("seed", [1, 2])
async def test_nothing_that_was_confirmed_is_lost_over_crashes_on_a_slow_disk(
    start: Any, tmp_path: Path, eventually: Eventually, seed: int
) -> None:
    choice = random.Random(seed)
    told: dict[str, set[str]] = {"published": set(), "acked": set(), "buried": set()}
    for crash in range(4):
        for event, name in await asyncio.to_thread(walk, tmp_path, seed * 10 + crash, choice.randrange(50, 900)):
            told[event].add(name)
        tear(tmp_path, choice)
    taken, dead = await contents(await start(delivery_limit=1000), eventually)
    assert told["published"] <= told["acked"] | set(taken) | set(dead), "nothing is lost"
    assert told["buried"] <= set(dead), "a dead letter stays"
    assert len(dead) == len(set(dead)), "and is there once"
    assert len(taken) == len(set(taken)), "nothing waits twice"
    assert not set(taken) & set(dead), "nothing is in two places"


@pytest.mark.parametrize("seed", range(6))
async def test_a_log_that_was_cut_off_anywhere_holds_whole_messages_only(
    start: Any, tmp_path: Path, eventually: Eventually, seed: int
) -> None:
    await asyncio.to_thread(walk, tmp_path, seed, 300)
    log = tmp_path / "queues.sqlite-wal"
    os.truncate(log, random.Random(seed).randrange(log.stat().st_size))
    taken, dead = await contents(await start(delivery_limit=1000), eventually)
    assert len(taken + dead) == len({*taken, *dead})


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.5, 0.9, 0.999])
async def test_a_file_that_was_cut_off_is_used_or_refused_with_one_clear_line(tmp_path: Path, share: float) -> None:
    bus = EmbeddedBus(tmp_path)
    await bus.start()
    await bus.declare(QUEUE)
    await asyncio.gather(*(bus.publish(QUEUE, bytes(5000)) for _ in range(200)))
    await bus.close()
    file = tmp_path / "queues.sqlite"
    os.truncate(file, int(file.stat().st_size * share))
    again = EmbeddedBus(tmp_path)
    refusal = ""
    try:
        async with asyncio.timeout(10):
            await again.start()
            await again.declare(QUEUE)
    except Unavailable as error:
        refusal = error.reason
    finally:
        await again.close()
    assert not refusal or ("queue file" in refusal and "\n" not in refusal)
