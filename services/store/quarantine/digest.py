"""Rules of digests: when they are due, and what they list."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from services.store.quarantine.model import QuarantinedMessage

LENGTH = {"daily": timedelta(days=1), "weekly": timedelta(days=7)}
# A message quarantined just before a digest is due may not be visible yet.
SETTLED = timedelta(minutes=2)
SHOWN = 100  # entries in one digest; the others are only counted


@dataclass(frozen=True, slots=True)
class DigestPeriod:
    """The messages that were quarantined from `since` on and before `until`."""

    since: datetime
    until: datetime


def period_due(
    often: Literal["daily", "weekly"], *, hour: int, sent_until: datetime | None, now: datetime
) -> DigestPeriod | None:
    """Return the period that is due, None when all periods were sent. Weeks begin on Monday; `hour` is in UTC.

    A period that an outage skipped is part of the next one. The first digest of a domain covers one period.
    """
    settled = now - SETTLED
    until = settled.replace(hour=hour, minute=0, second=0, microsecond=0)
    if until > settled:
        until -= timedelta(days=1)
    if often == "weekly":
        until -= timedelta(days=until.weekday())
    if sent_until is not None and sent_until >= until:
        return None
    return DigestPeriod(sent_until or until - LENGTH[often], until)


@dataclass(frozen=True, slots=True)
class DigestEntry:
    """A message in a digest; `recipients` are the addresses of the account that it is held for."""

    id: str
    sender: str
    subject: str
    at: datetime
    expires_at: datetime
    recipients: tuple[str, ...]


@dataclass(slots=True)
class DigestContent:
    """The content of one digest: the first entries, and the number of all."""

    waiting: list[DigestEntry] = field(default_factory=list)
    count: int = 0


class DigestBuilder:
    """Distributes the messages of a domain to the digests of its accounts."""

    def __init__(self, domain: str) -> None:
        self._domain = domain
        self.accounts: dict[str, DigestContent] = {}

    def add(self, held: QuarantinedMessage) -> None:
        """Malware is never listed. An address with several members has no account: its administrators decide."""
        own: dict[str, list[str]] = {}
        for to in held.envelope.recipients:
            if to.domain == self._domain and to.account and not held.infected:
                own.setdefault(to.account, []).append(to.address)
        for account, addresses in own.items():
            told = self.accounts.setdefault(account, DigestContent())
            told.count += 1
            if told.count <= SHOWN:
                told.waiting.append(_waiting(held, addresses))


def _waiting(held: QuarantinedMessage, addresses: list[str]) -> DigestEntry:
    sender = held.summary.sender or held.envelope.mail_from
    return DigestEntry(held.id, sender[:200], held.summary.subject[:200], held.at, held.expires_at, tuple(addresses))
