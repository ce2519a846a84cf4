"""What ingress needs from its neighbours. All methods raise `Temporary` when there is no answer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from libs.neighbours.quota import SendDecision
from services.ingress.domain.relaying import Login, SendClass


@dataclass(frozen=True, slots=True)
class Resolution:
    """What the router says of an address: `domain` is the main domain of ours, `account` the mailbox if it is one.

    `reason` of an unknown one: RFC 3463 status and a sentence.
    """

    status: Literal["local", "unknown", "not_ours"]
    domain: str = ""
    account: str | None = None
    max_size_bytes: int | None = None
    reason: str = ""


class Directory(Protocol):
    """The router: who an address is."""

    async def recipient(self, address: str) -> Resolution: ...

    async def is_ours(self, domain: str) -> bool: ...

    async def authenticate(self, login: str, password: str) -> Login | None:
        """None for an unknown login, a wrong password and a suspended account alike."""

    async def senders(self, account: str) -> frozenset[str]:
        """The addresses that `account` may use now; empty when it may not send."""


class Quotas(Protocol):
    """The quota service: how much room a mailbox has."""

    async def room_bytes(self, account: str) -> int | None:
        """None where there is no limit, or nobody who knows it."""


class Sends(Protocol):
    """The quota service: send limits, checked and counted in one step (R-QT-04)."""

    async def attempt_send(self, key: str, send_class: SendClass, recipients: int) -> SendDecision: ...


@dataclass(frozen=True, slots=True)
class Arrival:
    """A recipient at RCPT, in our main domain `domain`. `account` is whoever authenticated, None for strangers."""

    peer: str
    sender: str
    recipient: str
    domain: str
    account: str | None = None


@dataclass(frozen=True, slots=True)
class Screened:
    """What antispam says of an arrival; `note` goes on with the recipient."""

    decision: Literal["accept", "defer", "refuse"]
    note: str = ""
    retry_at: datetime | None = None


ADMITTED = Screened("accept")


class Screening(Protocol):
    """Antispam, before a message comes in. Never raises: without an answer mail is let in."""

    async def purpose(self, address: str, domain: str) -> str:
        """`honeypot` or `training` for addresses that antispam takes itself, else empty."""

    async def screen(self, arrival: Arrival) -> Screened:
        """Whether it may come in now (R-IN-14), or whether `account` may train (R-SPAM-43)."""
