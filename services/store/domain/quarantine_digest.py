"""When digests are due, and what stands in them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from libs.envelope import Recipient
from services.store.domain.quarantine import Held

LENGTH = {"daily": timedelta(days=1), "weekly": timedelta(days=7)}
# What was held just before a digest is due may not be visible yet.
SETTLED = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Period:
    """Everything that came to the quarantine from `since` on and before `until`."""

    since: datetime
    until: datetime


def period_due(
    often: Literal["daily", "weekly"], *, hour: int, told_until: datetime | None, now: datetime
) -> Period | None:
    """The period to tell of now, None when all was told. Weeks begin on Monday; `hour` is in UTC.

    What an outage left untold comes with the next one; a domain that is told for the first time hears of one period.
    """
    settled = now - SETTLED
    until = settled.replace(hour=hour, minute=0, second=0, microsecond=0)
    if until > settled:
        until -= timedelta(days=1)
    if often == "weekly":
        until -= timedelta(days=until.weekday())
    if told_until is not None and told_until >= until:
        return None
    return Period(told_until or until - LENGTH[often], until)


@dataclass(frozen=True, slots=True)
class Waiting:
    """An entry as one account sees it: `recipients` are those of its addresses that the message waits for."""

    held: Held
    recipients: tuple[str, ...]


def by_account(entries: Iterable[Held], domain: str) -> dict[str, list[Waiting]]:
    """What waits for each account of `domain`, in the order given. Malware is told to nobody (R-AV-02)."""
    found: dict[str, list[Waiting]] = {}
    for held in entries:
        if held.infected:
            continue
        addresses: dict[str, list[str]] = {}
        for to in held.envelope.recipients:
            if to.domain == domain and (account := account_of(to)):
                addresses.setdefault(account, []).append(to.address)
        for account, own in addresses.items():
            found.setdefault(account, []).append(Waiting(held, tuple(own)))
    return found


def account_of(to: Recipient) -> str:
    """The one mailbox behind the address. Lists have none: their administrators decide."""
    return to.account
