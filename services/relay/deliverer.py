"""Delivers claimed entries to servers, and decides the outcome of each entry."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from libs.blobs import Blobs, Missing
from libs.bus import Event as BusEvent
from libs.envelope import Envelope, Mail, Recipient, Temporary
from libs.events import MailRelayed
from libs.mail.render import received
from libs.telemetry import Metrics
from services.relay.adapters.bodies import Bodies
from services.relay.adapters.queue import Settlement
from services.relay.adapters.smtp import SmtpSession
from services.relay.domain.entries import Entry, Schedule, State, after
from services.relay.domain.message_copy import copy_of, subject_tag
from services.relay.domain.named_recipients import named_recipients
from services.relay.domain.replies import Result, deferred, failed, unroutable
from services.relay.domain.reporting import DeliveryReport, ReportTarget, report_target
from services.relay.outcome_writer import OutcomeWriter
from services.relay.ports import DeliveryRoute

log = structlog.get_logger(__name__)

TRANSACTION_DEADLINE = timedelta(hours=1)  # bounds a peer that sends an octet a minute
GONE = failed("5.3.0 the message is no longer kept", status="5.3.0")

Results = Mapping[str, Result]


@dataclass(frozen=True, slots=True)
class Batch:
    """Entries of one message that receive the same copy of it."""

    message: str
    tag: str
    entries: Sequence[Entry]


class Deliverer:
    """Sends batches. `deliver` raises no error: each entry gets an outcome, and the outcome is remembered."""

    def __init__(
        self,
        *,
        bodies: Bodies,
        blobs: Blobs,
        outcomes: OutcomeWriter,
        schedule: Schedule,
        metrics: Metrics,
        hostname: str,
        clock: Callable[[], datetime],
        emit: Callable[[BusEvent], Awaitable[None]],
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._bodies = bodies
        self._blobs = blobs
        self._outcomes = outcomes
        self._schedule = schedule
        self._hostname = hostname
        self._clock = clock
        self._emit = emit
        self._jitter = jitter
        self._results = metrics.counter(
            "facteur_relay_delivery_attempts", "Delivery attempts to recipients, by outcome.", ("outcome",)
        )

    async def batches(self, entries: Sequence[Entry]) -> list[tuple[Batch, Mail | None]]:
        """Group `entries` by message and copy. Raises `Temporary`; then nothing was attempted."""
        mails = await self._bodies.get({entry.message for entry in entries})
        groups: dict[tuple[str, str], list[Entry]] = {}
        for entry in entries:
            mail = mails.get(entry.message)
            tag = subject_tag(mail.envelope, entry.to) if mail else ""
            groups.setdefault((entry.message, tag), []).append(entry)
        return [(Batch(*key, group), mails.get(key[0])) for key, group in groups.items()]

    async def deliver(
        self, batch: Batch, mail: Mail | None, route: DeliveryRoute | Result, session: SmtpSession
    ) -> None:
        """Send one copy of one message to the servers of `route`, or conclude a result that is known already."""
        known = {entry.id: settlement for entry in batch.entries if (settlement := self._outcomes.accepted(entry.id))}
        if known:
            # A server has accepted it: the entry was requeued before that could be written.
            again = [Settlement(e, known[e.id].transition, known[e.id].report) for e in batch.entries if e.id in known]
            await self._outcomes.write(again)
        entries = [entry for entry in batch.entries if entry.id not in known]
        if entries:
            results = await self._attempt(mail, entries, batch.tag, route, session)
            await self._conclude(entries, mail.envelope if mail else None, results)

    async def _attempt(
        self, mail: Mail | None, entries: Sequence[Entry], tag: str, route: DeliveryRoute | Result, session: SmtpSession
    ) -> Results:
        if mail is None:
            return dict.fromkeys((entry.recipient for entry in entries), GONE)
        results = {entry.recipient: unroutable(entry.to.failure) for entry in entries if entry.to.failure}
        alive = [entry.to for entry in entries if entry.recipient not in results]
        if isinstance(route, Result):
            return results | dict.fromkeys((recipient.address for recipient in alive), route)
        return results | dict(await self._send(mail, alive, tag, route, session)) if alive else results

    async def _send(
        self, mail: Mail, recipients: Sequence[Recipient], tag: str, route: DeliveryRoute, session: SmtpSession
    ) -> Results:
        only = recipients[0] if len(recipients) == 1 else None
        try:
            raw = await self._raw(mail)
            trace = received(mail.envelope, only, hostname=self._hostname)
            octets = copy_of(raw, trace, subject_tag=tag)
            async with asyncio.timeout(TRANSACTION_DEADLINE.total_seconds()):
                return await session.send(route.hosts, mail.envelope, recipients, octets)
        except TimeoutError:
            result = deferred("4.4.2 not done in time", status="4.4.2")
        except Temporary as error:
            result = deferred(error.reason, status="4.3.0")
        except Missing:
            result = GONE
        except Exception as error:
            # After a bug the message waits as after a temporary refusal, and is not tried again each second.
            log.error("delivery_failed", id=mail.envelope.id, exc_info=error)
            result = deferred("4.3.0 internal error", status="4.3.0")
        return {recipient.address: result for recipient in recipients}

    async def _raw(self, mail: Mail) -> bytes:
        if mail.envelope.blob is None:
            return mail.raw
        return await self._blobs.get(mail.envelope.blob)

    async def _conclude(self, entries: Sequence[Entry], envelope: Envelope | None, results: Results) -> None:
        now = self._clock()
        settlements = [self._settlement(entry, envelope, results[entry.recipient], now) for entry in entries]
        for settlement in settlements:
            log.info(
                "delivery_attempted", id=settlement.entry.message, state=settlement.transition.state,
                attempts=settlement.entry.attempts, reply=settlement.transition.reply,
            )  # fmt: skip
        await self._outcomes.write(settlements)
        if envelope is not None:
            await self._emit_relayed(envelope, [v.entry.to for v in settlements if v.transition.state is State.SENT])

    def _settlement(self, entry: Entry, envelope: Envelope | None, result: Result, now: datetime) -> Settlement:
        self._results.labels(result.outcome).inc()
        transition = after(entry, result, self._schedule, now=now, jitter=self._jitter())
        if transition.tell is None:
            return Settlement(entry, transition)
        # The envelope of a lost message is unknown, so that only an operator can be told.
        target = report_target(envelope, entry.to, transition.tell) if envelope else ReportTarget.DEAD_LETTER
        if target is None:
            return Settlement(entry, transition)
        report = DeliveryReport(
            event=transition.tell,
            target=target,
            status=result.status,
            text=result.text,
            server=result.server,
            created_at=now,
        )
        return Settlement(entry, transition, report)

    async def _emit_relayed(self, envelope: Envelope, taken: Sequence[Recipient]) -> None:
        if not (addresses := named_recipients(envelope, taken)):
            return
        fact = MailRelayed(id=envelope.id, account=envelope.peer.account or "", recipients=addresses)
        try:
            await self._emit(fact.to_bus())
        except Temporary as error:
            # The event only adds weight in antispam, and the next message to the same recipient repeats it.
            log.warning("event_emit_failed", id=envelope.id, reason=error.reason)
