"""What messages that are made to hurt cost the offline chain: time, and memory at its peak."""

from __future__ import annotations

import asyncio
import time
import tracemalloc
from collections.abc import Iterator

from services.antispam.chain import CHAIN
from services.antispam.filtering.runner import Runner
from services.antispam.filtering.steps import plan
from services.antispam.policy.policy import DEFAULT_POLICY
from tests.specimens.antispam import a_context, a_view
from tests.specimens.hostile import HOSTILE

HEADING = """\
| attack input | octets | CPU ms | MB at the peak | dearest filter |
| --- | --- | --- | --- | --- |"""

_OFFLINE = [planned for planned in plan(CHAIN, DEFAULT_POLICY) if planned.step.deadline is None]


def lines() -> Iterator[str]:
    """Time and memory are taken by themselves, for counting memory costs time."""
    for name, raw in HOSTILE.items():
        started = time.process_time()
        judgement = asyncio.run(Runner(CHAIN).run(a_view(raw), a_context(), _OFFLINE))
        ms = 1000 * (time.process_time() - started)
        dearest = max(judgement.results, key=lambda result: result.ms)
        tracemalloc.start()
        asyncio.run(Runner(CHAIN).run(a_view(raw), a_context(), _OFFLINE))
        megabytes = tracemalloc.get_traced_memory()[1] / 1_000_000
        tracemalloc.stop()
        yield f"| {name} | {len(raw)} | {ms:.0f} | {megabytes:.1f} | {dearest.step.name} {dearest.ms:.0f} ms |"
