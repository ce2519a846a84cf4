"""Traces from SMTP to mailbox: spans go to OTLP, the W3C context travels in the headers of each queue message.

Without tracing the cost is a dictionary for each message: the SDK of OpenTelemetry is not even imported.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

# https://www.w3.org/TR/trace-context/
CONTEXT_HEADERS = ("traceparent", "tracestate")


class _Recorder(Protocol):
    def received(
        self, name: str, headers: Mapping[str, str], attributes: Mapping[str, str]
    ) -> AbstractContextManager[dict[str, str]]: ...
    def published(self, name: str, attributes: Mapping[str, str]) -> AbstractContextManager[dict[str, str]]: ...
    def close(self) -> None: ...


class Traces:
    """The spans of one service. Without an endpoint nothing is recorded, and a context that came in still goes on."""

    def __init__(self, service: str, *, endpoint: str, ratio: float) -> None:
        self._recorder: _Recorder | None = _recorder(service, endpoint, ratio) if endpoint else None

    def span(self, name: str, headers: Mapping[str, str], **attributes: str) -> AbstractContextManager[dict[str, str]]:
        """A span under the context in `headers`; gives the headers that carry the context on."""
        if self._recorder is None or headers.get("traceparent", "").endswith("-00"):  # 00: not sampled
            return nullcontext({name: headers[name] for name in CONTEXT_HEADERS if name in headers})
        return self._recorder.received(name, headers, attributes)

    def publishing(self, name: str, **attributes: str) -> AbstractContextManager[dict[str, str]]:
        """A span under what this task does now, or the first one of a trace; gives the headers for the message."""
        if self._recorder is None:
            return nullcontext({})
        return self._recorder.published(name, attributes)

    def close(self) -> None:
        """Send the remaining spans. It blocks for some seconds at most: call it off the event loop."""
        if self._recorder is not None:
            self._recorder.close()


def _recorder(service: str, endpoint: str, ratio: float) -> _Recorder:
    from libs.telemetry.spans import Spans  # costs half a second and 20 MB, only with tracing

    return Spans(service, endpoint=endpoint, ratio=ratio)
