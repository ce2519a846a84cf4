"""The interfaces that relay needs from its neighbours, and the routes between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from libs.envelope import Envelope
from libs.mail.dsn import FailedRecipient


@dataclass(frozen=True, slots=True)
class Host:
    """A server to contact. `name` is shown and, where TLS is verified, must be on its certificate."""

    name: str
    address: str
    port: int


@dataclass(frozen=True, slots=True)
class DeliveryRoute:
    """The hosts for the mail of a domain, in the order in which they are tried.

    `mx_group` names the servers that share a limit of connections: many domains may have their mail at one.
    """

    mx_group: str
    hosts: tuple[Host, ...]


class Destinations(Protocol):
    """Finds the servers for the mail of a domain."""

    async def route(self, domain: str) -> DeliveryRoute:
        """Return the route. Raises `Temporary` when DNS does not answer, `Permanent` when the domain takes no mail."""


class Reporter(Protocol):
    """Notifies people of the fate of a message. Each notification is sent once, however often it is requested."""

    async def report(
        self, envelope: Envelope, raw: bytes, recipients: Sequence[FailedRecipient], *, event: str
    ) -> None:
        """Notify the envelope sender. Raises `Temporary`; `Permanent` when the notification is refused."""

    async def notify_owner(self, envelope: Envelope, owner: str, recipients: Sequence[FailedRecipient]) -> None:
        """Notify the owner of a forward whose target refused the message. Raises the same errors as `report`."""
