"""Takes due entries from the queue, sends them, writes down what happened. The heart of relay."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from libs.blobs import Blobs
from libs.bus import Event
from libs.envelope import Envelope, Mail, Permanent, Recipient, Temporary
from libs.events import MailRelayed
from libs.mail.render import received
from libs.tasks import cancelled
from libs.telemetry import Metrics
from services.relay.adapters.queue import MongoQueue
from services.relay.domain.announcing import written_to
from services.relay.domain.entries import Entry, Next, Schedule, State, after
from services.relay.domain.replies import Result, deferred, failed, unroutable
from services.relay.domain.reporting import reported, told
from services.relay.domain.wire import copy_of, subject_tag
from services.relay.ports import Destinations, Reporter, Transport

log = structlog.get_logger(__name__)

LEASE = timedelta(minutes=20)
JOB_DEADLINE = timedelta(minutes=15)  # shorter than the lease: nobody else may send what we still send
_REPORT_AGAIN = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Limits:
    """Connections at a time, to one destination and to all; how often the queue is looked at."""

    destination: int
    total: int
    poll_period: timedelta


class Courier:
    """Started and stopped by the runner like a listener: at SIGTERM transactions under way end first."""

    def __init__(
        self,
        *,
        queue: MongoQueue,
        blobs: Blobs,
        destinations: Destinations,
        transport: Transport,
        reporter: Reporter,
        schedule: Schedule,
        limits: Limits,
        metrics: Metrics,
        hostname: str,
        clock: Callable[[], datetime],
        emit: Callable[[Event], Awaitable[None]],
    ) -> None:
        self._emit = emit
        self._queue = queue
        self._blobs = blobs
        self._destinations = destinations
        self._transport = transport
        self._reporter = reporter
        self._schedule = schedule
        self._limits = limits
        self._hostname = hostname
        self._clock = clock
        self._results = metrics.counter("facteur_relay_results", "Tries at a recipient, by outcome.", ("outcome",))
        self._wake = asyncio.Event()
        self._stopping = False
        self._jobs: dict[asyncio.Task[None], str] = {}

    def wake(self) -> None:
        """There is something new to send."""
        self._wake.set()

    async def start(self) -> None:
        """Nothing to bind; `run` is background work of the service."""

    async def stop(self, grace: timedelta) -> None:
        """Claim nothing more; what is not sent within `grace` is sent by whoever comes after the lease."""
        self._stopping = True
        self._wake.set()
        if self._jobs:
            await asyncio.wait(self._jobs, timeout=grace.total_seconds())
        await cancelled(self._jobs)

    async def run(self) -> None:
        """Look for due entries, when woken and every now and then."""
        while not self._stopping:
            self._wake.clear()
            try:
                await self._claim()
            except Temporary as error:
                log.warning("queue_not_read", reason=error.reason)
            try:
                async with asyncio.timeout(self._limits.poll_period.total_seconds()):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _claim(self) -> None:
        free = self._limits.total - len(self._jobs)
        if free <= 0:
            return
        running = Counter(self._jobs.values())
        busy = [name for name, count in running.items() if count >= self._limits.destination]
        entries = await self._queue.claim(now=self._clock(), lease=LEASE, limit=free, busy=busy)
        groups: dict[tuple[str, str], list[Entry]] = {}
        for entry in entries:
            groups.setdefault((entry.message, entry.destination), []).append(entry)
        for (_, destination), group in groups.items():
            job = asyncio.create_task(self._deliver(group))
            self._jobs[job] = destination
            job.add_done_callback(self._finished)

    def _finished(self, job: asyncio.Task[None]) -> None:
        del self._jobs[job]
        self._wake.set()
        if not job.cancelled() and (error := job.exception()) is not None:
            # The lease ends by itself and the entries are tried again: nothing is lost.
            log.error("delivery_failed", exc_info=error)

    async def _deliver(self, entries: Sequence[Entry]) -> None:
        """One message to one destination."""
        mail = await self._message(entries[0].message)
        recipients = {r.address: r for r in mail.envelope.recipients} if mail else {}
        wanted = [recipients[entry.recipient] for entry in entries if entry.recipient in recipients]
        results = await self._try(mail, wanted) if mail else {}
        gone = failed("5.3.0 the message is no longer kept", status="5.3.0")
        now = self._clock()
        outcomes = [
            (entry, after(entry, results.get(entry.recipient, gone), self._schedule, now=now)) for entry in entries
        ]
        for entry, then in outcomes:
            self._results.labels(results.get(entry.recipient, gone).outcome).inc()
            log.info("mail_relayed", id=entry.message, state=then.state, attempts=entry.attempts, reply=then.reply)
        if mail is not None:
            outcomes = await self._report(mail, recipients, outcomes, results)
        await self._queue.settle(outcomes, now=now)
        if mail is not None:
            sent = {entry.recipient for entry, then in outcomes if then.state is State.SENT}
            await self._announce(mail.envelope, [recipients[address] for address in sent if address in recipients])

    async def _announce(self, envelope: Envelope, taken: Sequence[Recipient]) -> None:
        if not (addresses := written_to(envelope, taken)):
            return
        fact = MailRelayed(id=envelope.id, account=envelope.peer.account or "", recipients=addresses)
        try:
            await self._emit(fact.to_bus())
        except Temporary as error:
            # It is a weight in antispam, and the next message to the same person tells it again.
            log.warning("relaying_not_told", id=envelope.id, reason=error.reason)

    async def _message(self, id: str) -> Mail | None:
        mail = await self._queue.message(id)
        if mail is None or mail.envelope.blob is None:
            return mail
        await self._blobs.touch(mail.envelope.blob)
        return Mail(mail.envelope, await self._blobs.get(mail.envelope.blob))

    async def _try(self, mail: Mail, recipients: Sequence[Recipient]) -> Mapping[str, Result]:
        """A result for each recipient. The router marks those that lead nowhere with `failure`."""
        dead = {r.address: unroutable(r.failure) for r in recipients if r.failure}
        copies: dict[str, list[Recipient]] = {}
        for recipient in recipients:
            if recipient.address not in dead:
                copies.setdefault(subject_tag(mail.envelope, recipient), []).append(recipient)
        results = dict(dead)
        for tag, alive in copies.items():
            results |= await self._send(mail, alive, tag)
        return results

    async def _send(self, mail: Mail, recipients: Sequence[Recipient], tag: str) -> Mapping[str, Result]:
        domain = recipients[0].address.rpartition("@")[2]
        only = recipients[0] if len(recipients) == 1 else None
        raw = copy_of(mail.raw, received(mail.envelope, only, hostname=self._hostname), subject_tag=tag)
        try:
            async with asyncio.timeout(JOB_DEADLINE.total_seconds()):
                hosts = await self._destinations.hosts(domain)
                return await self._transport.send(hosts, mail.envelope, recipients, raw)
        except TimeoutError:
            result = deferred("4.4.2 not done in time", status="4.4.2")
        except Temporary as error:
            result = deferred(error.reason, status=error.reason.split()[0])
        except Permanent as error:
            result = failed(error.reason, status=error.reason.split()[0])
        return {recipient.address: result for recipient in recipients}

    async def _report(
        self,
        mail: Mail,
        recipients: Mapping[str, Recipient],
        outcomes: Sequence[tuple[Entry, Next]],
        results: Mapping[str, Result],
    ) -> list[tuple[Entry, Next]]:
        """Tell who must be told; where that fails, the entry is not done yet."""
        settled: list[tuple[Entry, Next]] = []
        for event in ("failed", "delayed", ""):
            group = [(entry, then) for entry, then in outcomes if then.tell == event]
            heard = [recipients[entry.recipient] for entry, _ in group if event and entry.recipient in recipients]
            heard = [recipient for recipient in heard if told(mail.envelope, recipient, event)]
            if heard and not await self._reported(mail, heard, results, event):
                again = self._clock() + _REPORT_AGAIN
                group = [(entry, Next(State.QUEUED, again, then.reply)) for entry, then in group]
            settled += group
        return settled

    async def _reported(
        self, mail: Mail, heard: Sequence[Recipient], results: Mapping[str, Result], event: str
    ) -> bool:
        reports = [reported(recipient, results[recipient.address], event) for recipient in heard]
        try:
            await self._reporter.report(mail.envelope, mail.raw, reports, event=event)
        except Temporary as error:
            log.warning("notification_deferred", id=mail.envelope.id, reason=error.reason)
            return False
        except Permanent as error:
            # Nobody takes it: a notification is never answered by another one (RFC 5321 6.1).
            log.error("notification_refused", id=mail.envelope.id, reason=error.reason)
        return True
