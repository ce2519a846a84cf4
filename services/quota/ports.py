"""Ports of quota."""

from __future__ import annotations

from typing import Protocol

from pydantic import AwareDatetime, BaseModel


class MailboxTotals(BaseModel):
    """Exact totals of a mailbox as its store counts them; the newest `version` wins.

    `made_at` is when the account of the mailbox was made, where store knows it.
    """

    address: str
    used_bytes: int
    messages: int
    version: int
    made_at: AwareDatetime | None = None


class MailboxCounter(Protocol):
    """The store, which owns the messages."""

    async def recount(self, address: str) -> MailboxTotals | None:
        """Count the messages anew; None when there is no such mailbox. Raises `Temporary`."""


class KnownAccounts(Protocol):
    """The router, which owns the accounts."""

    async def is_account(self, address: str) -> bool:
        """Raises `Temporary`."""

    async def main_domain(self, domain: str) -> str | None:
        """The main domain that `domain` is, or another name of; None when it is not ours. Raises `Temporary`."""


class Post(Protocol):
    """Ingress, through which a warning is sent."""

    async def send(self, letter: bytes, *, to: str, key: str) -> None:
        """Once for a `key`, however often it is called. Raises `Temporary`, `Permanent`."""
