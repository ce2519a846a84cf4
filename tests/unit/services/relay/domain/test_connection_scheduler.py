"""Whose turn it is: fair between MX groups, whatever some of them do."""

from __future__ import annotations

from collections import Counter

from services.relay.domain.connection_scheduler import (
    SLOW_FACTOR,
    SLOW_SECONDS,
    ConnectionScheduler,
    ScheduledConnection,
)


def opened(scheduler: ConnectionScheduler, now: float = 0) -> list[ScheduledConnection]:
    found = []
    while (connection := scheduler.open(now)) is not None:
        found.append(connection)
    return found


def busy(*mx_groups: str, limit: int = 5, total: int = 10) -> ConnectionScheduler:
    scheduler = ConnectionScheduler(limit=limit, total=total)
    for mx_group in mx_groups:
        scheduler.expect(mx_group, f"{mx_group}.example")
    return scheduler


def test_a_site_has_no_more_connections_than_the_limit() -> None:
    assert len(opened(busy("a"))) == 5


def test_each_site_has_one_connection_before_any_has_two() -> None:
    connections = opened(busy(*"abcdefgh"))
    assert {connection.mx_group for connection in connections[:8]} == set("abcdefgh")
    assert len(connections) == 10


def test_fifty_tarpits_hold_up_nobody() -> None:
    scheduler = busy(*(f"tarpit{n}" for n in range(50)), total=50)
    assert len(opened(scheduler)) == 50
    scheduler.expect("good", "good.example")
    assert scheduler.open(now=1) is None
    connections = opened(scheduler, now=SLOW_SECONDS + 1)
    assert connections[0].mx_group == "good"
    assert len(scheduler.connections) <= 50 * SLOW_FACTOR


def test_a_connection_is_given_up_after_its_turn_for_a_site_that_has_none() -> None:
    scheduler = busy("a", limit=5, total=5)
    connections = opened(scheduler)
    assert not scheduler.must_yield(connections[0], now=1)
    scheduler.expect("b", "b.example")
    assert scheduler.must_yield(connections[0], now=1)
    scheduler.close(connections[0])
    assert [connection.mx_group for connection in opened(scheduler, now=1)] == ["b"]
    assert not scheduler.must_yield(connections[1], now=1)


def test_of_sites_that_wait_the_one_is_next_that_was_not_served_for_longest() -> None:
    scheduler = busy("a", "b", "c", limit=1, total=1)
    turns = []
    for now in range(9):
        [connection] = opened(scheduler, now)
        assert scheduler.next_destination(connection.mx_group) is not None
        turns.append(connection.mx_group)
        scheduler.expect(connection.mx_group, f"{connection.mx_group}.example")
        assert scheduler.must_yield(connection, now)
        scheduler.close(connection)
    assert Counter(turns) == {"a": 3, "b": 3, "c": 3}


def test_the_destinations_of_a_site_are_served_in_turn() -> None:
    scheduler = ConnectionScheduler(limit=1, total=1)
    for name in ("one", "two", "three"):
        scheduler.expect("site", name)
    turns = []
    for _ in range(6):
        destination = scheduler.next_destination("site")
        assert destination is not None
        turns.append(destination)
        scheduler.expect("site", destination)
    assert turns == ["one", "two", "three"] * 2


def test_a_lane_that_waits_for_work_takes_it_before_another_is_opened() -> None:
    scheduler = busy("a")
    connection = opened(scheduler)[0]
    for other in scheduler.connections[1:]:
        scheduler.close(other)
    assert scheduler.next_destination("a") == "a.example"
    connection.busy_since = None
    scheduler.expect("a", "a.example")
    assert scheduler.open(now=1) is None


def test_an_idle_connection_ends_for_a_site_that_has_none() -> None:
    scheduler = busy("a", limit=1, total=1)
    [connection] = opened(scheduler)
    scheduler.next_destination("a")
    connection.busy_since = None
    assert scheduler.idle() is None
    scheduler.expect("b", "b.example")
    assert scheduler.idle() is connection


def test_a_site_that_is_full_in_the_cluster_is_asked_again_at_the_next_look() -> None:
    scheduler = busy("a", "b", limit=1)
    first = opened(scheduler)[0]
    scheduler.close(first, is_full=True)
    assert opened(scheduler) == []
    scheduler.retry_full_groups()
    assert [connection.mx_group for connection in opened(scheduler)] == [first.mx_group]


def test_a_full_mx_group_is_not_tried_until_the_next_poll() -> None:
    scheduler = busy("a", "b", limit=1)
    full = opened(scheduler)[0]
    scheduler.expect("a", "more.example")
    scheduler.close(full, is_full=True)
    assert "a" not in [connection.mx_group for connection in opened(scheduler)]
    scheduler.retry_full_groups()
    assert [connection.mx_group for connection in opened(scheduler)] == ["a"]


def test_a_group_has_work_while_a_destination_waits_and_each_is_served_once() -> None:
    scheduler = busy("a")
    scheduler.expect("a", "second.example")
    assert (scheduler.has_work("a"), scheduler.has_work("b")) == (True, False)
    served = [scheduler.next_destination("a") for _ in range(3)]
    assert served == ["a.example", "second.example", None]
    assert not scheduler.has_work("a")


def test_an_idle_connection_closes_in_favour_of_a_group_without_one_and_only_then() -> None:
    scheduler = busy("a", limit=1, total=1)
    [connection] = opened(scheduler)
    scheduler.next_destination("a")
    connection.busy_since = None
    assert scheduler.idle() is None
    scheduler.expect("b", "b.example")
    assert scheduler.idle() is connection
    connection.must_close = True
    assert scheduler.idle() is None
    assert scheduler.must_yield(connection, now=0)
