"""Sends reports of failures, delays and successes. A report has its own state and its own attempts, apart from the
outcome of the delivery."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from libs.blobs import Blobs, Missing
from libs.bus import Event as BusEvent
from libs.envelope import Envelope, Mail, Permanent, Temporary
from libs.events import MailParked
from libs.telemetry import Metrics
from services.relay.adapters.bodies import Bodies
from services.relay.adapters.dead_letters import DeadLetterQueue
from services.relay.adapters.report_queue import Due, ReportQueue
from services.relay.domain.reporting import ReportEvent, ReportTarget, pause, reported
from services.relay.ports import Reporter

log = structlog.get_logger(__name__)

# So many deferrals in a row mean that ingress is unavailable. The claimed reports are due again when their lease ends.
MOST_DEFERRED = 10


class ReportSender:
    """Notifies senders and owners of forwards; failures that none of them can be told of become dead letters."""

    def __init__(
        self,
        *,
        queue: ReportQueue,
        bodies: Bodies,
        blobs: Blobs,
        reporter: Reporter,
        dead_letters: DeadLetterQueue,
        give_up_after: timedelta,
        metrics: Metrics,
        clock: Callable[[], datetime],
        emit: Callable[[BusEvent], Awaitable[None]],
    ) -> None:
        self._queue = queue
        self._bodies = bodies
        self._blobs = blobs
        self._reporter = reporter
        self._dead_letters = dead_letters
        self._give_up_after = give_up_after
        self._clock = clock
        self._emit = emit
        self._sent = metrics.counter(
            "facteur_relay_notifications",
            "Notifications of failures, delays and successes, by target and outcome.",
            ("target", "outcome"),
        )
        for target in ReportTarget:  # so that an alert sees the first one as an increase
            for outcome in ("sent", "deferred", "refused"):
                self._sent.labels(target, outcome)

    async def send_due(self) -> None:
        """Send the due reports. Raises `Temporary` when the database does not answer."""
        in_a_row = 0
        while letters := await self._queue.claim(now=self._clock()):
            for dues in letters:
                in_a_row = 0 if await self._send(dues) else in_a_row + 1
                if in_a_row >= MOST_DEFERRED:
                    return

    async def _send(self, dues: Sequence[Due]) -> bool:
        """Send one notification; False when it is deferred."""
        report = dues[0].report
        try:
            parked = await self._send_to(report.target, dues)
        except Temporary as error:
            await self._defer(dues, error.reason)
            return False
        except Permanent as error:
            await self._give_up(dues, error.reason)
        except Exception as error:
            log.error("report_failed", id=dues[0].entry.message, exc_info=error)
            await self._defer(dues, f"bug: {error!r}"[:300])
            return False
        else:
            self._sent.labels(report.target, "sent").inc()
            await self._queue.mark_sent(dues, now=self._clock(), parked=parked)
        return True

    async def _send_to(self, target: ReportTarget, dues: Sequence[Due]) -> str:
        """Return the mark of the dead letter, if the report became one. Raises `Temporary`, `Permanent`."""
        mail = (await self._bodies.get([dues[0].entry.message])).get(dues[0].entry.message)
        if target is ReportTarget.DEAD_LETTER or mail is None:
            return await self._dead_letter(dues, mail)
        letters = [reported(due.entry.to, due.report) for due in dues]
        if target is ReportTarget.OWNER:
            await self._to_owners(mail.envelope, dues)
        else:
            await self._reporter.report(mail.envelope, await self._raw(mail), letters, event=dues[0].report.event)
        return ""

    async def _to_owners(self, envelope: Envelope, dues: Sequence[Due]) -> None:
        for owner in sorted({due.entry.to.account for due in dues}):
            letters = [reported(due.entry.to, due.report) for due in dues if due.entry.to.account == owner]
            await self._reporter.notify_owner(envelope, owner, letters)

    async def _dead_letter(self, dues: Sequence[Due], mail: Mail | None) -> str:
        """Publish the message as a dead letter. A large body stays in the blob store, where it is touched regularly."""
        mark = self._clock().isoformat()
        reason = dues[0].report.text
        recipients = tuple(due.entry.to for due in dues)
        if mail is None:
            bare = Envelope(
                id=dues[0].entry.message, received_at=dues[0].entry.created_at, recipients=(), size_bytes=0, sha256="",
                verdicts={},
            )  # fmt: skip
            mail = Mail(bare, b"")
        envelope = mail.envelope.to(recipients).model_copy(update={"parked": mark})
        await self._dead_letters.publish(mail.with_envelope(envelope), reason)
        addresses = [recipient.address for recipient in recipients]
        log.error("mail_dead_lettered", id=envelope.id, recipients=len(addresses), reason=reason)
        fact = MailParked(id=envelope.id, recipients=addresses, reason=reason)
        try:
            await self._emit(fact.to_bus())
        except Temporary as error:
            log.warning("event_emit_failed", id=envelope.id, reason=error.reason)  # the dead letter exists
        return mark

    async def _raw(self, mail: Mail) -> bytes:
        """The bytes of the message; empty where they are lost, since the sender is notified all the same."""
        if mail.envelope.blob is None:
            return mail.raw
        try:
            return await self._blobs.get(mail.envelope.blob)
        except Missing:
            return b""

    async def _defer(self, dues: Sequence[Due], reason: str) -> None:
        """Try it again: a dead letter without limit, a notification for as long as the message itself."""
        report, now = dues[0].report, self._clock()
        self._sent.labels(report.target, "deferred").inc()
        log.warning("report_deferred", id=dues[0].entry.message, attempts=report.attempts, reason=reason)
        if report.target is not ReportTarget.DEAD_LETTER and now - report.created_at >= self._give_up_after:
            await self._give_up(dues, reason)
            return
        again = replace(report, attempts=report.attempts + 1)
        await self._queue.reschedule(dues, again, due_at=now + pause(report.attempts))

    async def _give_up(self, dues: Sequence[Due], reason: str) -> None:
        """Handle a refused notification: an operator is told of a failure, but not of a delay or a success."""
        report, now = dues[0].report, self._clock()
        self._sent.labels(report.target, "refused").inc()
        log.error("report_refused", id=dues[0].entry.message, report=report.event, reason=reason)
        if report.event is not ReportEvent.FAILED:
            await self._queue.mark_sent(dues, now=now)
            return
        text = f"{report.text}; {report.target} could not be told: {reason}"[:900]
        parked = replace(report, target=ReportTarget.DEAD_LETTER, attempts=report.attempts + 1, text=text)
        due_at = now if report.target is not ReportTarget.DEAD_LETTER else now + pause(report.attempts)
        await self._queue.reschedule(dues, parked, due_at=due_at)
