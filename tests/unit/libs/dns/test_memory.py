"""What the resolver keeps: answers for a while, work that is under way, names as DNS writes them."""

from __future__ import annotations

import asyncio
from ipaddress import ip_address

import pytest

from libs.dns import SingleFlight, reverse_name
from libs.dns.cache import AnswerCache
from libs.dns.wire import name_of


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def test_a_cache_forgets_what_is_old_and_what_was_not_asked_for_when_it_is_full() -> None:
    clock = Clock()
    cache: AnswerCache[str, int] = AnswerCache(2, now=clock)
    cache.put("short", 1, seconds=5)
    cache.put("long", 2, seconds=50)
    clock.seconds = 4.9
    assert cache.get("short") == 1
    clock.seconds = 5
    assert (cache.get("short"), cache.get("long")) == (None, 2)
    for name in ("a", "b"):
        cache.put(name, 3, seconds=50)
    assert (cache.get("long"), cache.get("a"), len(cache)) == (None, 3, 2)
    cache.put("c", 4, seconds=50)
    assert (cache.get("a"), cache.get("b")) == (3, None)


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


@pytest.mark.parametrize(
    ("address", "zone", "name"),
    [
        ("192.0.2.1", "", "1.2.0.192.in-addr.arpa"),
        ("192.0.2.1", "bl.example", "1.2.0.192.bl.example"),
        ("2001:db8::1", "", "1." + "0." * 23 + "8.b.d.0.1.0.0.2.ip6.arpa"),
        ("2001:db8::1", "bl.example", "1." + "0." * 23 + "8.b.d.0.1.0.0.2.bl.example"),
    ],
)
def test_addresses_in_reverse(address: str, zone: str, name: str) -> None:
    assert reverse_name(ip_address(address), zone) == name


@pytest.mark.parametrize("text", ["a..b", ".a", "", "a" * 64, ".".join(["a" * 63] * 4), "é.example", "a\udcff.b"])
def test_what_dns_cannot_hold_is_no_name(text: str) -> None:
    assert name_of(text) is None


@pytest.mark.parametrize("text", ["a.example", "a.example.", "_x.y", r"back\slash.example", "with space.example"])
def test_names_are_taken_as_they_are(text: str) -> None:
    name = name_of(text)
    assert name is not None
    assert b".".join(name.labels[:-1]).decode() == text.removesuffix(".")
