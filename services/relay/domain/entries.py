"""The entries of the outbound queue, and the effect of a delivery attempt on them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from libs.envelope import Recipient
from services.relay.domain.replies import Outcome, Result
from services.relay.domain.reporting import ReportEvent


class State(StrEnum):
    """The state of an entry; `queued` and `sending` are active, the others final."""

    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"
    CANCELLED = "cancelled"


DONE = (State.SENT, State.FAILED, State.CANCELLED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One message to one recipient. `id` is `MESSAGE:RECIPIENT`, `fence` names the lease under which it is sent."""

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
    """Decides when an entry is tried again, and when it is given up (RFC 5321 4.5.4.1)."""

    first_retry_delay: timedelta
    longest_retry_delay: timedelta
    give_up_after: timedelta
    delay_notice_after: timedelta

    def delay(self, attempts: int, *, jitter: float = 0.0) -> timedelta:
        """The delay after attempt number `attempts` (the first is 1): doubling up to the longest, plus up to a fifth.

        `jitter` is a random number from 0 to 1, so that entries that failed together do not return together.
        """
        return min(self.first_retry_delay * (1 << min(attempts - 1, 30)), self.longest_retry_delay) * (1 + jitter / 5)


@dataclass(frozen=True, slots=True)
class Transition:
    """The state of an entry after an attempt. `tell` is the event that must be reported."""

    state: State
    next_at: datetime
    reply: str
    tell: ReportEvent | None = None


def after(entry: Entry, result: Result, schedule: Schedule, *, now: datetime, jitter: float = 0.0) -> Transition:
    """The transition that `result` causes; `entry.attempts` includes the attempt that gave it."""
    match result.outcome:
        case Outcome.SENT:
            # A server is never asked to report for the members of a list: relay reports for the list itself.
            is_told_there = result.reports_onward and not entry.to.expanded
            return Transition(State.SENT, now, result.text, tell=None if is_told_there else ReportEvent.RELAYED)
        case Outcome.FAILED:
            return Transition(State.FAILED, now, result.text, tell=ReportEvent.FAILED)
        case Outcome.DEFERRED:
            age = now - entry.created_at
            if age >= schedule.give_up_after:
                return Transition(State.FAILED, now, result.text, tell=ReportEvent.FAILED)
            late = age >= schedule.delay_notice_after and not entry.notified_delay
            again = now + schedule.delay(entry.attempts, jitter=jitter)
            return Transition(State.QUEUED, again, result.text, tell=ReportEvent.DELAYED if late else None)
