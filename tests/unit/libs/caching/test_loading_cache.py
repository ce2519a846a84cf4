"""Answers kept for a short time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from libs.caching import LoadingCache
from libs.envelope import Temporary


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

    def cache(self, **more: Any) -> LoadingCache[str, str]:
        return LoadingCache(self.fetch, ttl=60, max_entries=3, clock=lambda: self.now, **more)


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
    cache.clear()
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


FORGET: list[Callable[[LoadingCache[str, str]], None]] = [
    lambda cache: cache.forget("a"),
    lambda cache: cache.clear(),
    lambda cache: cache.forget_where(lambda key, answer: False),  # what is not known yet may be concerned
]


@pytest.mark.parametrize("change", FORGET)
async def test_what_was_asked_before_a_change_is_not_kept_after_it(
    source: Source, change: Callable[[LoadingCache[str, str]], None]
) -> None:
    cache = source.cache()
    source.gate.clear()
    early = asyncio.create_task(cache.get("a"))
    while not source.asked:
        await asyncio.sleep(0)
    change(cache)
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


async def test_a_change_of_one_key_leaves_the_answers_for_others_alone(source: Source) -> None:
    cache = source.cache()
    assert await cache.get("a") == "a 1"
    source.gate.clear()
    asked = asyncio.create_task(cache.get("b"))
    while len(source.asked) < 2:
        await asyncio.sleep(0)
    cache.forget("c")
    source.gate.set()
    assert await asked == "b 2"
    assert [await cache.get("a"), await cache.get("b")] == ["a 1", "b 2"]


async def test_entries_are_forgotten_by_what_they_say(source: Source) -> None:
    cache = source.cache()
    for key in "abc":
        await cache.get(key)
    cache.forget_where(lambda key, answer: answer == "b 2")
    assert [cache.known(key) for key in "abc"] == [("a 1",), None, ("c 3",)]


async def test_an_answer_may_say_how_long_it_is_good(source: Source) -> None:
    cache = LoadingCache(
        source.fetch, ttl=lambda answer: 10 if answer == "a 1" else 0, max_entries=3, clock=lambda: source.now
    )
    assert [await cache.get("a"), await cache.get("a")] == ["a 1", "a 1"]
    assert [await cache.get("b"), await cache.get("b")] == ["b 2", "b 3"]
    source.now = 10
    assert await cache.get("a") == "a 4"


async def test_a_full_cache_drops_what_was_asked_for_longest_ago(source: Source) -> None:
    cache = source.cache()
    for key in ("a", "b", "c", "a", "d"):
        await cache.get(key)
    assert [cache.known(key) is not None for key in "abcd"] == [True, False, True, True]


async def test_one_question_may_know_more_than_its_key(source: Source) -> None:
    cache = source.cache()

    async def better(key: str) -> str:
        return f"better {key}"

    assert [await cache.get("a", better), await cache.get("a")] == ["better a", "better a"]
    assert source.asked == []


async def test_an_error_is_told_to_all_who_wait_and_is_not_kept(source: Source) -> None:
    async def fails(key: str) -> str:
        await asyncio.sleep(0)
        raise LookupError(key)

    cache = source.cache()
    crowd = await asyncio.gather(cache.get("a", fails), cache.get("a", fails), return_exceptions=True)
    assert [type(each) for each in crowd] == [LookupError, LookupError]
    assert await cache.get("a") == "a 1"
