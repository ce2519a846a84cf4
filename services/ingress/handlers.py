"""What ingress does when it hears of changes elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class Attention:
    """Keeps caches true. Every process hears every event; what it misses, the short life of its caches mends."""

    forget_routes: Callable[[], None]
    forget_quota: Callable[[str], None]
    forget_screening: Callable[[], None]
    blacklist: Blacklist

    async def routes_changed(self, event: Event) -> None:
        """Any address may lead elsewhere now, and any password be another."""
        self.forget_routes()

    async def quota_changed(self, event: Event) -> None:
        """A mailbox went over or under its limit, or has another one."""
        self.forget_quota(QuotaChanged.from_bus(event).address)

    async def policy_changed(self, event: Event) -> None:
        """A domain greylists from now on, or has another honeypot."""
        self.forget_screening()

    async def peer_blacklisted(self, event: Event) -> None:
        """A honeypot was touched, or passwords are guessed; an end in the past takes the peer off again."""
        fact = PeerBlacklisted.from_bus(event)
        if not self.blacklist.add(Entry(fact.address, fact.until_epoch, fact.reason)):
            log.warning("ban_not_understood", peer=fact.address[:100], reason=fact.reason)

    def table(self) -> tuple[Hears, ...]:
        """Who hears what; all of it broadcast."""
        routes = (RoutesChanged, AccountChanged, AccountDeleted, DomainChanged)
        return (
            Hears([kind.__name__ for kind in routes], self.routes_changed),
            Hears([QuotaChanged.__name__], self.quota_changed),
            Hears([PolicyChanged.__name__], self.policy_changed),
            Hears([PeerBlacklisted.__name__], self.peer_blacklisted),
        )
