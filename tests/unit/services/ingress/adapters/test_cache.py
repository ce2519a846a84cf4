"""Answers kept for a short time."""

from __future__ import annotations

import asyncio

import pytest

from libs.envelope import Temporary
from services.ingress.adapters.cache import Cache


class Source:
    """Answers after a word; counts."""

    def __init__(self) -> None:
        self.now = 0.0
        self.asked: list[str] = []
        self.away = False
        self.gate = asyncio.Event()
        self.gate.set()

    async def fetch(self, key: str) -> str:
        self.asked.append(key)
        await self.gate.wait()
        if self.away:
            raise Temporary("away")
        return f"{key} {len(self.asked)}"

    def cache(self, **more: float) -> Cache[str]:
        return Cache(self.fetch, ttl=60, max_entries=3, clock=lambda: self.now, **more)


@pytest.fixture
def source() -> Source:
    return Source()


async def test_an_answer_is_kept_until_it_is_old_or_forgotten(source: Source) -> None:
    cache = source.cache()
    assert [await cache.get("a"), await cache.get("a")] == ["a 1", "a 1"]
    source.now = 60
    assert await cache.get("a") == "a 2"
    cache.forget("a")
    assert await cache.get("a") == "a 3"
    cache.forget()
    assert await cache.get("a") == "a 4"


async def test_a_crowd_asks_once_even_if_the_first_goes_away(source: Source) -> None:
    cache = source.cache()
    source.gate.clear()
    crowd = [asyncio.create_task(cache.get("a")) for _ in range(20)]
    await asyncio.sleep(0)
    crowd[0].cancel()
    source.gate.set()
    assert await asyncio.gather(*crowd[1:]) == ["a 1"] * 19
    assert source.asked == ["a"]


async def test_what_was_asked_before_a_change_is_not_kept_after_it(source: Source) -> None:
    cache = source.cache()
    source.gate.clear()
    early = asyncio.create_task(cache.get("a"))
    while not source.asked:
        await asyncio.sleep(0)
    cache.forget()
    late = asyncio.create_task(cache.get("a"))
    while len(source.asked) < 2:
        await asyncio.sleep(0)
    source.gate.set()
    assert {await early, await late} == {"a 2"}
    assert source.asked == ["a", "a"]
    assert await cache.get("a") == "a 2"


async def test_it_holds_a_bounded_number_of_answers(source: Source) -> None:
    cache = source.cache()
    for n in range(10):
        await cache.get(str(n))
    assert len(cache) == 3
    await cache.get("9")
    assert len(source.asked) == 10


async def test_a_source_that_is_away_is_left_alone_for_a_moment(source: Source) -> None:
    cache = source.cache(rest=5)
    await cache.get("known")
    source.away = True
    for _ in range(3):
        with pytest.raises(Temporary):
            await cache.get("a")
    assert source.asked == ["known", "a"]
    assert await cache.get("known") == "known 1"
    source.away, source.now = False, 5
    assert await cache.get("a") == "a 3"
