"""One message, one trace, across a real bus and two services, as a collector receives it (OTLP/HTTP)."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import closing
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from libs.blobs.files import FileBlobs
from libs.bus.embedded import EmbeddedBus
from libs.envelope import Mail, Temporary
from libs.runtime import Outbox, QueueHandler, Route
from libs.runtime.worker import Worker
from libs.telemetry import Metrics, Traces, spans
from tests import builders

ANTIVIRUS, STORE = "mail.antivirus", "mail.store"


class Collector:
    """Keeps the spans it is sent, by the name of their service."""

    def __init__(self) -> None:
        self.spans: list[tuple[str, Span]] = []
        self.paths: set[str] = set()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                collector.take(self.path, ExportTraceServiceRequest.FromString(body))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Silent."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = Thread(target=self.server.serve_forever, args=(0.02,))
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def take(self, path: str, request: ExportTraceServiceRequest) -> None:
        self.paths.add(path)
        for resource in request.resource_spans:
            [name] = [a.value.string_value for a in resource.resource.attributes if a.key == "service.name"]
            self.spans += [(name, span) for scope in resource.scope_spans for span in scope.spans]

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def collector() -> Iterator[Collector]:
    with closing(Collector()) as collector:
        yield collector


@pytest.fixture
async def bus(tmp_path: Path) -> AsyncIterator[EmbeddedBus]:
    bus = EmbeddedBus(tmp_path / "bus", retry_delays=[timedelta(milliseconds=5)])
    await bus.start()
    await bus.declare(ANTIVIRUS, STORE)
    yield bus
    await bus.close()


def a_mail() -> Mail:
    return builders.a_mail(raw=b"raw", id="a1")


class Services:
    """ingress publishes, antivirus hands on, store ends it; each with its own `Traces`, as in its own process."""

    def __init__(self, bus: EmbeddedBus, directory: Path, *, endpoint: str, ratio: float) -> None:
        self._bus = bus
        self._blobs = FileBlobs(directory)
        self._traces = {
            name: Traces(name, endpoint=endpoint, ratio=ratio) for name in ("ingress", "antivirus", "store")
        }
        self.done = asyncio.Event()
        self.tries = 0

    def outbox(self, service: str) -> Outbox:
        return Outbox(self._bus, self._blobs, inline_limit_bytes=1000).traced(self._traces[service])

    async def run(self) -> None:
        async def scan(mail: Mail) -> Iterable[Route]:
            return (Route(STORE, mail),)

        async def deliver(mail: Mail) -> Iterable[Route]:
            self.tries += 1
            if self.tries == 1:
                raise Temporary("the first try fails")
            self.done.set()
            return ()

        for service, queue, handle in (("antivirus", ANTIVIRUS, scan), ("store", STORE, deliver)):
            worker = Worker(
                QueueHandler(queue, handle), self._blobs, self.outbox(service), Metrics(), self._traces[service],
                timedelta(seconds=5),
            )  # fmt: skip
            await self._bus.consume(queue, worker)
        await self.outbox("ingress").send(ANTIVIRUS, a_mail())
        async with asyncio.timeout(10):
            await self.done.wait()
            while (await self._bus.depth(STORE)).pending:
                await asyncio.sleep(0.005)

    async def close(self) -> None:
        await asyncio.gather(*(asyncio.to_thread(traces.close) for traces in self._traces.values()))


async def test_one_message_is_one_trace_from_ingress_to_store(
    bus: EmbeddedBus, tmp_path: Path, collector: Collector
) -> None:
    services = Services(bus, tmp_path, endpoint=collector.url, ratio=1.0)
    await services.run()
    await services.close()
    assert collector.paths == {"/v1/traces"}
    by_service = {name: [span for service, span in collector.spans if service == name] for name, _ in collector.spans}
    assert {name: len(spans) for name, spans in by_service.items()} == {"ingress": 1, "antivirus": 1, "store": 2}
    assert len({span.trace_id for _, span in collector.spans}) == 1
    [publish], [scan], deliveries = by_service["ingress"], by_service["antivirus"], by_service["store"]
    assert publish.parent_span_id == b""
    assert scan.parent_span_id == publish.span_id
    assert [delivery.parent_span_id for delivery in deliveries] == [scan.span_id] * 2
    assert [publish.kind, scan.kind] == [Span.SPAN_KIND_PRODUCER, Span.SPAN_KIND_CONSUMER]
    assert [publish.name, scan.name] == [f"publish {ANTIVIRUS}", ANTIVIRUS]
    failed = [delivery.status.message for delivery in deliveries if delivery.status.code == 2]
    assert failed == ["Temporary: the first try fails"]
    for _, span in collector.spans:
        assert {a.key: a.value.string_value for a in span.attributes}["message_id"] == "a1"


async def test_what_is_not_sampled_is_sent_by_nobody(bus: EmbeddedBus, tmp_path: Path, collector: Collector) -> None:
    services = Services(bus, tmp_path, endpoint=collector.url, ratio=0.0)
    await services.run()
    await services.close()
    assert collector.spans == []


async def test_without_a_collector_mail_goes_on_and_the_end_is_not_held_up(
    bus: EmbeddedBus, tmp_path: Path, free_port: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spans, "SEND_TIMEOUT_SECONDS", 0.5)
    services = Services(bus, tmp_path, endpoint=f"http://127.0.0.1:{free_port()}", ratio=1.0)
    await services.run()
    async with asyncio.timeout(20):
        await services.close()


def test_a_path_of_ones_own_is_kept(collector: Collector) -> None:
    traces = Traces("x", endpoint=f"{collector.url}/tenant/traces", ratio=1.0)
    with traces.publishing("publish x"):
        pass
    traces.close()
    assert collector.paths == {"/tenant/traces"}
