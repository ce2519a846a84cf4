"""The recipients of the same message are counted within a window, over all replicas, and in bounded memory."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest

from libs.envelope import Temporary
from services.antispam.reputation.mass_mailings import MassMailingCounter

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def a_counter(capacity: int = 100) -> MassMailingCounter:
    return MassMailingCounter(threshold=3, window=10 * MINUTE, capacity=capacity)


def saw(counter: MassMailingCounter, digest: str, id: str, *, recipients: int = 1, at: datetime = NOW) -> int:
    return counter.count(digest, recipients=recipients, message_id=id, now=at)


def test_a_count_is_forgotten_when_its_window_is_over() -> None:
    counter = a_counter()
    seen = [saw(counter, "d", str(n), at=NOW + n * 4 * MINUTE) for n in range(4)]
    assert seen == [1, 2, 3, 1]


def test_unique_mail_is_never_shared_and_other_mail_only_by_its_new_counts() -> None:
    counter = a_counter()
    for n in range(50):
        saw(counter, f"unique{n}", str(n))
    assert counter.take_unshared() == {}
    saw(counter, "d", "1", recipients=4)
    saw(counter, "d", "2")
    taken = counter.take_unshared()
    assert taken == {"d": 5}
    assert counter.count_of("d", NOW) == 5  # while the exchange is under way
    counter.set_totals(taken, {"d": 30})
    assert saw(counter, "d", "3") == 31
    assert counter.take_unshared() == {"d": 1}


def test_counts_that_could_not_be_shared_wait_for_the_next_exchange() -> None:
    counter = a_counter()
    for id in "12":
        saw(counter, "d", id)
    counter.put_back(counter.take_unshared())
    assert counter.count_of("d", NOW) == 2
    assert counter.take_unshared() == {"d": 2}


def test_only_so_many_digests_are_kept() -> None:
    counter = a_counter(capacity=10)
    for n in range(1000):
        saw(counter, str(n), "1")
        saw(counter, str(n), "2")
    assert counter.take_unshared().keys() == {str(n) for n in range(990, 1000)}


def test_a_dry_run_counts_nothing() -> None:
    counter = a_counter()
    saw(counter, "d", "1")
    dry_run = counter.without_counting()
    assert [dry_run.count("d", recipients=2, message_id="2", now=NOW) for _ in range(2)] == [3, 3]
    assert counter.count_of("d", NOW) == 1


async def test_an_exchange_adds_the_new_counts_and_keeps_the_totals_of_all_replicas() -> None:
    counter = a_counter()
    for id in "12":
        saw(counter, "d", id)
    added: list[Mapping[str, int]] = []

    async def add(counts: Mapping[str, int]) -> Mapping[str, int]:
        added.append(counts)
        return {"d": 20}

    await counter.exchange(add)
    await counter.exchange(add)  # nothing new
    assert (added, counter.count_of("d", NOW)) == ([{"d": 2}], 20)


async def test_a_failed_exchange_keeps_its_counts() -> None:
    counter = a_counter()
    for id in "12":
        saw(counter, "d", id)

    async def fail(counts: Mapping[str, int]) -> Mapping[str, int]:
        raise Temporary("away")

    with pytest.raises(Temporary):
        await counter.exchange(fail)
    assert counter.take_unshared() == {"d": 2}
