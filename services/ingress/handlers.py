"""What ingress does when it hears of changes elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import structlog

from libs.events import (
    AccountChanged,
    AccountDeleted,
    DomainChanged,
    PeerBlacklisted,
    PolicyChanged,
    QuotaChanged,
    RoutesChanged,
)
from libs.runtime import EventHandler
from services.ingress.domain.blacklist import Blacklist, BlacklistEntry

log = structlog.get_logger(__name__)

AddressEvent = RoutesChanged | AccountChanged | AccountDeleted


class Directory(Protocol):
    """What is remembered of the router's answers."""

    def address_changed(self, address: str) -> None: ...

    def domain_changed(self, domain: str, alias: str = "") -> None: ...


@dataclass(frozen=True, slots=True)
class CacheInvalidation:
    """Keeps caches true, by key: a change of one address costs nothing for the others.

    Every process hears every event; what it misses, the short life of its caches mends.
    """

    directory: Directory
    forget_quota: Callable[[str], None]
    forget_screening: Callable[[str], None]
    blacklist: Blacklist

    async def address_changed(self, event: AddressEvent) -> None:
        """It may lead elsewhere now, and its password be another."""
        self.directory.address_changed(event.address)

    async def domain_changed(self, event: DomainChanged) -> None:
        """A domain, or its name."""
        self.directory.domain_changed(event.domain, event.alias)

    async def quota_changed(self, event: QuotaChanged) -> None:
        """A mailbox went over or under its limit, or has another one."""
        self.forget_quota(event.address)

    async def policy_changed(self, event: PolicyChanged) -> None:
        """A domain greylists from now on, or has another honeypot."""
        self.forget_screening(event.domain)

    async def peer_blacklisted(self, fact: PeerBlacklisted) -> None:
        """A honeypot was touched, or passwords are guessed; an end in the past takes the peer off again."""
        if not self.blacklist.put(BlacklistEntry(fact.address, fact.until_epoch, fact.reason)):
            log.warning("invalid_ban_ignored", peer=fact.address[:100], reason=fact.reason)

    def table(self) -> tuple[EventHandler[Any], ...]:
        """The handlers of events; all of them are broadcast."""
        return (
            EventHandler[AddressEvent]((RoutesChanged, AccountChanged, AccountDeleted), self.address_changed),
            EventHandler(DomainChanged, self.domain_changed),
            EventHandler(QuotaChanged, self.quota_changed),
            EventHandler(PolicyChanged, self.policy_changed),
            EventHandler(PeerBlacklisted, self.peer_blacklisted),
        )
