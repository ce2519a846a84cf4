"""What relay needs from outside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from libs.envelope import Envelope, Mail, Recipient
from libs.mail.dsn import FailedRecipient
from services.relay.domain.replies import Result


@dataclass(frozen=True, slots=True)
class Host:
    """A server to try. `name` is shown and, where TLS is verified, must be on its certificate."""

    name: str
    address: str
    port: int


@dataclass(frozen=True, slots=True)
class Route:
    """Where mail for a domain goes: hosts in the order to try.

    `mx_group` names the servers that share a limit of connections: many domains may have their mail at one.
    """

    mx_group: str
    hosts: tuple[Host, ...]


class Destinations(Protocol):
    """Where the mail of a domain goes."""

    async def route(self, domain: str) -> Route:
        """Raises `Temporary` when DNS does not answer, `Permanent` when there is none."""


class Session(Protocol):
    """One connection at a time to the servers of an MX group, kept for the next message."""

    async def send(
        self, hosts: Sequence[Host], envelope: Envelope, recipients: Sequence[Recipient], raw: bytes
    ) -> Mapping[str, Result]:
        """One message to the first host that talks to us; a result for each recipient's address. Never raises for what
        a peer does."""

    async def close(self) -> None:
        """Say goodbye."""


class Reporter(Protocol):
    """Tells people what became of a message, each letter once, however often it is asked."""

    async def report(
        self, envelope: Envelope, raw: bytes, recipients: Sequence[FailedRecipient], *, event: str
    ) -> None:
        """To the envelope sender. Raises `Temporary`; `Permanent` when it is not taken."""

    async def notify_owner(self, envelope: Envelope, owner: str, recipients: Sequence[FailedRecipient]) -> None:
        """To the owner of a forward, whose target did not take the message. Raises as `report`."""


class DeadLetters(Protocol):
    """Where a message waits for an operator that nobody else can be told of."""

    async def publish(self, mail: Mail, reason: str) -> None:
        """Raises `Temporary`: then it may be there or not."""
