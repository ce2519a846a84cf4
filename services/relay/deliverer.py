"""Claimed entries to servers: what is sent to whom, and what becomes of each entry."""

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
from services.relay.domain.entries import Entry, Schedule, State, after
from services.relay.domain.message_copy import copy_of, subject_tag
from services.relay.domain.named_recipients import named_recipients
from services.relay.domain.replies import Result, deferred, failed, unroutable
from services.relay.domain.reporting import Report, ReportTarget, report_target
from services.relay.outcome_writer import OutcomeWriter
from services.relay.ports import Route, Session

log = structlog.get_logger(__name__)

TRANSACTION_DEADLINE = timedelta(hours=1)  # a peer that gives an octet a minute has no more than this
GONE = failed("5.3.0 the message is no longer kept", status="5.3.0")

Results = Mapping[str, Result]


@dataclass(frozen=True, slots=True)
class Batch:
    """Entries of one message that get the same copy of it."""

    message: str
    tag: str
    entries: Sequence[Entry]


class Deliverer:
    """Sends batches. No error leaves `deliver`: each entry has an outcome, and the outcome is remembered."""

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
        """By message and copy. Raises `Temporary`; then nothing was tried."""
        mails = await self._bodies.get({entry.message for entry in entries})
        groups: dict[tuple[str, str], list[Entry]] = {}
        for entry in entries:
            mail = mails.get(entry.message)
            tag = subject_tag(mail.envelope, entry.to) if mail else ""
            groups.setdefault((entry.message, tag), []).append(entry)
        return [(Batch(*key, group), mails.get(key[0])) for key, group in groups.items()]

    async def deliver(self, batch: Batch, mail: Mail | None, route: Route | Result, session: Session) -> None:
        """One copy of one message to the servers of `route`, or to none where the result is known already."""
        known = {entry.id: settlement for entry in batch.entries if (settlement := self._outcomes.taken(entry.id))}
        if known:
            # This process knows that a server took it: the entry came back before that could be written.
            again = [Settlement(e, known[e.id].transition, known[e.id].report) for e in batch.entries if e.id in known]
            await self._outcomes.write(again)
        entries = [entry for entry in batch.entries if entry.id not in known]
        if entries:
            results = await self._tried(mail, entries, batch.tag, route, session)
            await self._conclude(entries, mail.envelope if mail else None, results)

    async def _tried(
        self, mail: Mail | None, entries: Sequence[Entry], tag: str, route: Route | Result, session: Session
    ) -> Results:
        if mail is None:
            return dict.fromkeys((entry.recipient for entry in entries), GONE)
        results = {entry.recipient: unroutable(entry.to.failure) for entry in entries if entry.to.failure}
        alive = [entry.to for entry in entries if entry.recipient not in results]
        if isinstance(route, Result):
            return results | dict.fromkeys((recipient.address for recipient in alive), route)
        return results | dict(await self._sent(mail, alive, tag, route, session)) if alive else results

    async def _sent(
        self, mail: Mail, recipients: Sequence[Recipient], tag: str, route: Route, session: Session
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
            # A bug must not make a message come back each second: it waits as if a server had refused it for now.
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
            await self._announce(envelope, [v.entry.to for v in settlements if v.transition.state is State.SENT])

    def _settlement(self, entry: Entry, envelope: Envelope | None, result: Result, now: datetime) -> Settlement:
        self._results.labels(result.outcome).inc()
        transition = after(entry, result, self._schedule, now=now, jitter=self._jitter())
        if transition.tell is None:
            return Settlement(entry, transition)
        # Of a message that is not there nothing is known, and so nobody but an operator can hear.
        target = report_target(envelope, entry.to, transition.tell) if envelope else ReportTarget.DEAD_LETTER
        if target is None:
            return Settlement(entry, transition)
        report = Report(
            event=transition.tell,
            target=target,
            status=result.status,
            text=result.text,
            server=result.server,
            created_at=now,
        )
        return Settlement(entry, transition, report)

    async def _announce(self, envelope: Envelope, taken: Sequence[Recipient]) -> None:
        if not (addresses := named_recipients(envelope, taken)):
            return
        fact = MailRelayed(id=envelope.id, account=envelope.peer.account or "", recipients=addresses)
        try:
            await self._emit(fact.to_bus())
        except Temporary as error:
            # It is a weight in antispam, and the next message to the same person tells it again.
            log.warning("event_emit_failed", id=envelope.id, reason=error.reason)
