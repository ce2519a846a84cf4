"""Micro-batches: who shares a write, and who hears what became of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextvars import ContextVar

import pytest

from libs.mongo import Batcher


class Writes:
    """A flush that notes its batches and waits while `open` is not set; `outcomes` replace results."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.open = asyncio.Event()
        self.open.set()
        self.running = 0
        self.most = 0
        self.outcomes: dict[int, BaseException] = {}
        self.raises: BaseException | None = None
        self.short = 0

    async def flush(self, items: Sequence[int]) -> Sequence[int | BaseException]:
        self.batches.append(list(items))
        self.running += 1
        self.most = max(self.most, self.running)
        await self.open.wait()
        self.running -= 1
        if self.raises is not None:
            raise self.raises
        results: list[int | BaseException] = [self.outcomes.get(item, item * 10) for item in items]
        return results[: len(results) - self.short]


@pytest.fixture
def writes() -> Writes:
    return Writes()


async def started(writes: Writes, batches: int) -> None:
    async with asyncio.timeout(5):
        while len(writes.batches) < batches:
            await asyncio.sleep(0)


async def test_a_lone_item_waits_for_nobody(writes: Writes) -> None:
    assert await Batcher(writes.flush).add(1) == 10
    assert writes.batches == [[1]]


async def test_a_crowd_shares_one_write(writes: Writes) -> None:
    batcher = Batcher(writes.flush)
    assert await asyncio.gather(*(batcher.add(n) for n in range(50))) == [n * 10 for n in range(50)]
    assert len(writes.batches) == 1


async def test_who_comes_during_a_write_is_in_the_next_one(writes: Writes) -> None:
    writes.open.clear()
    batcher = Batcher(writes.flush)
    first = asyncio.create_task(batcher.add(1))
    await started(writes, 1)
    later = [asyncio.create_task(batcher.add(n)) for n in (2, 3)]
    await asyncio.sleep(0)
    writes.open.set()
    assert list(await asyncio.gather(first, *later)) == [10, 20, 30]
    assert writes.batches == [[1], [2, 3]]


@pytest.mark.parametrize(("items", "sizes"), [(1, [1]), (3, [3]), (4, [3, 1]), (7, [3, 3, 1])])
async def test_no_write_is_larger_than_allowed(writes: Writes, items: int, sizes: list[int]) -> None:
    batcher = Batcher(writes.flush, max_items=3)
    await asyncio.gather(*(batcher.add(n) for n in range(items)))
    assert [len(batch) for batch in writes.batches] == sizes
    assert [item for batch in writes.batches for item in batch] == list(range(items))


@pytest.mark.parametrize("lanes", [1, 2, 3])
async def test_as_many_writes_run_at_once_as_there_are_lanes(writes: Writes, lanes: int) -> None:
    writes.open.clear()
    batcher = Batcher(writes.flush, max_items=2, lanes=lanes)
    adding = [asyncio.create_task(batcher.add(n)) for n in range(12)]
    await started(writes, lanes)
    for _ in range(20):
        await asyncio.sleep(0)
    assert writes.running == lanes
    writes.open.set()
    assert sorted(await asyncio.gather(*adding)) == [n * 10 for n in range(12)]
    assert writes.most == lanes
    assert await batcher.add(99) == 990  # the lanes are free again


async def test_an_exception_is_raised_at_its_caller_only(writes: Writes) -> None:
    writes.outcomes = {2: LookupError("two")}
    batcher = Batcher(writes.flush)
    one, two, three = await asyncio.gather(*(batcher.add(n) for n in (1, 2, 3)), return_exceptions=True)
    assert [one, three] == [10, 30]
    assert isinstance(two, LookupError)


async def test_a_write_that_fails_fails_for_all_of_it_and_for_nobody_else(writes: Writes) -> None:
    writes.raises = LookupError("no primary")
    batcher = Batcher(writes.flush, max_items=2)
    results = await asyncio.gather(*(batcher.add(n) for n in range(3)), return_exceptions=True)
    assert [type(result) for result in results] == [LookupError] * 3
    writes.raises = None
    assert await batcher.add(5) == 50


async def test_a_write_with_fewer_results_than_items_is_an_error_for_all_of_it(writes: Writes) -> None:
    writes.short = 1
    batcher = Batcher(writes.flush, max_items=2)
    async with asyncio.timeout(5):
        results = await asyncio.gather(*(batcher.add(n) for n in range(4)), return_exceptions=True)
    assert [str(result) for result in results] == ["1 results for 2 items"] * 4


async def test_whoever_gives_up_while_waiting_is_not_written(writes: Writes) -> None:
    writes.open.clear()
    batcher = Batcher(writes.flush)
    first = asyncio.create_task(batcher.add(1))
    await started(writes, 1)
    leaving, staying = (asyncio.create_task(batcher.add(n)) for n in (2, 3))
    await asyncio.sleep(0)
    leaving.cancel()
    writes.open.set()
    assert list(await asyncio.gather(first, staying)) == [10, 30]
    assert leaving.cancelled()
    assert writes.batches == [[1], [3]]


async def test_whoever_gives_up_during_the_write_disturbs_nobody(writes: Writes) -> None:
    writes.open.clear()
    batcher = Batcher(writes.flush)
    leaving, staying = (asyncio.create_task(batcher.add(n)) for n in (1, 2))
    await started(writes, 1)
    leaving.cancel()
    await asyncio.sleep(0)
    writes.open.set()
    assert await staying == 20
    assert await batcher.add(3) == 30


async def test_when_all_gave_up_nothing_is_written_and_the_next_one_is(writes: Writes) -> None:
    batcher = Batcher(writes.flush)
    leaving = asyncio.create_task(batcher.add(1))
    await asyncio.sleep(0)
    leaving.cancel()
    assert await batcher.add(2) == 20
    assert writes.batches == [[2]]


async def test_a_write_whose_work_is_cancelled_leaves_nobody_waiting(writes: Writes) -> None:
    writes.raises = asyncio.CancelledError()
    batcher = Batcher(writes.flush, max_items=1)
    async with asyncio.timeout(5):
        results = await asyncio.gather(*(batcher.add(n) for n in range(2)), return_exceptions=True)
    assert [str(result) for result in results] == ["the write was cancelled"] * 2


async def test_a_write_is_nobodys_in_particular(writes: Writes) -> None:
    # Else it would log under the id of the first message, and be a part of its trace.
    variable: ContextVar[str] = ContextVar("variable", default="none")
    seen: list[str] = []

    async def flush(items: Sequence[int]) -> Sequence[int]:
        seen.append(variable.get())
        return items

    variable.set("mine")
    await Batcher(flush).add(1)
    assert seen == ["none"]
