"""Values for as long as they hold, in bounded memory."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from libs.caching import TtlCache


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_each_value_has_its_own_time() -> None:
    clock = Clock()
    known: TtlCache[str, int] = TtlCache(max_entries=10, clock=clock)
    known.put("short", 1, seconds=5)
    known.put("long", 2, seconds=50)
    clock.now = 5
    assert (known.get("short"), known.get("long"), len(known)) == (None, 2, 1)


def test_what_is_over_goes_before_what_still_holds() -> None:
    clock = Clock()
    known: TtlCache[str, int] = TtlCache(max_entries=2, clock=clock)
    known.put("long", 1, seconds=50)
    known.put("short", 2, seconds=5)
    known.get("short")
    clock.now = 6
    known.put("new", 3, seconds=50)
    assert (known.get("long"), known.get("new")) == (1, 3)


def test_a_value_worked_out_before_something_was_forgotten_is_not_kept() -> None:
    known: TtlCache[str, int] = TtlCache(max_entries=2, clock=Clock())
    before = known.generation
    known.forget("a")
    known.put("a", 1, seconds=5, generation=before)
    assert known.get("a") is None
    known.put("a", 2, seconds=5, generation=known.generation)
    assert known.get("a") == 2


operations = st.lists(
    st.tuples(st.sampled_from(["put", "get", "forget", "where", "wait"]), st.integers(0, 6), st.integers(1, 4)),
    max_size=60,
)


@settings(max_examples=60, deadline=None)
@given(operations)
def test_it_never_holds_too_many_and_never_tells_what_does_not_hold(steps: list[tuple[str, int, int]]) -> None:
    clock, ends = Clock(), dict[int, float]()
    known: TtlCache[int, int] = TtlCache(max_entries=4, clock=clock)
    for step, key, seconds in steps:
        match step:
            case "put":
                known.put(key, key * 10, seconds=seconds)
                ends[key] = clock.now + seconds
            case "get":
                assert known.get(key) in (None, key * 10)
            case "forget":
                known.forget(key)
                ends.pop(key, None)
            case "where":
                known.forget_where(lambda each, value, key=key: each <= key)  # type: ignore[misc]
                ends = {each: end for each, end in ends.items() if each > key}
            case "wait":
                clock.now += seconds
        assert len(known) <= 4
        holding = [each for each in range(7) if known.get(each) is not None]
        assert all(ends.get(each, -1.0) > clock.now for each in holding)
        if len(alive := [each for each, end in ends.items() if end > clock.now]) <= 4 and step == "put":
            assert key in holding
            assert len(holding) <= len(alive)


def test_entries_are_forgotten_by_what_they_depend_on() -> None:
    known: TtlCache[str, int] = TtlCache(max_entries=10, clock=Clock())
    known.put("a", 1, seconds=5, tags=("x", "y"))
    known.put("b", 2, seconds=5, tags=("y",))
    known.put("c", 3, seconds=5)
    known.forget_tagged("x", "nothing")
    assert [known.get(key) for key in "abc"] == [None, 2, 3]
    known.put("a", 4, seconds=5)
    known.forget_tagged("y")
    assert [known.get(key) for key in "abc"] == [None, None, 3]


def test_tags_of_entries_that_are_gone_take_no_memory() -> None:
    clock = Clock()
    known: TtlCache[int, int] = TtlCache(max_entries=10, clock=clock)
    for n in range(10_000):
        known.put(n, n, seconds=5, tags=(f"tag {n}", "all"))
    assert sum(map(len, known._tags.values())) <= 100
    known.forget_tagged("all")
    assert len(known) == 0


def test_a_cache_of_no_size_keeps_nothing() -> None:
    known: TtlCache[str, int] = TtlCache(max_entries=0, clock=Clock())
    known.put("a", 1, seconds=5)
    assert (known.get("a"), len(known)) == (None, 0)
