"""Bans are applied here and announced to the other replicas."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import cast

import pytest

from libs.bus import Bus, Event
from libs.envelope import Temporary
from services.ingress.domain.blacklist import Blacklist, BlacklistEntry
from services.ingress.peer_bans import PeerBans

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class EventLog:
    """A bus that keeps events, or fails."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.fails = False

    async def emit(self, event: Event) -> None:
        if self.fails:
            raise Temporary("no broker")
        self.events.append(event)


@pytest.fixture
def bus() -> EventLog:
    return EventLog()


@pytest.fixture
def bans(bus: EventLog) -> PeerBans:
    blacklist = Blacklist(max_entries=10, clock=NOW.timestamp)
    return PeerBans(blacklist, cast(Bus, bus), lambda: NOW, timedelta(minutes=30), (ip_network("127.0.0.0/8"),))


async def test_a_password_guesser_is_banned_everywhere(bans: PeerBans, bus: EventLog) -> None:
    await bans.ban_password_guesser("2001:db8::/64")
    assert bans.blacklist.is_banned("2001:db8::7")
    assert [event.name for event in bus.events] == ["PeerBlacklisted"]


async def test_an_exempt_network_is_never_banned(bans: PeerBans, bus: EventLog) -> None:
    await bans.ban_password_guesser("127.0.0.1")
    assert not bans.blacklist.is_banned("127.0.0.1")
    assert bus.events == []


async def test_without_a_broker_a_guesser_is_banned_here_and_an_operator_hears_of_the_failure(
    bans: PeerBans, bus: EventLog
) -> None:
    bus.fails = True
    await bans.ban_password_guesser("192.0.2.1")
    assert bans.blacklist.is_banned("192.0.2.1")
    with pytest.raises(Temporary):
        await bans.announce(BlacklistEntry("192.0.2.2", NOW.timestamp() + 60, "by hand"))
