"""Traces without a collector: what every message pays when nobody looks. With one: tests/integration/telemetry."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from libs.telemetry import Traces

ROOT = Path(__file__).parents[4]
CONTEXT = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "tracestate": "a=b"}


def test_a_context_that_came_in_goes_on_and_nothing_else_does() -> None:
    traces = Traces("store", endpoint="", ratio=1.0)
    with traces.span("mail.store", {**CONTEXT, "event": "x"}, message_id="a1") as onward:
        assert onward == CONTEXT
    with traces.publishing("mail.store", message_id="a1") as onward:
        assert onward == {}


def test_a_process_without_traces_does_not_even_load_what_records_them() -> None:
    program = "import sys, libs.runtime; sys.exit('opentelemetry.sdk' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, timeout=60)


def test_a_trace_that_nobody_samples_costs_no_span() -> None:
    traces = Traces("store", endpoint="http://127.0.0.1:9/v1/traces", ratio=1.0)
    unsampled = {"traceparent": CONTEXT["traceparent"][:-2] + "00"}
    with traces.span("mail.store", unsampled) as onward:
        assert onward == unsampled  # the same parent: no span of ours came between
