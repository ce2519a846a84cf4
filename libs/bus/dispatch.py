"""What both buses do with a handler that failed, and with the ladder of delays."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

import structlog

from libs.bus.ports import Delivery, Refused, Unavailable
from libs.envelope import Permanent, Temporary

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
    once, a bug after `limit` tries that ended in one; an outage (`Temporary`) never does.
    """
    try:
        await handler(delivery)
    except Temporary as error:
        log.warning("handler_gave_up", queue=delivery.queue, attempt=delivery.attempt, reason=error.reason)
        if not delivery.ended:
            await _give_back(delivery, error.reason, ladder=ladder)
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


async def _give_back(
    delivery: Delivery, reason: str, *, ladder: Sequence[timedelta], bury: bool = False, bug: bool = False
) -> None:
    try:
        if bury:
            await delivery.bury(reason)
        else:
            await delivery.retry(ladder[min(delivery.attempt, len(ladder)) - 1], reason=reason, bug=bug)
    except (Unavailable, Refused) as error:
        # The bus itself is away: keep the lease for a moment, so that an outage is no hot loop either.
        log.warning("give_back_failed", queue=delivery.queue, reason=error.reason)
        await asyncio.sleep(ladder[0].total_seconds())
        await _release(delivery)


async def _release(delivery: Delivery) -> None:
    try:
        await delivery.release()
    except (Unavailable, Refused) as error:
        # Nobody can be told; a bus that comes back gives every unended delivery back by itself.
        log.warning("release_failed", queue=delivery.queue, reason=error.reason)
