"""Event handlers: changes elsewhere invalidate the caches of ingress."""

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


class DirectoryCache(Protocol):
    """The cached answers of the router."""

    def address_changed(self, address: str) -> None: ...

    def domain_changed(self, domain: str, alias: str = "") -> None: ...


@dataclass(frozen=True, slots=True)
class CacheInvalidation:
    """Invalidates cache entries by key, so that a change of one address costs nothing for the others.

    Events are broadcast to every process; an entry whose event was missed expires soon.
    """

    directory: DirectoryCache
    forget_quota: Callable[[str], None]
    forget_screening: Callable[[str], None]
    blacklist: Blacklist

    async def address_changed(self, event: AddressEvent) -> None:
        """Forget where an address leads, and the logins of its account."""
        self.directory.address_changed(event.address)

    async def domain_changed(self, event: DomainChanged) -> None:
        """Forget what is known of a domain and its alias."""
        self.directory.domain_changed(event.domain, event.alias)

    async def quota_changed(self, event: QuotaChanged) -> None:
        """Forget the free space of a mailbox whose usage crossed its limit, or whose limit changed."""
        self.forget_quota(event.address)

    async def policy_changed(self, event: PolicyChanged) -> None:
        """Forget whether a domain greylists, and its honeypots."""
        self.forget_screening(event.domain)

    async def peer_blacklisted(self, fact: PeerBlacklisted) -> None:
        """Ban a peer that antispam or another replica announced; an end in the past lifts the ban."""
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
