"""The table of blacklisted peers is bounded, and its entries expire."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from libs.network import parsed
from services.antispam.reputation.blacklisted_peers import BlacklistedPeerTable

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def test_the_peers_that_expire_first_make_room() -> None:
    table = BlacklistedPeerTable(capacity=20)
    for n in range(1, 101):
        table.blacklist(f"192.0.2.{n}", NOW + n * MINUTE, "abuse", NOW)
    assert len(table) <= 20
    for number, refused in ((100, True), (1, False)):
        peer = parsed(f"192.0.2.{number}")
        assert peer is not None
        assert (table.reason(peer, NOW) == "abuse") is refused


@pytest.mark.parametrize(
    ("banned", "refused", "free"),
    [
        ("192.0.2.1", "192.0.2.1", "192.0.2.2"),
        ("192.0.2.0/24", "192.0.2.77", "192.0.3.1"),
        ("192.0.2.77/24", "192.0.2.1", "192.0.3.1"),
        ("2001:db8::/64", "2001:db8::77", "2001:db8:0:1::1"),
        ("2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"),
        ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::1"),
        ("::ffff:192.0.2.1", "192.0.2.1", "192.0.2.2"),
        ("::ffff:192.0.2.0/120", "192.0.2.9", "192.0.3.1"),
        ("fe80::1%eth0", "fe80::2", "fe80:0:0:1::1"),
    ],
)
def test_a_network_is_blacklisted_as_an_address_is(banned: str, refused: str, free: str) -> None:
    table = BlacklistedPeerTable(capacity=20)
    table.blacklist(banned, NOW + MINUTE, "abuse", NOW)

    def reason(address: str, at: datetime = NOW) -> str | None:
        peer = parsed(address)
        assert peer is not None
        return table.reason(peer, at)

    assert (reason(refused), reason(free), reason(refused, NOW + 2 * MINUTE)) == ("abuse", None, None)
    table.blacklist(banned, NOW, "", NOW)
    assert (reason(refused), len(table)) == (None, 0)


def test_a_ban_that_is_over_does_not_hide_a_wider_one() -> None:
    table, peer = BlacklistedPeerTable(capacity=20), parsed("192.0.2.1")
    assert peer is not None
    table.blacklist("192.0.2.1", NOW + MINUTE, "narrow", NOW)
    table.blacklist("192.0.2.0/24", NOW + 5 * MINUTE, "wide", NOW)
    assert [table.reason(peer, NOW + n * MINUTE) for n in (0, 2, 6)] == ["narrow", "wide", None]


@pytest.mark.parametrize("text", ["0.0.0.0/0", "::/0", "10.0.0.0/7", "192.0.2.0/33", "", "x"])
def test_no_ban_refuses_half_the_world(text: str) -> None:
    table = BlacklistedPeerTable(capacity=20)
    table.blacklist(text, NOW + MINUTE, "abuse", NOW)
    assert len(table) == 0


def test_a_text_that_is_no_address_is_ignored() -> None:
    table = BlacklistedPeerTable(capacity=20)
    table.blacklist("localhost", NOW + MINUTE, "abuse", NOW)
    assert len(table) == 0
