"""Spans by OpenTelemetry, sent in batches from a thread of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import urlsplit

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

SEND_TIMEOUT_SECONDS = 5

_propagator = TraceContextTextMapPropagator()


class Spans:
    """The spans of one service. `ratio` applies where a trace begins; later services follow the decision."""

    def __init__(self, service: str, *, endpoint: str, ratio: float) -> None:
        self._provider = TracerProvider(
            sampler=ParentBased(TraceIdRatioBased(ratio)), resource=Resource.create({"service.name": service})
        )
        exporter = OTLPSpanExporter(endpoint=_traces_url(endpoint), timeout=SEND_TIMEOUT_SECONDS)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("facteur")

    @contextmanager
    def received(
        self, name: str, headers: Mapping[str, str], attributes: Mapping[str, str]
    ) -> Iterator[dict[str, str]]:
        """The handling of a message that came with `headers`."""
        parent = _propagator.extract(headers, Context())
        with self._tracer.start_as_current_span(name, context=parent, kind=SpanKind.CONSUMER, attributes=attributes):
            yield _headers()

    @contextmanager
    def published(self, name: str, attributes: Mapping[str, str]) -> Iterator[dict[str, str]]:
        """The publishing of a message by whatever runs now."""
        with self._tracer.start_as_current_span(name, kind=SpanKind.PRODUCER, attributes=attributes):
            yield _headers()

    def close(self) -> None:
        """Send the remaining spans."""
        self._provider.shutdown()


def _headers() -> dict[str, str]:
    headers: dict[str, str] = {}
    _propagator.inject(headers)
    return headers


def _traces_url(endpoint: str) -> str:
    """A collector's address is given without a path as a rule; OTLP/HTTP has one for each signal."""
    return endpoint if urlsplit(endpoint).path.strip("/") else f"{endpoint.rstrip('/')}/v1/traces"
