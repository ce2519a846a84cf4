"""How old what waits for a retry is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from libs.bus.retry_ages import RetryAges

NOW = datetime(2026, 11, 27, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def test_the_oldest_is_known_until_it_is_due() -> None:
    retry_ages = RetryAges()
    retry_ages.deferred(NOW - timedelta(days=3), 30 * MINUTE, now=NOW)
    retry_ages.deferred(NOW - MINUTE, MINUTE, now=NOW)
    assert retry_ages.oldest(NOW) == NOW - timedelta(days=3)
    assert retry_ages.oldest(NOW + 29 * MINUTE) == NOW - timedelta(days=3)
    assert retry_ages.oldest(NOW + 31 * MINUTE) is None


def test_a_few_numbers_are_kept_whatever_waits() -> None:
    retry_ages = RetryAges()
    for number in range(100_000):
        moment = NOW + timedelta(seconds=number / 10)
        retry_ages.deferred(moment, 30 * MINUTE, now=moment)
    assert len(retry_ages._oldest) <= 30 * 60 / 15 + 2
