"""From recipients to mailboxes and remote addresses."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from libs.envelope import Envelope, Mail, check_actions
from libs.envelope.queues import QUARANTINE, RELAY, ROUTER, STORE
from libs.events import AccountChanged, AccountDeleted, DomainChanged, Fact, RoutesChanged
from libs.runtime import EventHandler, QueueHandler, Route
from services.router.domain.distribution import JUNK_STAYS, distribute
from services.router.domain.resolution import Resolution
from services.router.resolver import FEW, RouteResolver

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class RoutingHandler:
    """Resolves all recipients of a message at once."""

    resolver: RouteResolver

    async def route(self, mail: Mail) -> Iterable[Route]:
        """One message a queue, each with all of its recipients."""
        envelope = mail.envelope
        check_actions(envelope)
        resolutions = await self.resolver.resolve_all([recipient.address for recipient in envelope.recipients])
        _report_lost_branches(envelope, resolutions)
        if sum(len(resolution.deliveries) for resolution in resolutions) > FEW:
            to = await asyncio.to_thread(distribute, envelope, resolutions)
        else:
            to = distribute(envelope, resolutions)
        onward = []
        if to.mailboxes:
            onward.append(Route(STORE, mail.with_envelope(envelope.to(to.mailboxes))))
        if to.elsewhere:
            onward.append(Route(RELAY, mail.with_envelope(envelope.to(to.elsewhere))))
        if to.withheld:
            kept = envelope.to(to.withheld).model_copy(update={"quarantine_reason": JUNK_STAYS})
            onward.append(Route(QUARANTINE, mail.with_envelope(kept)))
        return onward

    async def routes_changed(self, event: Fact) -> None:
        """Handle the event of any process. The time to live of cached routes makes up for lost events."""
        self.forget(event)

    def forget(self, event: Fact) -> None:
        """Drop the cached routes that `event` may have made stale."""
        match event:
            case RoutesChanged() | AccountChanged() | AccountDeleted():
                self.resolver.forget(event.address)
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


def table(routing: RoutingHandler) -> tuple[QueueHandler, ...]:
    """Return the queues that the router consumes."""
    return (QueueHandler(queue=ROUTER, handle=routing.route, needs_raw=False, prefetch=50),)


def subscriptions(routing: RoutingHandler) -> tuple[EventHandler[Any], ...]:
    """Broadcast: every process has a cache of its own."""
    kinds = (DomainChanged, AccountChanged, AccountDeleted, RoutesChanged)
    return (EventHandler[Fact](kinds, routing.routes_changed),)
