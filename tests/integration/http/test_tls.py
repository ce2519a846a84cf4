"""The HTTP API over TLS: certificates that change, handshakes that never end, peers that speak something else."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from fastapi import APIRouter, Request

from libs.http import Checks, Client, Connections, Server, application, tls
from libs.telemetry import Metrics
from libs.tls import Certificates
from services.ingress.adapters.self_signed import self_signed
from tests.servers.tokens import tokens_in


@dataclass
class Secured:
    """A server with a certificate of its own."""

    port: int
    directory: Path

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    @property
    def ca_file(self) -> Path:
        return self.directory / "certificate.pem"

    def client(self) -> Client:
        return Client(self.url, token=lambda: "admin", ca_file=self.ca_file, deadline=timedelta(seconds=10))


@pytest.fixture
async def secured(tmp_path: Path, free_port: Callable[[], int]) -> AsyncIterator[Secured]:
    router, port = APIRouter(prefix="/v1"), free_port()

    @router.post("/raw")
    async def raw(request: Request) -> int:
        return len(await request.body())

    files = self_signed(tmp_path / "tls", "localhost")
    app = application("x", routers=[router], checks=Checks(), metrics=Metrics(), tokens=tokens_in(tmp_path))
    limits = Connections(limit=8, limit_per_network=4)
    server = Server(app, addresses=["127.0.0.1"], port=port, connections=limits, certificates=Certificates(files))
    await server.start()
    yield Secured(port, tmp_path / "tls")
    await server.stop()


async def test_a_neighbour_that_knows_the_certificate_is_answered(secured: Secured) -> None:
    client = secured.client()
    for size in (1, 500_000):
        assert (await client.call("POST", "/v1/raw", content=b"x" * size)).json() == size
    await client.close()
    async with httpx.AsyncClient(trust_env=False) as stranger:
        with pytest.raises(httpx.ConnectError):
            await stranger.get(f"{secured.url}/healthz")


async def test_plain_http_on_a_tls_port_is_closed(secured: Secured) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", secured.port)
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    try:
        async with asyncio.timeout(10):
            answer = await reader.read()
    except ConnectionResetError:
        answer = b""
    assert not answer.startswith(b"HTTP/")
    writer.close()


async def test_handshakes_that_never_end_keep_no_caller_out(secured: Secured, monkeypatch: pytest.MonkeyPatch) -> None:
    silent = [await asyncio.open_connection("127.0.0.1", secured.port) for _ in range(20)]
    client = secured.client()
    assert (await client.call("POST", "/v1/raw", content=b"x")).json() == 1
    await client.close()
    for _, writer in silent:
        writer.close()


async def test_a_handshake_has_a_deadline(secured: Secured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls, "HANDSHAKE_SECONDS", 0.2)
    reader, writer = await asyncio.open_connection("127.0.0.1", secured.port)
    async with asyncio.timeout(10):
        assert await reader.read() == b""
    writer.close()


async def test_a_renewed_certificate_is_taken_without_a_restart(secured: Secured, tmp_path: Path) -> None:
    async def shown() -> bytes:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        _, writer = await asyncio.open_connection("127.0.0.1", secured.port, ssl=context)
        certificate: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        writer.close()
        return certificate

    before = await shown()
    renewed = self_signed(tmp_path / "renewed", "localhost")
    (secured.directory / "key.pem").write_bytes(renewed.key.read_bytes())
    (secured.directory / "certificate.pem").write_bytes(renewed.certificate.read_bytes())
    assert await shown() != before
