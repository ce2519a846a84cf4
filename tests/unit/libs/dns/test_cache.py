"""Answers are kept for their time, within a bound."""

from __future__ import annotations

from libs.dns.cache import AnswerCache


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
