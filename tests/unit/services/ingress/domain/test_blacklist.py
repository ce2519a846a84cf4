"""Bans: their expiry, their bound, and the networks that they concern."""

from __future__ import annotations

import pytest

from services.ingress.domain.blacklist import Blacklist, BlacklistEntry
from tests.unit.services.ingress.domain.clock import ManualClock


def test_a_ban_ends_by_itself_or_by_an_entry_that_is_over(clock: ManualClock) -> None:
    blacklist = Blacklist(max_entries=10, clock=clock)
    blacklist.put(BlacklistEntry("192.0.2.1", 1060, "x"))
    blacklist.put(BlacklistEntry("192.0.2.2", 1060, "x"))
    blacklist.put(BlacklistEntry("192.0.2.2", 0, ""))
    assert [entry.address for entry in blacklist.entries()] == ["192.0.2.1"]
    assert blacklist.is_banned("192.0.2.1")
    clock.now += 60
    assert not blacklist.is_banned("192.0.2.1")
    assert blacklist.entries() == []


def test_a_blacklist_holds_a_bounded_number_of_peers(clock: ManualClock) -> None:
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
def test_an_address_and_a_network_are_banned_alike(clock: ManualClock, banned: str, peer: str, refused: bool) -> None:
    blacklist = Blacklist(max_entries=10, clock=clock)
    blacklist.put(BlacklistEntry(banned, 1060, "x"))
    assert blacklist.is_banned(peer) is refused
    blacklist.put(BlacklistEntry(banned, 0, ""))
    assert not blacklist.is_banned(peer)


def test_a_narrow_ban_that_is_over_does_not_hide_a_wide_one(clock: ManualClock) -> None:
    blacklist = Blacklist(max_entries=10, clock=clock)
    blacklist.put(BlacklistEntry("192.0.2.0/24", 1100, "x"))
    blacklist.put(BlacklistEntry("192.0.2.1", 1010, "x"))
    clock.now += 50
    assert blacklist.is_banned("192.0.2.1")
    assert blacklist.has_entry("192.0.2.0/24")
    assert not blacklist.has_entry("192.0.2.1")
