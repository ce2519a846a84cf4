"""Logs, metrics and traces: what the operator sees of a service."""

from libs.telemetry.logs import configure_logs
from libs.telemetry.metrics import Metrics
from libs.telemetry.traces import Traces

__all__ = ["Metrics", "Traces", "configure_logs"]
