"""What the store needs from outside, in its own words."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from libs.envelope import Envelope
from libs.mail.dsn import FailedRecipient
from services.store.mailboxes.messages import Body, Delivery, Outcome, Usage
from services.store.mailboxes.receipts import Receipt


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


class ReceiptLedger(Protocol):
    """What must still be told of deliveries. All methods raise `Temporary`."""

    async def note(self, receipt: Receipt) -> None:
        """Durable on return, once however often it is called."""

    async def claim(self) -> Receipt | None:
        """One that is due, for this replica alone for a while."""

    async def unreported(self, receipt: Receipt) -> tuple[FailedRecipient, ...]:
        """Those of its recipients whom no other receipt reports."""

    async def ended(self, id: str, state: str) -> None:
        """It is not due any more."""


class Receipts(Protocol):
    """Tells who asked for it that mail was delivered."""

    async def delivered(self, envelope: Envelope, raw: bytes, missed: Collection[str]) -> None:
        """The mail is durable in its mailboxes but those in `missed`. Never raises."""


class Announcements(Protocol):
    """Tells the neighbours of usage."""

    def changed(self, usages: Iterable[Usage]) -> None:
        """These are the totals now; they will be told."""


class Quarantine(Protocol):
    """Where mail waits for a person."""

    async def add(self, envelope: Envelope, body: Body) -> Envelope | None:
        """Durable on return; the same message for the same recipients is there once.

        For whom it waits: whose account ended after the mail came in waits for nothing. None when that is everyone.
        Raises `Temporary`.
        """
