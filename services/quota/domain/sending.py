"""Send limits in sliding windows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

HOUR = timedelta(hours=1)
QUARTER = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class ClassLimits:
    """Of one class of client; None is no limit."""

    recipients_per_message: int | None
    messages_per_hour: int | None
    recipients_per_quarter: int | None
    recipients_per_hour: int | None


@dataclass(frozen=True, slots=True)
class Sent:
    """One attempt that was let through."""

    at: datetime
    recipients: int


@dataclass(frozen=True, slots=True)
class SendOutcome:
    """`retry_at` is None when no waiting helps (too many recipients for one message)."""

    allowed: bool
    reason: str = ""
    retry_at: datetime | None = None


def decide(log: Sequence[Sent], recipients: int, limits: ClassLimits, *, now: datetime) -> SendOutcome:
    """May a message to `recipients` go now, after those in `log` (oldest first)?"""
    most = limits.recipients_per_message
    if most is not None and recipients > most:
        return SendOutcome(False, f"more than {most} recipients in a message")
    messages = [(sent.at, 1) for sent in log]
    addressed = [(sent.at, sent.recipients) for sent in log]
    windows = (
        (HOUR, messages, limits.messages_per_hour, 1, "messages an hour"),
        (QUARTER, addressed, limits.recipients_per_quarter, recipients, "recipients in 15 minutes"),
        (HOUR, addressed, limits.recipients_per_hour, recipients, "recipients an hour"),
    )
    refusals = [
        SendOutcome(False, f"more than {limit} {what}", at)
        for window, costs, limit, cost, what in windows
        if limit is not None and (at := _free_at(costs, window, limit - cost, now=now)) is not None
    ]
    return max(refusals, key=lambda refusal: refusal.retry_at or now, default=SendOutcome(True))


def recent(log: Sequence[Sent], *, now: datetime) -> list[Sent]:
    """What still counts in some window."""
    return [sent for sent in log if sent.at > now - HOUR]


def _free_at(costs: Sequence[tuple[datetime, int]], window: timedelta, room: int, *, now: datetime) -> datetime | None:
    """When the sum over `window` will be down to `room`; None if it is now. `costs` are in the order of time."""
    inside = [(at, cost) for at, cost in costs if at > now - window]
    total = sum(cost for _, cost in inside)
    if total <= room:
        return None
    for at, cost in inside:
        total -= cost
        if total <= room:
            return at + window
    return now + window  # one message alone is over the limit
