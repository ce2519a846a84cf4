from datetime import timedelta

from services.router.cache import Expiring


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def a_cache(clock: Clock, size: int = 3) -> Expiring[int]:
    return Expiring(size, timedelta(seconds=10), clock)


def test_an_entry_lives_for_its_time() -> None:
    clock = Clock()
    cache = a_cache(clock)
    cache.put("a", 1)
    clock.now = 9.9
    assert cache.get("a") == 1
    clock.now = 10
    assert cache.get("a") is None


def test_the_oldest_entries_make_room() -> None:
    cache = a_cache(Clock())
    for number, name in enumerate("abcad"):
        cache.put(name, number)
    assert {name: cache.get(name) for name in "abcd"} == {"a": 3, "b": None, "c": 2, "d": 4}
    assert len(cache) == 3


def test_a_cache_of_no_size_keeps_nothing() -> None:
    cache = a_cache(Clock(), size=0)
    cache.put("a", 1)
    assert cache.get("a") is None


def test_entries_are_dropped_one_by_one_or_all() -> None:
    cache = a_cache(Clock())
    for name in "abc":
        cache.put(name, 1)
    cache.drop("a")
    cache.drop("never there")
    assert [cache.get(name) for name in "abc"] == [None, 1, 1]
    cache.clear()
    assert len(cache) == 0
