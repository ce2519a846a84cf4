"""What is done with held mail, whoever asks: an administrator by API, an account or a sender by a link."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from prometheus_client import Counter

from libs.bus import Bus
from libs.envelope import Envelope, Mail
from libs.envelope.queues import ROUTER
from libs.events import MailReleased
from libs.runtime import Outbox
from services.store.mailboxes.mongo_bodies import MongoBodies
from services.store.mailboxes.refusals import InvalidRequest
from services.store.quarantine.antispam import AntispamLists
from services.store.quarantine.model import QuarantinedMessage, accounts_of, domains_of, released, split
from services.store.quarantine.mongo_quarantine import MongoQuarantine

By = Literal["administrator", "account", "sender"]


@dataclass(frozen=True, slots=True)
class QuarantineActions:
    """All methods raise `Temporary`; what is asked of an entry that is gone raises `NotFound`."""

    entries: MongoQuarantine
    bodies: MongoBodies
    lists: AntispamLists
    outbox: Outbox
    bus: Bus
    actions_total: Counter

    async def release(
        self, item: QuarantinedMessage, addresses: Collection[str] | None, *, by: By, force: bool = False
    ) -> tuple[str, ...]:
        """To those of `addresses` who wait (None: to all), behind the filters; who they were. Raises `Conflict`."""
        leaving, _ = split(item, addresses, force=force)
        # Confirmed first, told second, taken out last: a crash in between releases again, and nobody gets it twice.
        await self.outbox.send(ROUTER, Mail(released(leaving), await self.bodies.raw(item.body)))
        fact = MailReleased(id=item.envelope.id, domains=domains_of(leaving), accounts=accounts_of(leaving.recipients))
        await self.bus.emit(fact.to_bus())
        return await self._remove(item, leaving, "released", by)

    async def delete(self, item: QuarantinedMessage, addresses: Collection[str] | None, *, by: By) -> tuple[str, ...]:
        """For those of `addresses` who wait (None: for all), for ever; who they were."""
        leaving, _ = split(item, addresses, force=True)
        return await self._remove(item, leaving, "deleted", by)

    async def list_sender(
        self,
        item: QuarantinedMessage,
        addresses: Collection[str] | None,
        *,
        colour: Literal["white", "black"],
        whole_domain: bool,
    ) -> tuple[str, str, tuple[str, ...]]:
        """(list, what was listed, the domains of ours that it counts for). Raises `InvalidRequest` without a sender."""
        sender = item.envelope.mail_from.lower()
        value = sender.rpartition("@")[2] if whole_domain else sender
        if not value:
            raise InvalidRequest("this message has no sender, and what has none cannot be listed")
        chosen, _ = split(item, addresses, force=True)
        domains = tuple(sorted({to.domain for to in chosen.recipients if to.domain}))
        if not domains:
            raise InvalidRequest("no recipient is in a domain of ours whose list it could be")
        for domain in domains:
            await self.lists.add(colour, value, domain=domain, comment=f"from the quarantine: {item.envelope.id}")
        return f"sender_{colour}", value, domains

    async def _remove(self, item: QuarantinedMessage, leaving: Envelope, what: str, by: By) -> tuple[str, ...]:
        addresses = tuple(recipient.address for recipient in leaving.recipients)
        await self.entries.remove_recipients(item.id, addresses)
        self.actions_total.labels(what, by).inc()
        return addresses
