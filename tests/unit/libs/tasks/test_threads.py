"""Threads keep their places until they have ended."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from libs.tasks import Threads


@pytest.fixture
def free() -> Iterator[threading.Event]:
    """What the stuck computations wait for; they end with the test."""
    event = threading.Event()
    yield event
    event.set()


def stuck(free: threading.Event, begun: list[int]) -> Callable[[], None]:
    def work() -> None:
        begun.append(1)
        free.wait(20)

    return work


async def test_work_that_was_given_up_keeps_its_place_and_innocent_work_waits_for_a_free_thread(
    free: threading.Event,
) -> None:
    threads, begun = Threads("test", 1, timedelta(seconds=0.3)), list[int]()
    with pytest.raises(TimeoutError):
        await threads.run(stuck(free, begun))
    innocent = asyncio.create_task(threads.run(lambda: "done"))
    done, _ = await asyncio.wait([innocent], timeout=0.6)
    assert not done  # and its deadline has not run
    free.set()
    assert await innocent == "done"
    threads.close()


async def test_work_whose_caller_went_away_keeps_its_place_too(free: threading.Event) -> None:
    threads, begun = Threads("test", 1, timedelta(seconds=20)), list[int]()
    given_up = asyncio.create_task(threads.run(stuck(free, begun)))
    while not begun:
        await asyncio.sleep(0.01)
    given_up.cancel()
    innocent = asyncio.create_task(threads.run(lambda: "done"))
    done, _ = await asyncio.wait([innocent], timeout=0.2)
    assert not done
    free.set()
    assert await innocent == "done"
    threads.close()


async def test_work_that_raises_frees_its_place() -> None:
    threads = Threads("test", 1, timedelta(seconds=20))
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            await threads.run(lambda: 1 // 0)
    assert await threads.run(lambda: "done") == "done"
    threads.close()


async def test_a_caller_that_goes_away_while_it_waits_takes_no_place(free: threading.Event) -> None:
    threads, begun = Threads("test", 1, timedelta(seconds=20)), list[int]()
    first = asyncio.create_task(threads.run(stuck(free, begun)))
    waiting = asyncio.create_task(threads.run(lambda: "never"))
    while not begun:
        await asyncio.sleep(0.01)
    waiting.cancel()
    free.set()
    await first
    assert await threads.run(lambda: "done") == "done"
    threads.close()
