"""Whose turn it is: fair between sites, whatever some of them do."""

from __future__ import annotations

from collections import Counter

from services.relay.domain.traffic import SLOW_FACTOR, SLOW_SECONDS, Lane, Traffic


def opened(traffic: Traffic, now: float = 0) -> list[Lane]:
    found = []
    while (lane := traffic.open(now)) is not None:
        found.append(lane)
    return found


def busy(*sites: str, limit: int = 5, total: int = 10) -> Traffic:
    traffic = Traffic(limit=limit, total=total)
    for site in sites:
        traffic.expect(site, f"{site}.example")
    return traffic


def test_a_site_has_no_more_connections_than_the_limit() -> None:
    assert len(opened(busy("a"))) == 5


def test_each_site_has_one_connection_before_any_has_two() -> None:
    lanes = opened(busy(*"abcdefgh"))
    assert {lane.site for lane in lanes[:8]} == set("abcdefgh")
    assert len(lanes) == 10


def test_fifty_tarpits_hold_up_nobody() -> None:
    traffic = busy(*(f"tarpit{n}" for n in range(50)), total=50)
    assert len(opened(traffic)) == 50
    traffic.expect("good", "good.example")
    assert traffic.open(now=1) is None
    lanes = opened(traffic, now=SLOW_SECONDS + 1)
    assert lanes[0].site == "good"
    assert len(traffic.lanes) <= 50 * SLOW_FACTOR


def test_a_connection_is_given_up_after_its_turn_for_a_site_that_has_none() -> None:
    traffic = busy("a", limit=5, total=5)
    lanes = opened(traffic)
    assert not traffic.must_yield(lanes[0], now=1)
    traffic.expect("b", "b.example")
    assert traffic.must_yield(lanes[0], now=1)
    traffic.close(lanes[0])
    assert [lane.site for lane in opened(traffic, now=1)] == ["b"]
    assert not traffic.must_yield(lanes[1], now=1)


def test_of_sites_that_wait_the_one_is_next_that_was_not_served_for_longest() -> None:
    traffic = busy("a", "b", "c", limit=1, total=1)
    turns = []
    for now in range(9):
        [lane] = opened(traffic, now)
        assert traffic.take(lane.site) is not None
        turns.append(lane.site)
        traffic.expect(lane.site, f"{lane.site}.example")
        assert traffic.must_yield(lane, now)
        traffic.close(lane)
    assert Counter(turns) == {"a": 3, "b": 3, "c": 3}


def test_the_destinations_of_a_site_are_served_in_turn() -> None:
    traffic = Traffic(limit=1, total=1)
    for name in ("one", "two", "three"):
        traffic.expect("site", name)
    turns = []
    for _ in range(6):
        destination = traffic.take("site")
        assert destination is not None
        turns.append(destination)
        traffic.expect("site", destination)
    assert turns == ["one", "two", "three"] * 2


def test_a_lane_that_waits_for_work_takes_it_before_another_is_opened() -> None:
    traffic = busy("a")
    lane = opened(traffic)[0]
    for other in traffic.lanes[1:]:
        traffic.close(other)
    assert traffic.take("a") == "a.example"
    lane.busy_since = None
    traffic.expect("a", "a.example")
    assert traffic.open(now=1) is None


def test_an_idle_connection_ends_for_a_site_that_has_none() -> None:
    traffic = busy("a", limit=1, total=1)
    [lane] = opened(traffic)
    traffic.take("a")
    lane.busy_since = None
    assert traffic.idle() is None
    traffic.expect("b", "b.example")
    assert traffic.idle() is lane


def test_a_site_that_is_full_in_the_cluster_is_asked_again_at_the_next_look() -> None:
    traffic = busy("a", "b", limit=1)
    first = opened(traffic)[0]
    traffic.close(first, is_full=True)
    assert opened(traffic) == []
    traffic.look_again()
    assert [lane.site for lane in opened(traffic)] == [first.site]
