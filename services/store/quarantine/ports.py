"""Neighbours and storage of the quarantine that unit tests replace. Every method raises `Temporary`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Protocol

from services.store.quarantine.digest import DigestPeriod
from services.store.quarantine.model import QuarantinedMessage
from services.store.quarantine.notice import NoticePolicy


class NoticePolicies(Protocol):
    """Antispam, which keeps the policy of each domain."""

    async def of(self, domain: str) -> NoticePolicy:
        """Return the policy of notices and digests of `domain`. Raises `Permanent` for an unknown domain."""


class MailSubmission(Protocol):
    """Ingress, which takes mail that the services write."""

    async def send(self, letter: bytes, *, to: str, key: str) -> None:
        """Send once for a `key` within a day. Raises `Permanent` when the message is refused."""


class DigestSchedule(Protocol):
    """The record of the digests that were sent."""

    async def domains(self) -> list[str]:
        """Return the domains with quarantined messages."""

    async def sent_until(self, domain: str) -> datetime | None:
        """Return the end of the last period that was sent to all accounts of `domain`."""

    async def claim(self, domain: str, period: DigestPeriod) -> bool:
        """Lease the period to this replica; False when another replica has it or it is done."""

    async def complete(self, domain: str, period: DigestPeriod) -> None:
        """Record that all accounts of `domain` have their digest."""

    async def was_sent(self, account: str, domain: str, period: DigestPeriod) -> bool:
        """Return whether the account has its digest of `domain`."""

    async def mark_sent(self, account: str, domain: str, period: DigestPeriod) -> None:
        """Record that the account has its digest of `domain`."""

    def entries(self, domain: str, period: DigestPeriod) -> AsyncIterator[QuarantinedMessage]:
        """Yield the messages that were quarantined in the period and still are."""
