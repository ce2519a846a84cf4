"""Runs handlers, and settles the deliveries of failed ones, for both buses."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

import structlog

from libs.bus.ports import MAX_RETRY_AGE, MIN_ATTEMPTS, Delivery, Refused, Unavailable
from libs.envelope import Permanent, Temporary
from libs.envelope.model import utc_now

log = structlog.get_logger(__name__)


def delay_step(retry_delays: Sequence[timedelta], delay: timedelta) -> timedelta:
    """The shortest of `retry_delays` that is not below `delay`; the last one if there is none."""
    return next((step for step in retry_delays if step >= delay), retry_delays[-1])


def is_being_cancelled() -> bool:
    """Whether this task is being cancelled. If not, a `CancelledError` comes from an awaited task, which is a bug."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def run_handler(
    handler: Callable[[Delivery], Awaitable[None]], delivery: Delivery, *, retry_delays: Sequence[timedelta], limit: int
) -> None:
    """Run `handler`, and settle the delivery if it raises without having done so.

    The runner settles its deliveries itself; this is the safety net. The delay grows with the attempts, so that a
    handler that always raises is never a hot loop. A message becomes a dead letter at once after `Permanent`, after
    `limit` attempts that ended in a bug, or when an outage (`Temporary`) has lasted for days.
    """
    try:
        await handler(delivery)
    except Temporary as error:
        log.warning("handler_deferred", queue=delivery.queue, attempt=delivery.attempt, reason=error.reason)
        if not delivery.settled:
            expired = retries_expired(delivery)
            reason = f"gave up after {MAX_RETRY_AGE}: {error.reason}" if expired else error.reason
            await _settle(delivery, reason, retry_delays=retry_delays, dead_letter=expired)
    except Permanent as error:
        log.error("handler_failed_permanently", queue=delivery.queue, attempt=delivery.attempt, reason=error.reason)
        if not delivery.settled:
            await _settle(delivery, error.reason, retry_delays=retry_delays, dead_letter=True)
    except (Exception, asyncio.CancelledError) as error:
        if is_being_cancelled():
            raise  # the bus is closing, and requeues the delivery by itself
        log.exception("handler_raised", queue=delivery.queue, attempt=delivery.attempt)
        if not delivery.settled:
            reason = f"{type(error).__name__}: {error}"
            await _settle(delivery, reason, retry_delays=retry_delays, dead_letter=delivery.bugs + 1 >= limit, bug=True)


def retries_expired(delivery: Delivery) -> bool:
    """Whether the message is given up: it is too old, and has had the least number of attempts."""
    return delivery.attempt >= MIN_ATTEMPTS and utc_now() - delivery.first_seen > MAX_RETRY_AGE


async def _settle(
    delivery: Delivery, reason: str, *, retry_delays: Sequence[timedelta], dead_letter: bool = False, bug: bool = False
) -> None:
    try:
        if dead_letter:
            await delivery.dead_letter(reason)
        else:
            await delivery.retry(retry_delays[min(delivery.attempt, len(retry_delays)) - 1], reason=reason, bug=bug)
    except Exception as error:
        # The bus is unavailable, or the delivery cannot be moved: it must not stay in flight. A short pause keeps an
        # outage from becoming a hot loop.
        known = isinstance(error, Unavailable | Refused)
        log.warning("settlement_failed", queue=delivery.queue, reason=str(error), exc_info=None if known else error)
        await asyncio.sleep(retry_delays[0].total_seconds())
        if not delivery.settled:
            await _requeue(delivery)


async def _requeue(delivery: Delivery) -> None:
    try:
        await delivery.requeue()
    except (Unavailable, Refused) as error:
        # A bus that comes back requeues every unsettled delivery by itself.
        log.warning("requeue_failed", queue=delivery.queue, reason=error.reason)
