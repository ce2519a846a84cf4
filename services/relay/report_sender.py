"""What became of messages, to whom it concerns: a state of its own, with its own tries, behind the outcome."""

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
from services.relay.adapters.report_queue import Due, ReportQueue
from services.relay.domain.reporting import Event, ReportTarget, pause, reported
from services.relay.ports import DeadLetters, Reporter

log = structlog.get_logger(__name__)

# Then ingress is away: the others, claimed already, come back when their claim is over.
MOST_DEFERRED = 10


class ReportSender:
    """Letters to senders and owners; dead letters for what nobody else can hear of, or could not be told of."""

    def __init__(
        self,
        *,
        queue: ReportQueue,
        bodies: Bodies,
        blobs: Blobs,
        reporter: Reporter,
        dead_letters: DeadLetters,
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
        self._told = metrics.counter(
            "facteur_relay_notifications",
            "Notifications of failures, delays and successes, by target and outcome.",
            ("target", "outcome"),
        )
        for target in ReportTarget:  # so that an alert sees the first one as an increase
            for outcome in ("sent", "deferred", "refused"):
                self._told.labels(target, outcome)

    async def round(self) -> None:
        """Tell what is due. Raises `Temporary` when the database does not answer."""
        in_a_row = 0
        while letters := await self._queue.claim(now=self._clock()):
            for dues in letters:
                in_a_row = 0 if await self._tell(dues) else in_a_row + 1
                if in_a_row >= MOST_DEFERRED:
                    return

    async def _tell(self, dues: Sequence[Due]) -> bool:
        """False when it must be told later."""
        report = dues[0].report
        try:
            parked = await self._told_by(report.target, dues)
        except Temporary as error:
            await self._later(dues, error.reason)
            return False
        except Permanent as error:
            await self._not_taken(dues, error.reason)
        except Exception as error:
            log.error("report_failed", id=dues[0].entry.message, exc_info=error)
            await self._later(dues, f"bug: {error!r}"[:300])
            return False
        else:
            self._told.labels(report.target, "sent").inc()
            await self._queue.told(dues, now=self._clock(), parked=parked)
        return True

    async def _told_by(self, target: ReportTarget, dues: Sequence[Due]) -> str:
        """The mark of the dead letter, if it is one. Raises `Temporary`, `Permanent`."""
        mail = (await self._bodies.get([dues[0].entry.message])).get(dues[0].entry.message)
        if target is ReportTarget.DEAD_LETTER or mail is None:
            return await self._park(dues, mail)
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

    async def _park(self, dues: Sequence[Due], mail: Mail | None) -> str:
        """The bytes stay in the frame or in the blob store, where the keeper of dead letters touches them."""
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
            log.warning("event_emit_failed", id=envelope.id, reason=error.reason)  # the dead letter is there
        return mark

    async def _raw(self, mail: Mail) -> bytes:
        """Empty where the bytes are lost: the sender hears of it all the same."""
        if mail.envelope.blob is None:
            return mail.raw
        try:
            return await self._blobs.get(mail.envelope.blob)
        except Missing:
            return b""

    async def _later(self, dues: Sequence[Due], reason: str) -> None:
        """A dead letter is tried until it is one; a letter to a person as long as the message itself would be."""
        report, now = dues[0].report, self._clock()
        self._told.labels(report.target, "deferred").inc()
        log.warning("report_deferred", id=dues[0].entry.message, attempts=report.attempts, reason=reason)
        if report.target is not ReportTarget.DEAD_LETTER and now - report.created_at >= self._give_up_after:
            await self._not_taken(dues, reason)
            return
        again = replace(report, attempts=report.attempts + 1)
        await self._queue.again(dues, again, due_at=now + pause(report.attempts))

    async def _not_taken(self, dues: Sequence[Due], reason: str) -> None:
        """Nobody takes the letter. The end of a message is then an operator's to hear; a delay or a success is not."""
        report, now = dues[0].report, self._clock()
        self._told.labels(report.target, "refused").inc()
        log.error("report_refused", id=dues[0].entry.message, report=report.event, reason=reason)
        if report.event is not Event.FAILED:
            await self._queue.told(dues, now=now)
            return
        text = f"{report.text}; {report.target} could not be told: {reason}"[:900]
        parked = replace(report, target=ReportTarget.DEAD_LETTER, attempts=report.attempts + 1, text=text)
        due_at = now if report.target is not ReportTarget.DEAD_LETTER else now + pause(report.attempts)
        await self._queue.again(dues, parked, due_at=due_at)
