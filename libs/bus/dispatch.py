"""What both buses do with a handler that failed, and with the ladder of delays."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

import structlog

from libs.bus.ports import KEEP_TRYING, LEAST_TRIES, Delivery, Refused, Unavailable
from libs.envelope import Permanent, Temporary
from libs.envelope.model import utc_now

log = structlog.get_logger(__name__)


def rung(ladder: Sequence[timedelta], delay: timedelta) -> timedelta:
    """The lowest rung that is not shorter than `delay`; the last one if there is none."""
    return next((step for step in ladder if step >= delay), ladder[-1])


def is_being_cancelled() -> bool:
    """Whether somebody cancelled us. If not, a `CancelledError` says that what we waited for was: that is a bug."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def hand_over(
    handler: Callable[[Delivery], Awaitable[None]], delivery: Delivery, *, ladder: Sequence[timedelta], limit: int
) -> None:
    """Run `handler`. If it raises without having ended its delivery, the delivery is given back.

    The runner ends its deliveries itself; this is the net below it. The delay grows with the attempts, so that a
    handler that always raises is never a hot loop. What can never succeed (`Permanent`) ends in the dead letters at
    once, a bug after `limit` tries that ended in one, an outage (`Temporary`) when it was waited out for days.
    """
    try:
        await handler(delivery)
    except Temporary as error:
        log.warning("handler_gave_up", queue=delivery.queue, attempt=delivery.attempt, reason=error.reason)
        if not delivery.ended:
            over = waited_out(delivery)
            reason = f"gave up after {KEEP_TRYING}: {error.reason}" if over else error.reason
            await _give_back(delivery, reason, ladder=ladder, bury=over)
    except Permanent as error:
        log.error("handler_refused", queue=delivery.queue, attempt=delivery.attempt, reason=error.reason)
        if not delivery.ended:
            await _give_back(delivery, error.reason, ladder=ladder, bury=True)
    except (Exception, asyncio.CancelledError) as error:
        if is_being_cancelled():
            raise  # the bus is closed: it gives the delivery back by itself
        log.exception("handler_raised", queue=delivery.queue, attempt=delivery.attempt)
        if not delivery.ended:
            reason = f"{type(error).__name__}: {error}"
            await _give_back(delivery, reason, ladder=ladder, bury=delivery.bugs + 1 >= limit, bug=True)


def waited_out(delivery: Delivery) -> bool:
    """Whether an outage has kept it for so long, and over so many tries, that it is given up."""
    return delivery.attempt >= LEAST_TRIES and utc_now() - delivery.first_seen > KEEP_TRYING


async def _give_back(
    delivery: Delivery, reason: str, *, ladder: Sequence[timedelta], bury: bool = False, bug: bool = False
) -> None:
    try:
        if bury:
            await delivery.bury(reason)
        else:
            await delivery.retry(ladder[min(delivery.attempt, len(ladder)) - 1], reason=reason, bug=bug)
    except Exception as error:
        # The bus itself is away, or the delivery cannot be moved: it must not keep its place among those in hand. It is
        # kept for a moment, so that an outage is no hot loop either.
        known = isinstance(error, Unavailable | Refused)
        log.warning("give_back_failed", queue=delivery.queue, reason=str(error), exc_info=None if known else error)
        await asyncio.sleep(ladder[0].total_seconds())
        if not delivery.ended:
            await _release(delivery)


async def _release(delivery: Delivery) -> None:
    try:
        await delivery.release()
    except (Unavailable, Refused) as error:
        # Nobody can be told; a bus that comes back gives every unended delivery back by itself.
        log.warning("release_failed", queue=delivery.queue, reason=error.reason)
