"""An entry of the outbound queue, and what a try does to it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from services.relay.domain.replies import Outcome, Result


class State(StrEnum):
    """`queued` and `sending` are alive; the others are the end."""

    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Entry:
    """One message for one recipient. `id` is `MESSAGE:RECIPIENT`."""

    id: str
    message: str
    recipient: str
    destination: str
    state: State
    attempts: int
    created_at: datetime
    next_at: datetime
    notified_delay: bool = False
    last_reply: str = ""


@dataclass(frozen=True, slots=True)
class Schedule:
    """When an entry is tried again, and when it is given up (RFC 5321 4.5.4.1)."""

    first_delay: timedelta
    longest_delay: timedelta
    give_up_after: timedelta
    delay_notice_after: timedelta

    def delay(self, attempts: int) -> timedelta:
        """After the try number `attempts` (1 is the first): doubling up to the longest."""
        return min(self.first_delay * (1 << min(attempts - 1, 30)), self.longest_delay)


@dataclass(frozen=True, slots=True)
class Next:
    """What becomes of an entry after a try. `tell` is who must be told: `failed`, `delayed` or nobody."""

    state: State
    next_at: datetime
    reply: str
    tell: str = ""


def after(entry: Entry, result: Result, schedule: Schedule, *, now: datetime) -> Next:
    """`entry.attempts` counts the try that gave `result`."""
    match result.outcome:
        case Outcome.SENT:
            return Next(State.SENT, now, result.text)
        case Outcome.FAILED:
            return Next(State.FAILED, now, result.text, tell="failed")
        case Outcome.DEFERRED:
            age = now - entry.created_at
            if age >= schedule.give_up_after:
                return Next(State.FAILED, now, result.text, tell="failed")
            late = age >= schedule.delay_notice_after and not entry.notified_delay
            return Next(State.QUEUED, now + schedule.delay(entry.attempts), result.text, tell="delayed" if late else "")
