"""The way down within one deadline: each step has its bound, and a process that still lives after all is ended.

A supervisor ends with SIGKILL what does not end by itself (`terminationGracePeriodSeconds`), and then nothing is given
back and nothing is logged. So the sum of all bounds stays below the grace of the manifests in `k8s/`.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any

import structlog

from libs.tasks import cancelled

log = structlog.get_logger(__name__)

# After `drain_deadline`: the time in which a listener closes the remaining sessions and returns its leases.
LISTENER = timedelta(seconds=2)
# All adapters of all services are closed at the same time, then what the process has once.
ADAPTERS = timedelta(seconds=4)
BUS = timedelta(seconds=4)
# A process that does not end because a thread of it is stuck, ends hard. All of the above fits into it,
# with one more `ADAPTERS` for HTTP and background work.
CLOSING = timedelta(seconds=15)


async def within(limit: timedelta, name: str, step: Coroutine[Any, Any, Any]) -> None:
    """Run `step`, cut off after `limit`. Its errors are logged, so that the other steps still run."""
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


def exit_after(limit: timedelta, last: Callable[[], None]) -> threading.Timer:
    """Call `last` and exit the process after `limit`, unless the returned timer is cancelled."""
    timer = threading.Timer(limit.total_seconds(), _exit_now, [limit, last])
    timer.daemon = True
    timer.start()
    return timer


def _exit_now(limit: timedelta, last: Callable[[], None]) -> None:
    """Exit at once. Nothing is lost: messages in flight are not acknowledged, and are redelivered."""
    threads = sorted(thread.name for thread in threading.enumerate() if not thread.daemon)
    line = f"facteur: ended hard, not down within {limit.total_seconds():g} s; threads: {', '.join(threads)}"
    print(line, file=sys.stderr, flush=True)  # noqa: T201
    try:
        last()
    finally:
        os._exit(1)
