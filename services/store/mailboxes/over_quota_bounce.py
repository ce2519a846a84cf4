"""What becomes of mail that its mailboxes cannot take: it waits, and then its sender is told that it was in vain."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from prometheus_client import Counter

from libs.envelope import Envelope, Permanent, Recipient, Temporary
from libs.postmaster import is_notified_of_failure
from services.store.mailboxes import undelivered as waiting
from services.store.mailboxes.ports import DsnSender

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class OverQuotaBounce:
    """Shorter than that of the runner, which buries what is tried for five days: nobody is told of that."""

    reporter: DsnSender
    clock: Callable[[], datetime]
    give_up_after: timedelta
    returned: Counter

    async def wait(self, envelope: Envelope, raw: bytes, error: Temporary) -> None:
        """Returns when the senders of all of `envelope` were told of the end, and nothing waits any more.

        Raises `Temporary` for those who wait on. `Permanent` for those whose time is over and whose sender must not or
        cannot be told: a person finds them among the dead letters, where no mail is that was returned.
        """
        now = self.clock()
        envelope = envelope.to(waiting.since(envelope.recipients, now))
        patient = tuple(recipient for recipient in envelope.recipients if not waiting.is_gone(recipient, error))
        late = waiting.late(patient, now, self.give_up_after)
        late += tuple(recipient for recipient in envelope.recipients if waiting.is_gone(recipient, error))
        told = await self._tell(envelope, raw, late, error)
        rest = tuple(recipient for recipient in envelope.recipients if recipient not in told)
        if not rest:
            return
        if set(rest) <= set(late):
            raise Permanent(f"gave up, and the sender is not told: {error.reason}")
        raise Temporary(error.reason, narrowed=envelope.to(rest))

    async def _tell(
        self, envelope: Envelope, raw: bytes, late: tuple[Recipient, ...], error: Temporary
    ) -> tuple[Recipient, ...]:
        heard = tuple(recipient for recipient in late if is_notified_of_failure(envelope, recipient))
        if not heard:
            return ()
        reports = {report.address: report for report in (waiting.failed(recipient, error) for recipient in heard)}
        try:
            await self.reporter.report(envelope, raw, tuple(reports.values()), event="store")
        except Permanent as refusal:
            # A notification is never answered by another one (RFC 5321 6.1).
            log.error("notification_refused", id=envelope.id, reason=refusal.reason)
            return ()
        log.warning("mail_bounced", id=envelope.id, recipients=len(heard), reason=error.reason)
        self.returned.inc(len(heard))
        return heard
