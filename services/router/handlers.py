"""From recipients to mailboxes and remote addresses."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import structlog

from libs.bus import Event
from libs.envelope import Envelope, Mail
from libs.envelope.queues import QUARANTINE, RELAY, ROUTER, STORE
from libs.events import AccountChanged, AccountDeleted, DomainChanged, RoutesChanged
from libs.runtime import Handles, Hears, Onward
from services.router.domain.distribution import JUNK_STAYS, distribute
from services.router.domain.resolution import Resolution
from services.router.resolver import FEW, Resolver

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Routing:
    """Resolves all recipients of a message at once."""

    resolver: Resolver

    async def route(self, mail: Mail) -> Iterable[Onward]:
        """One message a queue, each with all of its recipients."""
        envelope = mail.envelope
        envelope.check_actions()
        resolutions = await self.resolver.resolve_all([recipient.address for recipient in envelope.recipients])
        _report_lost_branches(envelope, resolutions)
        if sum(len(resolution.deliveries) for resolution in resolutions) > FEW:
            to = await asyncio.to_thread(distribute, envelope, resolutions)
        else:
            to = distribute(envelope, resolutions)
        onward = []
        if to.mailboxes:
            onward.append(Onward(STORE, mail.with_envelope(envelope.to(to.mailboxes))))
        if to.elsewhere:
            onward.append(Onward(RELAY, mail.with_envelope(envelope.to(to.elsewhere))))
        if to.withheld:
            kept = envelope.to(to.withheld).model_copy(update={"quarantine_reason": JUNK_STAYS})
            onward.append(Onward(QUARANTINE, mail.with_envelope(kept)))
        return onward

    async def hear(self, event: Event) -> None:
        """From another process; lost events are made good by the time to live."""
        self.forget(event)

    def forget(self, event: Event) -> None:
        """A change somewhere in the cluster: what is cached may be stale."""
        match event.name:
            case RoutesChanged.__name__:
                self.resolver.forget(RoutesChanged.from_bus(event).address)
            case AccountChanged.__name__:
                self.resolver.forget(AccountChanged.from_bus(event).address)
            case AccountDeleted.__name__:
                self.resolver.forget(AccountDeleted.from_bus(event).address)
            case _:
                self.resolver.forget_all()


def _report_lost_branches(envelope: Envelope, resolutions: Sequence[Resolution]) -> None:
    """A list with a dead member reaches the others; the operator hears of it. A loop loses none."""
    lost = [
        failure.reason
        for resolution in resolutions
        if resolution.deliveries
        for failure in resolution.failures
        if failure.kind != "loop"
    ]
    if lost:
        log.warning("branches_lost", id=envelope.id, reasons=lost[:10], count=len(lost))


def table(routing: Routing) -> tuple[Handles, ...]:
    """What the router consumes."""
    return (Handles(queue=ROUTER, handle=routing.route, needs_raw=False, prefetch=50),)


def subscriptions(routing: Routing) -> tuple[Hears, ...]:
    """Broadcast: every process has a cache of its own."""
    facts = (DomainChanged, AccountChanged, AccountDeleted, RoutesChanged)
    return (Hears(names=[fact.__name__ for fact in facts], handle=routing.hear),)
