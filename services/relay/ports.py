"""What relay needs from outside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from libs.envelope import Envelope, Recipient
from libs.mail.dsn import FailedRecipient
from services.relay.domain.replies import Result


@dataclass(frozen=True, slots=True)
class Host:
    """A server to try. `name` is shown and, where TLS is verified, must be on its certificate."""

    name: str
    address: str
    port: int


class Destinations(Protocol):
    """Where the mail of a domain goes."""

    async def hosts(self, domain: str) -> Sequence[Host]:
        """In the order to try. Raises `Temporary` when DNS does not answer, `Permanent` when there is none."""


class Transport(Protocol):
    """SMTP to other servers."""

    async def send(
        self, hosts: Sequence[Host], envelope: Envelope, recipients: Sequence[Recipient], raw: bytes
    ) -> Mapping[str, Result]:
        """One transaction with the first host that talks to us; a result for each recipient's address. Never raises
        for what a peer does."""


class Reporter(Protocol):
    """Tells the envelope sender what became of a message."""

    async def report(
        self, envelope: Envelope, raw: bytes, recipients: Sequence[FailedRecipient], *, event: str
    ) -> None:
        """Once for each message, event and recipients. Raises `Temporary`; `Permanent` when nobody takes it."""
