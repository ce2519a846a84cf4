"""Concurrent equal work runs once."""

from __future__ import annotations

import asyncio

from libs.dns import SingleFlight


async def test_equal_work_is_done_once_and_its_failure_is_everybodys() -> None:
    joining: SingleFlight[str, int] = SingleFlight()
    ready, calls = asyncio.Event(), []

    async def work() -> int:
        calls.append(1)
        await ready.wait()
        if len(calls) == 2:
            raise ValueError("second")
        return 7

    first = [asyncio.create_task(joining.of("key", work)) for _ in range(3)]
    await asyncio.sleep(0)
    ready.set()
    assert await asyncio.gather(*first) == [7, 7, 7]
    ready.clear()
    second = [asyncio.create_task(joining.of("key", work)) for _ in range(3)]
    await asyncio.sleep(0)
    ready.set()
    outcomes = await asyncio.gather(*second, return_exceptions=True)
    assert [str(outcome) for outcome in outcomes] == ["second"] * 3
    assert (len(calls), joining.joined) == (2, 4)


async def test_when_the_one_that_works_is_cancelled_another_takes_over() -> None:
    joining: SingleFlight[str, int] = SingleFlight()
    ready, calls = asyncio.Event(), []

    async def work() -> int:
        calls.append(1)
        await ready.wait()
        return len(calls)

    first, second, third = [asyncio.create_task(joining.of("key", work)) for _ in range(3)]
    await asyncio.sleep(0)
    third.cancel()  # one that waits takes nobody with it
    first.cancel()
    await asyncio.wait([first, third])
    ready.set()
    assert await second == 2
    assert (first.cancelled(), third.cancelled()) == (True, True)
    assert await joining.of("key", work) == 3  # nothing is left behind
