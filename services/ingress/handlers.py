"""What ingress does when it hears of changes elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import structlog

from libs.bus import Event
from libs.events import (
    AccountChanged,
    AccountDeleted,
    DomainChanged,
    PeerBlacklisted,
    PolicyChanged,
    QuotaChanged,
    RoutesChanged,
)
from libs.runtime import Hears
from services.ingress.domain.blacklist import Blacklist, Entry

log = structlog.get_logger(__name__)

_ADDRESSES: dict[str, type[RoutesChanged | AccountChanged | AccountDeleted]] = {
    kind.__name__: kind for kind in (RoutesChanged, AccountChanged, AccountDeleted)
}


class Directory(Protocol):
    """What is remembered of the router's answers."""

    def address_changed(self, address: str) -> None: ...

    def domain_changed(self, domain: str, alias: str = "") -> None: ...


@dataclass(frozen=True, slots=True)
class Attention:
    """Keeps caches true, by key: a change of one address costs nothing for the others.

    Every process hears every event; what it misses, the short life of its caches mends.
    """

    directory: Directory
    forget_quota: Callable[[str], None]
    forget_screening: Callable[[str], None]
    blacklist: Blacklist

    async def address_changed(self, event: Event) -> None:
        """It may lead elsewhere now, and its password be another."""
        self.directory.address_changed(_ADDRESSES[event.name].from_bus(event).address)

    async def domain_changed(self, event: Event) -> None:
        """A domain, or its name."""
        fact = DomainChanged.from_bus(event)
        self.directory.domain_changed(fact.domain, fact.alias)

    async def quota_changed(self, event: Event) -> None:
        """A mailbox went over or under its limit, or has another one."""
        self.forget_quota(QuotaChanged.from_bus(event).address)

    async def policy_changed(self, event: Event) -> None:
        """A domain greylists from now on, or has another honeypot."""
        self.forget_screening(PolicyChanged.from_bus(event).domain)

    async def peer_blacklisted(self, event: Event) -> None:
        """A honeypot was touched, or passwords are guessed; an end in the past takes the peer off again."""
        fact = PeerBlacklisted.from_bus(event)
        if not self.blacklist.add(Entry(fact.address, fact.until_epoch, fact.reason)):
            log.warning("ban_not_understood", peer=fact.address[:100], reason=fact.reason)

    def table(self) -> tuple[Hears, ...]:
        """Who hears what; all of it broadcast."""
        return (
            Hears(list(_ADDRESSES), self.address_changed),
            Hears([DomainChanged.__name__], self.domain_changed),
            Hears([QuotaChanged.__name__], self.quota_changed),
            Hears([PolicyChanged.__name__], self.policy_changed),
            Hears([PeerBlacklisted.__name__], self.peer_blacklisted),
        )
