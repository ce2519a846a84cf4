"""From the queue to a handler and on: publish with confirm, then ack. The only place that ends a delivery."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

import structlog

from libs.blobs import Blobs
from libs.bus import Delivery
from libs.bus.ports import LADDER
from libs.envelope import Mail, Permanent, Temporary, decode, encode
from libs.envelope.model import utc_now
from libs.runtime.outbox import Outbox
from libs.runtime.service import Handles, Onward
from libs.telemetry import Metrics, Traces

log = structlog.get_logger(__name__)

BUG_TRIES = 5
KEEP_TRYING = timedelta(days=5)


@dataclass(frozen=True, slots=True)
class Worker:
    """Handles the deliveries of one queue."""

    row: Handles
    blobs: Blobs
    outbox: Outbox
    metrics: Metrics
    traces: Traces
    deadline: timedelta

    async def __call__(self, delivery: Delivery) -> None:
        """Ends `delivery` in every case; an outcome is counted for each."""
        queue, started = self.row.queue, time.perf_counter()
        self.metrics.in_hand.labels(queue).inc()
        try:
            outcome = await self._end(delivery)
        except Temporary as reason:
            # The bus itself failed us. An unended delivery is given back by it, so nothing is lost.
            log.warning("delivery_left_open", queue=queue, reason=reason.reason)
            outcome = "left_open"
            raise
        finally:
            self.metrics.in_hand.labels(queue).dec()
        self.metrics.handle_seconds.labels(queue).observe(time.perf_counter() - started)
        self.metrics.handled.labels(queue, outcome).inc()

    async def _end(self, delivery: Delivery) -> str:
        mail: Mail | None = None
        try:
            mail = decode(delivery.body)
            with self.traces.span(self.row.queue, delivery.headers, message_id=mail.envelope.id) as headers:
                onward = await self._handle(mail)
                await self._publish(onward, headers)
        except Permanent as error:
            return await self._bury(delivery, mail, error.reason)
        except Temporary as error:
            return await self._again(delivery, mail, error)
        except Exception as error:
            log.error("handler_failed", queue=self.row.queue, id=_id(mail), attempt=delivery.attempt, exc_info=error)
            if delivery.attempt >= BUG_TRIES:
                return await self._bury(delivery, mail, f"failed {BUG_TRIES} times: {error!r}")
            return await self._again(delivery, mail, Temporary(f"bug: {error!r}"))
        await delivery.ack()
        return "done"

    async def _handle(self, mail: Mail) -> Iterable[Onward]:
        try:
            async with asyncio.timeout(self.deadline.total_seconds()):
                if self.row.needs_raw and mail.envelope.blob is not None:
                    mail = Mail(mail.envelope, await self.blobs.get(mail.envelope.blob))
                return await self.row.handle(mail)
        except TimeoutError as error:
            raise Temporary(f"no result within {self.deadline}") from error

    async def _publish(self, onward: Iterable[Onward], headers: dict[str, str]) -> None:
        sends = [self.outbox.send(step.queue, step.mail, headers) for step in onward]
        if len(sends) == 1:
            await sends[0]
        elif sends:
            async with asyncio.TaskGroup() as group:
                for send in sends:
                    group.create_task(send)
        if sends:
            for step in onward:
                self.metrics.published.labels(step.queue).inc()

    async def _again(self, delivery: Delivery, mail: Mail | None, error: Temporary) -> str:
        if utc_now() - delivery.first_seen > KEEP_TRYING:
            return await self._bury(delivery, mail, f"gave up after {KEEP_TRYING}: {error.reason}")
        delay = LADDER[min(delivery.attempt, len(LADDER)) - 1]
        log.warning("mail_deferred", queue=self.row.queue, id=_id(mail), attempt=delivery.attempt, reason=error.reason)
        await self._keep_blob(mail)
        body = encode(mail.with_envelope(error.narrowed)) if mail and error.narrowed else None
        await delivery.retry(delay, reason=error.reason, body=body)
        return "deferred"

    async def _bury(self, delivery: Delivery, mail: Mail | None, reason: str) -> str:
        log.error("mail_buried", queue=self.row.queue, id=_id(mail), attempt=delivery.attempt, reason=reason)
        await delivery.bury(reason)
        return "buried"

    async def _keep_blob(self, mail: Mail | None) -> None:
        """The collector must not take the bytes of a message that still waits."""
        if mail is not None and mail.envelope.blob is not None:
            await self.blobs.touch(mail.envelope.blob)


def _id(mail: Mail | None) -> str:
    return mail.envelope.id if mail else "unreadable"
