"""What the store needs from outside, in its own words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from libs.envelope import Envelope, Mail
from libs.mail.dsn import FailedRecipient
from services.store.domain.messages import Body, Delivery, Outcome, Usage


class Limits(Protocol):
    """The quota service."""

    async def of(self, addresses: Iterable[str]) -> Mapping[str, int | None]:
        """Limit of each mailbox in bytes; None where there is none, or nobody can tell. Never raises."""

    def forget(self, address: str) -> None:
        """The limit of an address, or of all in `@domain`, changed: ask again."""


class Deliveries(Protocol):
    """Writes messages into mailboxes."""

    async def deliver(self, delivery: Delivery) -> Outcome:
        """Durable on return, once however often it is called. Raises `Temporary`."""


class Directory(Protocol):
    """The router, which owns the accounts."""

    async def made_at(self, address: str) -> datetime | None:
        """When the account was made that has the address now; None when there is none. Raises `Temporary`."""


class Reporter(Protocol):
    """Tells the envelope sender what became of a message."""

    async def report(
        self, envelope: Envelope, raw: bytes, recipients: Sequence[FailedRecipient], *, event: str
    ) -> None:
        """Once, however often it is called. Raises `Temporary`, `Permanent` when nobody takes the notification."""


class Announcements(Protocol):
    """Tells the neighbours of usage."""

    def changed(self, usages: Iterable[Usage]) -> None:
        """These are the totals now; they will be told."""


class Quarantine(Protocol):
    """Where mail waits for a person."""

    async def add(self, envelope: Envelope, body: Body) -> None:
        """Durable on return, once however often it is called. Raises `Temporary`."""


class Outbox(Protocol):
    """The queues of the cluster."""

    async def send(self, queue: str, mail: Mail) -> None:
        """Returns when the mail is durable in `queue`. Raises `Temporary`."""
