"""What ingress needs from its neighbours. Methods raise `Temporary` without an answer, unless a class differs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from libs.neighbours.quota import SendDecision
from services.ingress.domain.relaying import Login, SendClass


@dataclass(frozen=True, slots=True)
class AddressResolution:
    """What the router knows of an address.

    `domain` is the main domain of a local address, `account` is set for a mailbox. `reason` explains an unknown address
    by an RFC 3463 status and a sentence.
    """

    status: Literal["local", "unknown", "not_ours"]
    domain: str = ""
    account: str | None = None
    max_size_bytes: int | None = None
    reason: str = ""


class RecipientDirectory(Protocol):
    """The router: addresses, passwords, senders."""

    async def recipient(self, address: str) -> AddressResolution: ...

    async def is_ours(self, domain: str) -> bool: ...

    async def authenticate(self, login: str, password: str) -> Login | None:
        """Return the account; None for an unknown login, a wrong password and a suspended account alike."""

    async def senders(self, account: str) -> frozenset[str]:
        """Return the addresses that `account` may send from; empty when it may not send."""


class Quotas(Protocol):
    """The quota service: the free space of mailboxes."""

    async def room_bytes(self, account: str) -> int | None:
        """Return the free space of a mailbox; None when it has no limit, or when the limit is unknown."""


class SendLimits(Protocol):
    """The quota service: send limits, checked and counted in one step."""

    async def attempt_send(self, key: str, send_class: SendClass, recipients: int) -> SendDecision: ...


@dataclass(frozen=True, slots=True)
class ScreeningRequest:
    """A recipient at RCPT, in the local main domain `domain`. `account` is the authenticated account, if any."""

    peer: str
    sender: str
    recipient: str
    domain: str
    account: str | None = None


@dataclass(frozen=True, slots=True)
class ScreeningResult:
    """The decision of antispam; `note` is kept with the recipient."""

    decision: Literal["accept", "defer", "refuse"]
    note: str = ""
    retry_at: datetime | None = None


ADMITTED = ScreeningResult("accept")


class Screening(Protocol):
    """Antispam at RCPT. Never raises: without an answer, mail is admitted."""

    async def purpose(self, address: str, domain: str) -> str:
        """Return `honeypot` or `training` for an address that antispam handles itself, otherwise an empty string."""

    async def screen(self, request: ScreeningRequest) -> ScreeningResult:
        """Decide on greylisting of a stranger, or whether `account` may train the classifier."""
