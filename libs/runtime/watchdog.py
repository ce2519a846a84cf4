"""Whether the event loop goes on: its delay as a series, and where it is stuck in the log.

A stuck loop answers no `/healthz`, so that a supervisor with a liveness probe ends the process. The log of this file
says why: a thread of its own writes the stack of the loop. If not even that thread can run, because what is stuck
holds the interpreter's lock, `faulthandler` writes it plainly to standard error.
"""

from __future__ import annotations

import asyncio
import faulthandler
import sys
import threading
import time
import traceback
from collections.abc import Sequence
from contextlib import suppress
from typing import TextIO

import structlog
from prometheus_client import Gauge

from libs.tasks import cancelled
from libs.telemetry import Metrics

log = structlog.get_logger(__name__)

BEAT = 1.0  # seconds
# Looks of the thread without a beat. Looks are counted and not seconds, since a frozen process has neither.
STUCK_AFTER = 5
PLAIN_AFTER = 30.0  # seconds


class Watchdog:
    """`start` in the loop that is watched, `stop` there too."""

    def __init__(self, all_metrics: Sequence[Metrics], *, beat: float = BEAT) -> None:
        self._lags = [_gauge(metrics) for metrics in all_metrics]
        self._beat = beat
        self._beats = 0
        self._loop_thread = threading.get_ident()
        self._over = threading.Event()
        self._task: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def start(self) -> None:
        """Begin to beat and to watch."""
        self._loop_thread = threading.get_ident()
        self._task = asyncio.get_running_loop().create_task(self._beats_on())
        self._thread.start()

    async def stop(self) -> None:
        """Watch no more: a process on its way down may well be busy."""
        self._over.set()
        faulthandler.cancel_dump_traceback_later()
        await cancelled([self._task] if self._task is not None else [])

    async def _beats_on(self) -> None:
        while True:
            self._beats += 1
            if (stream := _standard_error()) is not None:
                faulthandler.dump_traceback_later(PLAIN_AFTER, repeat=True, file=stream)
            due = time.monotonic() + self._beat
            await asyncio.sleep(self._beat)
            lag = max(0.0, time.monotonic() - due)
            for gauge in self._lags:
                gauge.set(lag)

    def _watch(self) -> None:
        seen, looks = -1, 0
        while not self._over.wait(self._beat):
            if self._beats != seen:
                if looks >= STUCK_AFTER:
                    log.warning("event_loop_recovered", stuck_looks=looks)
                seen, looks = self._beats, 0
                continue
            looks += 1
            if looks == STUCK_AFTER or looks % (12 * STUCK_AFTER) == 0:
                log.error("event_loop_blocked", looks=looks, where=self._where())

    def _where(self) -> list[str]:
        """The innermost calls of the loop's thread."""
        frame = sys._current_frames().get(self._loop_thread)
        return [line.strip() for line in traceback.format_stack(frame)[-8:]] if frame is not None else []


def _gauge(metrics: Metrics) -> Gauge:
    return metrics.gauge("facteur_event_loop_lag_seconds", "How late the event loop came to its last beat.")


def _standard_error() -> TextIO | None:
    """None where it is no file, as in tests."""
    with suppress(OSError, ValueError, AttributeError):
        sys.stderr.fileno()
        return sys.stderr
    return None
