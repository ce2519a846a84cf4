"""An entry of the outbound queue, and what a try does to it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from libs.envelope import Recipient
from services.relay.domain.replies import Outcome, Result
from services.relay.domain.reporting import Event


class State(StrEnum):
    """`queued` and `sending` are alive; the others are the end."""

    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"
    CANCELLED = "cancelled"


DONE = (State.SENT, State.FAILED, State.CANCELLED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One message for one recipient. `id` is `MESSAGE:RECIPIENT`, `fence` names the lease under which it is sent."""

    id: str
    message: str
    to: Recipient
    destination: str
    state: State
    attempts: int
    created_at: datetime
    next_at: datetime
    notified_delay: bool = False
    last_reply: str = ""
    fence: str = ""

    @property
    def recipient(self) -> str:
        return self.to.address


@dataclass(frozen=True, slots=True)
class Schedule:
    """When an entry is tried again, and when it is given up (RFC 5321 4.5.4.1)."""

    first_delay: timedelta
    longest_delay: timedelta
    give_up_after: timedelta
    delay_notice_after: timedelta

    def delay(self, attempts: int, *, jitter: float = 0.0) -> timedelta:
        """After the try number `attempts` (1 is the first): doubling up to the longest, then up to a fifth more.

        `jitter` is a random number from 0 to 1: what failed together does not come back together.
        """
        return min(self.first_delay * (1 << min(attempts - 1, 30)), self.longest_delay) * (1 + jitter / 5)


@dataclass(frozen=True, slots=True)
class Transition:
    """What becomes of an entry after a try. `tell` is the event that somebody must hear of."""

    state: State
    next_at: datetime
    reply: str
    tell: Event | None = None


def after(entry: Entry, result: Result, schedule: Schedule, *, now: datetime, jitter: float = 0.0) -> Transition:
    """`entry.attempts` counts the try that gave `result`."""
    match result.outcome:
        case Outcome.SENT:
            # A server is never asked to report of the members of a list: that is told here, for the list.
            is_told_there = result.reports_onward and not entry.to.expanded
            return Transition(State.SENT, now, result.text, tell=None if is_told_there else Event.RELAYED)
        case Outcome.FAILED:
            return Transition(State.FAILED, now, result.text, tell=Event.FAILED)
        case Outcome.DEFERRED:
            age = now - entry.created_at
            if age >= schedule.give_up_after:
                return Transition(State.FAILED, now, result.text, tell=Event.FAILED)
            late = age >= schedule.delay_notice_after and not entry.notified_delay
            again = now + schedule.delay(entry.attempts, jitter=jitter)
            return Transition(State.QUEUED, again, result.text, tell=Event.DELAYED if late else None)
