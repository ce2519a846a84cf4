"""Mail that cannot be delivered to its mailboxes waits, and is bounced when it has waited too long."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from prometheus_client import Counter

from libs.envelope import Envelope, Permanent, Recipient, Temporary
from libs.postmaster import is_notified_of_failure
from services.store.mailboxes import undelivered
from services.store.mailboxes.ports import DsnSender

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class OverQuotaBounce:
    """`give_up_after` is shorter than the runner's five days, after which mail is a dead letter without a bounce."""

    reporter: DsnSender
    clock: Callable[[], datetime]
    give_up_after: timedelta
    bounced_total: Counter

    async def wait(self, envelope: Envelope, raw: bytes, error: Temporary) -> None:
        """Return when all recipients of `envelope` were bounced and none of them waits any more.

        Raises `Temporary` for recipients that still wait. Raises `Permanent` for recipients that have waited too long
        and whose sender must not or cannot be notified: they end as a dead letter, which never contains bounced mail.
        """
        now = self.clock()
        envelope = envelope.to(undelivered.start_waiting(envelope.recipients, now))
        waiting = tuple(recipient for recipient in envelope.recipients if not undelivered.is_gone(recipient, error))
        late = undelivered.expired(waiting, now, self.give_up_after)
        late += tuple(recipient for recipient in envelope.recipients if undelivered.is_gone(recipient, error))
        bounced = await self._bounce(envelope, raw, late, error)
        rest = tuple(recipient for recipient in envelope.recipients if recipient not in bounced)
        if not rest:
            return
        if set(rest) <= set(late):
            raise Permanent(f"gave up, and the sender is not told: {error.reason}")
        raise Temporary(error.reason, narrowed=envelope.to(rest))

    async def _bounce(
        self, envelope: Envelope, raw: bytes, late: tuple[Recipient, ...], error: Temporary
    ) -> tuple[Recipient, ...]:
        notified = tuple(recipient for recipient in late if is_notified_of_failure(envelope, recipient))
        if not notified:
            return ()
        reports = {
            report.address: report
            for report in (undelivered.failed_recipient(recipient, error) for recipient in notified)
        }
        try:
            await self.reporter.report(envelope, raw, tuple(reports.values()), event="store")
        except Permanent as refusal:
            # RFC 5321 6.1: a notification is never answered by another one.
            log.error("notification_refused", id=envelope.id, reason=refusal.reason)
            return ()
        log.warning("mail_bounced", id=envelope.id, recipients=len(notified), reason=error.reason)
        self.bounced_total.inc(len(notified))
        return notified
