"""The way down within one deadline: each step has its bound, and a process that still lives after all is ended.

A supervisor ends with SIGKILL what does not end by itself (`terminationGracePeriodSeconds`), and then nothing is given
back and nothing is told. So the sum of all bounds stays below the grace of the manifests in `k8s/`.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any

import structlog

from libs.tasks import cancelled

log = structlog.get_logger(__name__)

# After `drain_deadline`: what a listener does with those who used up its grace (close sessions, give leases back).
LISTENER = timedelta(seconds=2)
# All adapters of all services are closed at the same time, then what the process has once.
ADAPTERS = timedelta(seconds=4)
BUS = timedelta(seconds=4)
# A process that does not end because a thread of it is stuck, ends hard. All of the above fits into it,
# with one more `ADAPTERS` for HTTP and background work.
CLOSING = timedelta(seconds=15)


async def within(limit: timedelta, name: str, step: Coroutine[Any, Any, Any]) -> None:
    """`step`, cut off after `limit`; what it raises is logged, so that it keeps no other step from its turn."""
    task = asyncio.ensure_future(step)
    try:
        await asyncio.wait([task], timeout=limit.total_seconds())
    finally:
        late = not task.done()
        await cancelled([task])
    if late:
        log.error("shutdown_step_timed_out", step=name, limit=limit.total_seconds())
    elif not task.cancelled() and (error := task.exception()) is not None:
        log.error("shutdown_step_failed", step=name, exc_info=error)


def exit_after(limit: timedelta) -> threading.Timer:
    """Begin to count; cancel what is returned when the process need not end after all."""
    timer = threading.Timer(limit.total_seconds(), _exit_now, [limit])
    timer.daemon = True
    timer.start()
    return timer


def _exit_now(limit: timedelta) -> None:
    """Nothing is lost by it: what is in hand is not acknowledged, and comes again."""
    threads = sorted(thread.name for thread in threading.enumerate() if not thread.daemon)
    line = f"facteur: ended hard, not down within {limit.total_seconds():g} s; threads: {', '.join(threads)}"
    print(line, file=sys.stderr, flush=True)  # noqa: T201
    os._exit(1)
