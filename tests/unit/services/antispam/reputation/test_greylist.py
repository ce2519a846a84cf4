"""Triplets of greylisting, and the networks that are greylisted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from libs.network import parsed
from services.antispam.reputation.greylist import GreylistState, Triplet, greylisted_network, to_milliseconds

NOW = datetime(2026, 1, 1, 12, 0, 0, 123_456, tzinfo=UTC)


def test_the_key_of_a_triplet_is_short_and_depends_on_each_part() -> None:
    keys = {
        Triplet(*parts).key
        for parts in (
            ("192.0.2.0/24", "a@b.example", "m@example.org"),
            ("198.51.100.0/24", "a@b.example", "m@example.org"),
            ("192.0.2.0/24", "", "m@example.org"),
            ("192.0.2.0/24", "a@b.example", "example.org"),
            ("192.0.2.0/24", "a@b.example\udcff", "m@example.org"),  # octets that are no UTF-8
        )
    }
    assert len(keys) == 5
    assert {len(key) for key in keys} == {32}


@pytest.mark.parametrize(
    ("peer", "network"),
    [
        ("192.0.2.77", "192.0.2.0/24"),
        ("::ffff:192.0.2.77", "192.0.2.0/24"),
        ("2001:db8:0:1::77", "2001:db8:0:1::/64"),
    ],
)
def test_hosts_of_one_network_are_greylisted_together(peer: str, network: str) -> None:
    address = parsed(peer)
    assert address is not None
    assert greylisted_network(address) == network


def test_a_triplet_tells_how_long_it_waited_once_it_passed() -> None:
    passed_at = NOW + timedelta(minutes=6)
    assert GreylistState(NOW, None, newly=False).waited is None
    assert GreylistState(NOW, passed_at, newly=True).waited == timedelta(minutes=6)


def test_a_time_is_rounded_down_as_mongodb_stores_it() -> None:
    assert to_milliseconds(NOW).microsecond == 123_000
