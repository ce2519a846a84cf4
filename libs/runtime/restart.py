"""Restarts a process that has no supervisor: it executes the same program in the same process.

The number of restarts is bounded, since some failures last. The times of earlier restarts are passed on in the
environment.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from datetime import timedelta

LIMIT = 5
WINDOW = timedelta(hours=1)
VARIABLE = "_FACTEUR_RESTARTS"

Execute = Callable[[str, list[str], Mapping[str, str]], object]


def start_again(
    reason: str,
    *,
    environ: Mapping[str, str],
    now: Callable[[], float] = time.time,
    sleep: Callable[[float], None] = time.sleep,
    execute: Execute = os.execve,
) -> str:
    """Does not return, unless it has started too often: then it returns one line that says so."""
    recent = [moment for moment in _moments(environ) if now() - moment < WINDOW.total_seconds()]
    if len(recent) >= LIMIT:
        return f"{reason}; not started again, for it was {len(recent)} times within {WINDOW}"
    pause = 2 ** len(recent)
    line = f"facteur: {reason}; starts again in {pause} s ({len(recent) + 1} of {LIMIT} within {WINDOW})"
    print(line, file=sys.stderr, flush=True)  # noqa: T201
    sleep(pause)
    moments = ",".join(f"{moment:.0f}" for moment in (*recent, now()))
    execute(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**environ, VARIABLE: moments})
    return reason


def _moments(environ: Mapping[str, str]) -> list[float]:
    return [float(text) for text in environ.get(VARIABLE, "").split(",") if text.isdecimal()]
