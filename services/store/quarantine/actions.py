"""Actions on quarantined mail, for administrators by the API, and for accounts and senders by links."""

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
    """All methods raise `Temporary`; those on an entry that is gone raise `NotFound`."""

    entries: MongoQuarantine
    bodies: MongoBodies
    lists: AntispamLists
    outbox: Outbox
    bus: Bus
    actions_total: Counter

    async def release(
        self, item: QuarantinedMessage, addresses: Collection[str] | None, *, by: By, force: bool = False
    ) -> tuple[str, ...]:
        """Release the message to `addresses` (None: all recipients), past the filters; return the recipients.

        Raises `Conflict` for malware without `force`.
        """
        leaving, _ = split(item, addresses, force=force)
        # Publish, emit, then remove: a crash in between releases again, and the delivery is stored once.
        await self.outbox.send(ROUTER, Mail(released(leaving), await self.bodies.raw(item.body)))
        fact = MailReleased(id=item.envelope.id, domains=domains_of(leaving), accounts=accounts_of(leaving.recipients))
        await self.bus.emit(fact.to_bus())
        return await self._remove(item, leaving, "released", by)

    async def delete(self, item: QuarantinedMessage, addresses: Collection[str] | None, *, by: By) -> tuple[str, ...]:
        """Delete the message for `addresses` (None: all recipients); return the recipients."""
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
        """Add the sender, or its domain, to a list; return (list, listed value, local domains).

        Raises `InvalidRequest` without a sender or a local recipient.
        """
        sender = item.envelope.mail_from.lower()
        value = sender.rpartition("@")[2] if whole_domain else sender
        if not value:
            raise InvalidRequest("this message has the null sender, which cannot be listed")
        chosen, _ = split(item, addresses, force=True)
        domains = tuple(sorted({to.domain for to in chosen.recipients if to.domain}))
        if not domains:
            raise InvalidRequest("no recipient is in a local domain that has lists")
        for domain in domains:
            await self.lists.add(colour, value, domain=domain, comment=f"from the quarantine: {item.envelope.id}")
        return f"sender_{colour}", value, domains

    async def _remove(self, item: QuarantinedMessage, leaving: Envelope, what: str, by: By) -> tuple[str, ...]:
        addresses = tuple(recipient.address for recipient in leaving.recipients)
        await self.entries.remove_recipients(item.id, addresses)
        self.actions_total.labels(what, by).inc()
        return addresses
