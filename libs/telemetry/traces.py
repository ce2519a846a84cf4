"""Traces from SMTP to mailbox: spans go to OTLP, the W3C context travels in the headers of each queue message."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import SpanKind, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_propagator = TraceContextTextMapPropagator()


class Traces:
    """The spans of one service. Without an endpoint nothing is recorded, and a context that came in still goes on."""

    def __init__(self, service: str, *, endpoint: str, ratio: float) -> None:
        self._provider: TracerProvider | None = None
        if endpoint:
            self._provider = TracerProvider(
                sampler=ParentBased(TraceIdRatioBased(ratio)), resource=Resource.create({"service.name": service})
            )
            self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))
            self._tracer = self._provider.get_tracer("facteur")

    @contextmanager
    def span(self, name: str, headers: Mapping[str, str], **attributes: str) -> Iterator[dict[str, str]]:
        """A span under the context in `headers`; yields the headers that carry the context on."""
        if self._provider is None:
            yield {key: value for key, value in headers.items() if key in ("traceparent", "tracestate")}
            return
        parent: Context = _propagator.extract(headers)
        with self._tracer.start_as_current_span(
            name, context=parent, kind=SpanKind.CONSUMER, attributes=attributes
        ) as span:
            onward: dict[str, str] = {}
            _propagator.inject(onward, set_span_in_context(span))
            yield onward

    def close(self) -> None:
        """Send what is left. Blocking: call it off the event loop."""
        if self._provider is not None:
            self._provider.shutdown()
