"""From the queue to a handler and on: publish with confirm, then ack. The only place that ends a delivery."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import structlog
from prometheus_client import Gauge, Histogram

from libs.blobs import Blobs
from libs.bus import Delivery
from libs.bus.dispatch import is_being_cancelled, retries_expired
from libs.bus.ports import MAX_BUG_ATTEMPTS, MAX_RETRY_AGE, RETRY_DELAYS
from libs.envelope import Mail, Malformed, Newer, Permanent, Temporary, decode, encode
from libs.runtime.dead_letter_reports import DeadLetterReports
from libs.runtime.failures import merge_errors
from libs.runtime.outbox import Outbox
from libs.runtime.service import QueueHandler, Route
from libs.telemetry import Metrics, Traces

log = structlog.get_logger(__name__)

RELEASE_DEADLINE = timedelta(seconds=10)


@dataclass(slots=True)
class Worker:
    """Handles the deliveries of one queue."""

    row: QueueHandler
    blobs: Blobs
    outbox: Outbox
    metrics: Metrics
    traces: Traces
    deadline: timedelta
    dead_letter_reports: DeadLetterReports | None = None
    _in_flight: Gauge = field(init=False)
    _seconds: Histogram = field(init=False)

    def __post_init__(self) -> None:
        # Once and not for each message: looking a series up takes four times as long as counting.
        self._in_flight = self.metrics.in_flight.labels(self.row.queue)
        self._seconds = self.metrics.handle_seconds.labels(self.row.queue)

    async def __call__(self, delivery: Delivery) -> None:
        """Settle `delivery`, unless the bus fails or the process stops: then it stays unsettled, and is redelivered.

        An outcome is counted in every case.
        """
        queue, started, outcome = self.row.queue, time.perf_counter(), "unsettled"
        self._in_flight.inc()
        try:
            outcome = await self._end(delivery)
        except Temporary as reason:
            log.warning("delivery_unsettled", queue=queue, reason=reason.reason)
            raise
        finally:
            self._in_flight.dec()
            self._seconds.observe(time.perf_counter() - started)
            self.metrics.handled.labels(queue, outcome).inc()

    async def _end(self, delivery: Delivery) -> str:
        try:
            mail = decode(delivery.body)
        except Malformed as error:
            return await self._dead_letter(delivery, None, error.reason)
        except Newer as error:
            return await self._retry(delivery, None, error)
        with structlog.contextvars.bound_contextvars(id=mail.envelope.id):
            return await self._process(delivery, mail)

    async def _process(self, delivery: Delivery, mail: Mail) -> str:
        try:
            with self.traces.span(self.row.queue, delivery.headers, message_id=mail.envelope.id) as headers:
                steps = await self._handle(mail)
                if self.row.keeps_blob:
                    await self._keep_blob(mail)  # what the service did with another copy may have released it
                await self._publish(steps, headers)
        except Permanent as error:
            return await self._dead_letter(delivery, mail, error.reason)
        except Temporary as error:
            return await self._retry(delivery, mail, error)
        except Exception as error:
            log.error("handler_failed", queue=self.row.queue, attempt=delivery.attempt, exc_info=error)
            if delivery.bugs + 1 >= MAX_BUG_ATTEMPTS:
                return await self._dead_letter(delivery, mail, f"failed {MAX_BUG_ATTEMPTS} times: {error!r}")
            return await self._retry(delivery, mail, Temporary(f"bug: {error!r}"), bug=True)
        await delivery.ack()
        await self._release_blob(mail)
        log.info("mail_handled", queue=self.row.queue, to=[step.queue for step in steps])
        return "done"

    async def _handle(self, mail: Mail) -> Sequence[Route]:
        """Raises `Temporary`, `Permanent`, or whatever bug the handler has."""
        try:
            async with asyncio.timeout(self.deadline.total_seconds()) as limit:
                if self.row.needs_raw and mail.envelope.blob is not None:
                    mail = Mail(mail.envelope, await self.blobs.get(mail.envelope.blob))
                return tuple(await self.row.handle(mail))
        except TimeoutError as error:
            late = f"no result within {self.deadline}" if limit.expired() else "something it waited for timed out"
            raise Temporary(late) from error
        except ExceptionGroup as group:
            raise merge_errors(group) from group
        except asyncio.CancelledError as error:
            raise _uncancelled(error) from error

    async def _publish(self, steps: Sequence[Route], headers: dict[str, str]) -> None:
        """Publish all of `steps` concurrently. Consumers recognise by its id a message that a retry publishes again."""
        if len(steps) == 1:
            await self._send(steps[0], headers)
        elif steps:
            results = await asyncio.gather(*(self._send(step, headers) for step in steps), return_exceptions=True)
            if failures := [result for result in results if isinstance(result, Exception)]:
                raise merge_errors(ExceptionGroup("not published", failures))

    async def _send(self, step: Route, headers: dict[str, str]) -> None:
        try:
            await self.outbox.send(step.queue, step.mail, headers)
        except asyncio.CancelledError as error:
            raise _uncancelled(error) from error
        self.metrics.published.labels(step.queue).inc()

    async def _retry(self, delivery: Delivery, mail: Mail | None, error: Temporary, *, bug: bool = False) -> str:
        if retries_expired(delivery):
            reason = f"gave up after {MAX_RETRY_AGE}: {error.reason}"
            return await self._dead_letter(delivery, mail, reason, waited_out=True)
        try:
            await self._keep_blob(mail)
        except Permanent as missing:
            return await self._dead_letter(delivery, mail, f"{missing.reason}, after: {error.reason}")
        delay = RETRY_DELAYS[min(delivery.attempt, len(RETRY_DELAYS)) - 1]
        log.warning("mail_deferred", queue=self.row.queue, attempt=delivery.attempt, reason=error.reason)
        narrowed = error.narrowed if mail is not None else None
        body = encode(mail.with_envelope(narrowed)) if mail is not None and narrowed is not None else None
        await delivery.retry(delay, reason=error.reason, body=body, bug=bug)
        return "deferred"

    async def _dead_letter(
        self, delivery: Delivery, mail: Mail | None, reason: str, *, waited_out: bool = False
    ) -> str:
        """Notify the sender first: after a crash in between it is notified again, under the same key."""
        if self.dead_letter_reports is not None:
            await self.dead_letter_reports.tell(self.row.queue, mail, waited_out=waited_out)
        log.error("mail_dead_lettered", queue=self.row.queue, attempt=delivery.attempt, reason=reason)
        await delivery.dead_letter(reason)
        return "dead_lettered"

    async def _keep_blob(self, mail: Mail | None) -> None:
        """Hold the blob of a message that waits, so that the collector keeps it. Raises `Missing`."""
        if mail is None or mail.envelope.blob is None:
            return
        try:
            await self.blobs.hold(mail.envelope.blob, self.row.queue)
        except Temporary as error:
            # A blob is kept for many tries; what this one has learned (`narrowed`) must not be lost over it.
            log.warning("blob_not_held", reason=error.reason)

    async def _release_blob(self, mail: Mail) -> None:
        """Release the blob of a message that is done. A blob that cannot be released is collected by its age."""
        if mail.envelope.blob is None or self.row.keeps_blob:
            return
        try:
            async with asyncio.timeout(RELEASE_DEADLINE.total_seconds()):
                await self.blobs.release(mail.envelope.blob, self.row.queue)
        except (Temporary, Permanent, TimeoutError) as error:
            log.warning("blob_not_released", reason=str(error) or "no answer")


def _uncancelled(error: asyncio.CancelledError) -> BaseException:
    """Return `error` if this task is being cancelled, and a bug if something that it waited for was.

    Otherwise the delivery would never be settled and stay in flight, or a route would seem to be published.
    """
    return error if is_being_cancelled() else RuntimeError("something that was waited for was cancelled")
