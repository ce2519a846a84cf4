"""A blacklisted peer is stored, known in memory and announced; a stored one is known after a restart."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import cast

from libs.bus import Bus, Event
from libs.events import PeerBlacklisted
from services.antispam.reputation.blacklisted_peers import BlacklistedPeer, BlacklistedPeerTable
from services.antispam.reputation.mongo_blacklisted_peers import MongoBlacklistedPeers
from services.antispam.reputation.peer_blacklist import PeerBlacklist

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PEER = BlacklistedPeer("192.0.2.1", NOW + timedelta(hours=1), "honeypot")


class World:
    """The collection and the bus."""

    def __init__(self) -> None:
        self.stored: dict[str, BlacklistedPeer] = {}
        self.events: list[Event] = []

    async def all(self, now: datetime, limit: int) -> list[BlacklistedPeer]:
        return [peer for peer in self.stored.values() if peer.until > now][:limit]

    async def put(self, peer: BlacklistedPeer) -> None:
        self.stored[peer.address] = peer

    async def emit(self, event: Event) -> None:
        self.events.append(event)

    def replica(self) -> tuple[PeerBlacklist, BlacklistedPeerTable]:
        table = BlacklistedPeerTable(capacity=10)
        store, bus = cast(MongoBlacklistedPeers, self), cast(Bus, self)
        return PeerBlacklist(table, store, bus, capacity=10, clock=lambda: NOW), table


def reason(table: BlacklistedPeerTable) -> str | None:
    return table.reason(ip_address(PEER.address), NOW)


async def test_a_peer_is_stored_known_and_announced_and_other_replicas_follow() -> None:
    world = World()
    (blacklist, table), (other, table_of_other) = world.replica(), world.replica()
    await blacklist.blacklist(PEER)
    assert (world.stored[PEER.address], reason(table)) == (PEER, "honeypot")
    [event] = world.events
    other.peer_blacklisted(PeerBlacklisted.from_bus(event))
    assert reason(table_of_other) == "honeypot"


async def test_a_time_in_the_past_removes_a_peer() -> None:
    blacklist, table = World().replica()
    await blacklist.blacklist(PEER)
    await blacklist.blacklist(BlacklistedPeer(PEER.address, NOW - timedelta(seconds=1), ""))
    assert reason(table) is None


async def test_a_restart_reads_what_is_stored_and_an_event_of_another_service_is_stored() -> None:
    world = World()
    first, _ = world.replica()
    long_reason = "x" * 1000
    fact = PeerBlacklisted(address=PEER.address, until_epoch=PEER.until.timestamp(), reason=long_reason)
    await first.store_peer(fact)
    second, table = world.replica()
    assert reason(table) is None
    await second.load()
    assert reason(table) == long_reason[:200]
