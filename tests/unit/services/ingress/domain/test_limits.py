"""Counters that forget: throttle, blacklist, duplicates, budget, pace."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pytest

from services.ingress.domain.blacklist import Blacklist, BlacklistEntry
from services.ingress.domain.budget import Budget
from services.ingress.domain.duplicates import Duplicates, message_key
from services.ingress.domain.throttle import Throttle, delay
from services.ingress.domain.timeouts import Progress, Timeouts


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_attempts_are_let_through_up_to_the_limit_and_again_after_the_window(clock: Clock) -> None:
    throttle = Throttle(limit=3, window=60, max_keys=10, clock=clock)
    assert [throttle.attempt("a") for _ in range(3)] == [1, 2, 3]
    assert throttle.is_blocked("a")
    assert not throttle.is_blocked("b")
    clock.now += 60
    assert not throttle.is_blocked("a")
    assert throttle.attempt("a") == 1


def test_an_attempt_that_went_well_does_not_count(clock: Clock) -> None:
    throttle = Throttle(limit=1, window=60, max_keys=10, clock=clock)
    throttle.attempt("a")
    assert throttle.is_blocked("a")
    throttle.forgive("a")
    throttle.forgive("a")
    assert not throttle.is_blocked("a")
    assert len(throttle) == 0


def test_a_throttle_holds_a_bounded_number_of_keys(clock: Clock) -> None:
    throttle = Throttle(limit=1, window=60, max_keys=10, clock=clock)
    for n in range(1000):
        throttle.attempt(f"key {n}")
    assert len(throttle) == 10
    assert throttle.is_blocked("key 999")
    clock.now += 60
    throttle.attempt("new")
    assert len(throttle) == 1


def test_delays_double_in_steps_up_to_the_longest() -> None:
    assert [delay(n, first=1, longest=8) for n in (1, 2, 5, 6, 11, 16, 21, 1000)] == [1, 1, 1, 2, 4, 8, 8, 8]


def test_a_ban_ends_by_itself_or_by_an_entry_that_is_over(clock: Clock) -> None:
    blacklist = Blacklist(max_entries=10, clock=clock)
    blacklist.put(BlacklistEntry("192.0.2.1", 1060, "x"))
    blacklist.put(BlacklistEntry("192.0.2.2", 1060, "x"))
    blacklist.put(BlacklistEntry("192.0.2.2", 0, ""))
    assert [entry.address for entry in blacklist.entries()] == ["192.0.2.1"]
    assert blacklist.is_banned("192.0.2.1")
    clock.now += 60
    assert not blacklist.is_banned("192.0.2.1")
    assert blacklist.entries() == []


def test_a_blacklist_holds_a_bounded_number_of_peers(clock: Clock) -> None:
    blacklist = Blacklist(max_entries=10, clock=clock)
    for n in range(100):
        blacklist.put(BlacklistEntry(f"192.0.2.{n}", 1060 + n, "x"))
    assert len(blacklist.entries()) == 10
    assert blacklist.is_banned("192.0.2.99")
    assert not blacklist.is_banned("192.0.2.1")


@pytest.mark.parametrize(
    ("banned", "peer", "refused"),
    [
        ("2001:db8::1", "2001:db8::ffff", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("2001:db8::/32", "2001:db8:ffff::1", True),
        ("2001:db8::1/128", "2001:db8::2", False),
        ("192.0.2.0/24", "192.0.2.77", True),
        ("192.0.2.9/24", "192.0.2.77", True),
        ("192.0.2.0/24", "192.0.3.1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("::ffff:192.0.2.0/120", "192.0.2.200", True),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("fe80::1%eth0", "fe80::2", True),
        ("", "192.0.2.1", False),
        ("somebody", "192.0.2.1", False),
        ("0.0.0.0/0", "192.0.2.1", False),
        ("::/0", "2001:db8::1", False),
    ],
)
def test_an_address_and_a_network_are_banned_alike(clock: Clock, banned: str, peer: str, refused: bool) -> None:
    blacklist = Blacklist(max_entries=10, clock=clock)
    blacklist.put(BlacklistEntry(banned, 1060, "x"))
    assert blacklist.is_banned(peer) is refused
    blacklist.put(BlacklistEntry(banned, 0, ""))
    assert not blacklist.is_banned(peer)


def test_a_narrow_ban_that_is_over_does_not_hide_a_wide_one(clock: Clock) -> None:
    blacklist = Blacklist(max_entries=10, clock=clock)
    blacklist.put(BlacklistEntry("192.0.2.0/24", 1100, "x"))
    blacklist.put(BlacklistEntry("192.0.2.1", 1010, "x"))
    clock.now += 50
    assert blacklist.is_banned("192.0.2.1")
    assert blacklist.has_entry("192.0.2.0/24")
    assert not blacklist.has_entry("192.0.2.1")


def test_a_message_is_known_again_for_a_while(clock: Clock) -> None:
    duplicates = Duplicates(window=600, max_entries=2, clock=clock)
    for n in range(3):
        duplicates.remember(b"%d" % n, f"id {n}")
    assert [duplicates.id_of(b"%d" % n) for n in range(3)] == [None, "id 1", "id 2"]
    clock.now += 600
    assert duplicates.id_of(b"2") is None


def test_the_key_of_a_message_is_peer_envelope_and_content() -> None:
    same = message_key("192.0.2.1", "a@b", ["x@y", "z@y"], "digest")
    assert same == message_key("192.0.2.1", "a@b", ["z@y", "x@y"], "digest")
    others = [
        message_key("192.0.2.2", "a@b", ["x@y", "z@y"], "digest"),
        message_key("192.0.2.1", "a@c", ["x@y", "z@y"], "digest"),
        message_key("192.0.2.1", "a@b", ["x@y"], "digest"),
        message_key("192.0.2.1", "a@b", ["x@y", "z@y"], "other"),
    ]
    assert same not in others


def test_a_budget_is_shared_and_given_back() -> None:
    budget = Budget(max_messages=2, max_bytes=100)
    first, second = budget.open(50), budget.open(0)
    assert first is not None
    assert second is not None
    assert budget.open(0) is None
    assert first.grow(60)
    assert not second.grow(50)
    assert second.grow(40)
    first.close()
    assert (budget.messages, budget.held_bytes) == (1, 40)
    assert budget.open(61) is None
    assert budget.open(60) is not None


def test_a_peer_has_a_part_of_the_budget_and_its_site_twice_that() -> None:
    budget = Budget(max_messages=100, max_bytes=1000, peer_share=0.25)
    narrow, wide = ("2001:db8::/64", "2001:db8::/48"), ("2001:db8:0:1::/64", "2001:db8::/48")
    assert not budget.has_room(251, narrow)
    first, second, third = budget.open(0, narrow), budget.open(0, wide), budget.open(0, ("192.0.2.1",))
    assert first is not None
    assert second is not None
    assert third is not None
    assert first.grow(250)
    assert not first.grow(1)
    assert not budget.has_room(1, narrow)
    assert second.grow(250)
    assert not budget.has_room(1, ("2001:db8:0:2::/64", "2001:db8::/48"))
    assert third.grow(250)
    assert budget.has_room(250, ("192.0.2.2",))
    for share in (first, second, third):
        share.close()
    assert (budget.messages, budget.held_bytes) == (0, 0)
    assert budget.has_room(250, narrow)


def test_the_largest_message_fits_into_a_small_budget_and_large_ones_leave_room_for_ordinary_ones() -> None:
    assert Budget(max_messages=4, max_bytes=30, peer_share=0.25, largest_bytes=30).has_room(30, ("192.0.2.1",))
    megabyte = 1024 * 1024
    budget = Budget(max_messages=100, max_bytes=16 * megabyte, peer_share=0.5, largest_bytes=8 * megabyte)
    large = [budget.open(0, (f"192.0.2.{n}",)) for n in range(2)]
    assert [share is not None and share.grow(7 * megabyte) for share in large] == [True, True]
    assert not any(share is not None and share.grow(1) for share in large)
    ordinary = budget.open(megabyte, ("192.0.2.3",))
    assert ordinary is not None
    assert ordinary.grow(megabyte)


TIMEOUTS = Timeouts(greeting_delay=0, idle=300, command=60, data_block=180, grace=180, min_rate=256, message=3600)
MB = 1024 * 1024


def seconds_until_cut(arrivals: Iterable[tuple[float, int]], timeouts: Timeouts = TIMEOUTS) -> float | None:
    """When a peer that brings (after seconds, octets) is cut off; None when it is not."""
    progress, now = Progress(timeouts, 0.0), 0.0
    for after, octets in arrivals:
        if now + after >= progress.deadline(now):
            return progress.deadline(now)
        now += after
        progress.waited(after)
        progress.received(octets)
    return None


def at(rate: float, octets: int, every: float = 1.0) -> Iterator[tuple[float, int]]:
    for _ in range(int(octets / rate / every)):
        yield every, int(rate * every)


HONEST = {
    "the least rate": at(256, 800_000),
    "in blocks of two minutes": at(256, 800_000, every=120),
    "20 MB over 48 kbit/s": at(6000, 20 * MB),
    "20 MB over 48 kbit/s with a tunnel of two minutes each half megabyte": (
        arrival for _ in range(7) for arrival in (*at(12_000, MB // 2), (120.0, 12_000))
    ),
    "fast": at(10 * MB, 20 * MB),
}


@pytest.mark.parametrize("arrivals", HONEST.values(), ids=HONEST.keys())
def test_an_honest_slow_peer_is_heard_to_the_end(arrivals: Iterable[tuple[float, int]]) -> None:
    assert seconds_until_cut(arrivals) is None


HOSTILE = {
    "silent from the start": ([(10_000.0, 1)], 180),
    "a fast beginning, then an octet each 20 s": ([(1.0, 19 * MB), *[(20.0, 1)] * 1000], 182),
    "a fast beginning, then the least rate": ([(1.0, 19 * MB), *[(1.0, 256)] * 4000], 200),
    "a hundred small bursts, each followed by an octet": ([(1.0, 1000), *[(60.0, 1)] * 4] * 100, 700),
    "a little below the least rate": ([(10.0, 2000)] * 1000, 900),
    "as slow as it may for ever": ([(1.0, 256)] * 10_000, 3600),
}


@pytest.mark.parametrize(("arrivals", "limit"), HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_slow_peer_is_cut_off(arrivals: Iterable[tuple[float, int]], limit: float) -> None:
    ends = seconds_until_cut(arrivals)
    assert ends is not None
    assert ends <= limit
