"""Ingress as it runs, over real sockets: an embedded bus, a MongoDB, and neighbours that answer over HTTP."""

from __future__ import annotations

import asyncio
import base64
import re
import socket
import ssl
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import uvicorn
import uvloop
from fastapi import FastAPI, Request, Response

from libs.bus import Delivery
from libs.bus.embedded import EmbeddedBus
from libs.envelope import Mail, decode
from libs.envelope.queues import ANTIVIRUS
from libs.mongo import Mongo
from libs.runtime import Service, Shared
from libs.runtime.process import RunningService
from libs.settings import API_PORTS
from services.ingress import app
from tests.servers.facteur import free_port_base
from tests.servers.replicas import service_process, shared_in

PORTS = {"mx": 2525, "submission": 2587, "submissions": 2465}


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loop that runs in production."""
    return {"uvloop": uvloop.new_event_loop}


# The neighbours


@dataclass
class Neighbours:
    """Router and quota: what they know, what they were asked, and whether they answer."""

    recipients: dict[str, dict[str, Any]] = field(default_factory=dict)
    passwords: dict[str, str] = field(default_factory=dict)
    usage: dict[str, tuple[int, int]] = field(default_factory=dict)
    allowance: dict[str, Any] = field(default_factory=lambda: {"allowed": True, "retry_at": None, "reason": ""})
    asked: Counter[str] = field(default_factory=Counter)
    sends: list[dict[str, Any]] = field(default_factory=list)
    suspended: set[str] = field(default_factory=set)
    away: set[str] = field(default_factory=set)
    slow: float = 0.0

    def add_account(self, address: str, *, password: str = "motdepasse1", **more: Any) -> None:
        domain = address.partition("@")[2]
        self.recipients[address] = {"status": "local", "domain": domain, "account": address, **more}
        self.passwords[address] = password

    def recipient(self, address: str) -> dict[str, Any]:
        ours = {known.partition("@")[2] for known in self.recipients}
        domain = address.partition("@")[2]
        missing = {"status": "unknown", "domain": domain} if domain in ours else {"status": "not_ours"}
        return self.recipients.get(address.lower(), missing)

    def application(self) -> FastAPI:
        api = FastAPI()

        @api.middleware("http")
        async def count(request: Request, answer: Callable[[Request], Awaitable[Response]]) -> Response:
            self.asked[request.url.path] += 1
            if self.slow:
                await asyncio.sleep(self.slow)
            name = "quota" if request.url.path.startswith(("/v1/usage", "/v1/sends")) else "router"
            return Response(status_code=503) if name in self.away else await answer(request)

        @api.get("/readyz")
        async def ready() -> dict[str, str]:
            return {}

        @api.get("/v1/recipients/{address:path}")
        async def recipient(address: str) -> dict[str, Any]:
            return self.recipient(address)

        @api.post("/v1/authentications")
        async def authenticate(body: dict[str, str]) -> Response:
            login = body["login"].lower()
            if self.passwords.get(login) != body["password"]:
                return Response(status_code=401)
            if login in self.suspended:
                return Response(status_code=423)
            return Response(f'{{"account": "{login}", "addresses": ["{login}"], "may_send": true}}')

        @api.get("/v1/senders/{account}")
        async def senders(account: str) -> dict[str, Any]:
            aliases = [address for address, known in self.recipients.items() if known.get("account") == account]
            return {"account": account, "addresses": [account, *aliases], "may_send": account not in self.suspended}

        @api.get("/v1/usage/{address}")
        async def usage(address: str) -> Response:
            if address not in self.usage:
                return Response(status_code=404)
            used, limit = self.usage[address]
            return Response(f'{{"used_bytes": {used}, "limit_bytes": {limit}, "messages": 1, "percent": 1.0}}')

        @api.post("/v1/sends")
        async def sends(body: dict[str, Any]) -> dict[str, Any]:
            self.sends.append(body)
            return self.allowance

        return api


class _Server(uvicorn.Server):
    def install_signal_handlers(self) -> None:
        """Signals belong to the test run."""


@pytest.fixture
async def neighbours(port_base: int) -> AsyncIterator[Neighbours]:
    """jean and marie have accounts at example.org, abuse leads to both; nobody is at example.org else."""
    known = Neighbours()
    known.add_account("jean.toto@example.org")
    known.add_account("marie.dupont@example.org")
    known.recipients["info@example.org"] = {
        "status": "local",
        "domain": "example.org",
        "account": "jean.toto@example.org",
    }
    for name in ("abuse", "postmaster"):
        known.recipients[f"{name}@example.org"] = {"status": "local", "domain": "example.org", "account": None}
    sockets = [socket.create_server(("127.0.0.1", API_PORTS[name] + port_base)) for name in ("router", "quota")]
    server = _Server(uvicorn.Config(known.application(), lifespan="off", log_level="error", access_log=False))
    task = asyncio.create_task(server.serve(sockets=sockets))
    while not server.started:
        await asyncio.sleep(0.005)
    yield known
    server.should_exit = True
    server.force_exit = True
    await task


# The service


@pytest.fixture
def port_base() -> int:
    """A base at which all ports are free."""
    return free_port_base()


@dataclass
class Ingress:
    """One running ingress, what it published, and peers to talk to it."""

    service: Service
    running: RunningService
    shared: Shared
    port_base: int
    received: list[Mail]
    stack: AsyncExitStack

    def port(self, listener: str) -> int:
        return PORTS[listener] + self.port_base

    async def connect(self, listener: str = "mx", *, greeted: bool = True, source: str = "127.0.0.1") -> Peer:
        """A peer that has heard the greeting, or not."""
        tls = trusting() if listener == "submissions" else None
        reader, writer = await asyncio.open_connection(
            "::1" if ":" in source else "127.0.0.1", self.port(listener), ssl=tls, local_addr=(source, 0), limit=2**24
        )
        peer = Peer(reader, writer)
        self.stack.push_async_callback(peer.close)
        if greeted:
            assert (await peer.reply()).startswith("220 ")
        return peer

    async def mx(self) -> Peer:
        """A peer that has said EHLO on the MX port."""
        peer = await self.connect()
        await peer.say("EHLO client.example.net", expect=250)
        return peer

    async def user(self, address: str = "jean.toto@example.org", password: str = "motdepasse1") -> Peer:
        """An authenticated user, on implicit TLS."""
        peer = await self.connect("submissions")
        await peer.say("EHLO client.example.net", expect=250)
        await peer.say(f"AUTH PLAIN {plain(address, password)}", expect=235)
        return peer

    def metric(self, name: str, **labels: str) -> float:
        return self.service.metrics.registry.get_sample_value(name, labels) or 0.0


class Peer:
    """A raw SMTP peer."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, octets: bytes) -> None:
        self.writer.write(octets)
        await self.writer.drain()

    async def reply(self, limit: float = 10.0) -> str:
        """The next reply, all of its lines; empty when the connection was closed."""
        lines = []
        async with asyncio.timeout(limit):
            while True:
                try:
                    line = (await self.reader.readline()).decode()
                except ConnectionError:
                    line = ""
                lines.append(line)
                if line[3:4] != "-":
                    return "".join(lines).strip()

    async def say(self, command: str | bytes, *, expect: int | str | None = None) -> str:
        """A command and its reply, whose code (and enhanced status) must be as expected."""
        await self.send((command.encode() if isinstance(command, str) else command) + b"\r\n")
        reply = await self.reply()
        if expect is not None:
            assert reply.startswith(str(expect)), f"{command!r} -> {reply!r}"
        return reply

    async def envelope(self, *recipients: str, sender: str = "someone@example.net") -> None:
        """MAIL and RCPT, all accepted."""
        await self.say(f"MAIL FROM:<{sender}>", expect=250)
        for recipient in recipients or ("jean.toto@example.org",):
            await self.say(f"RCPT TO:<{recipient}>", expect=250)

    async def data(self, content: bytes, *, expect: int | str = 250) -> str:
        """DATA and its content, dots doubled as they must be."""
        await self.say("DATA", expect=354)
        stuffed = re.sub(rb"(?m)^\.", b"..", content)
        return await self.say(
            stuffed + (b"" if stuffed.endswith(b"\r\n") or not stuffed else b"\r\n") + b".", expect=expect
        )

    async def is_closed(self, limit: float = 10.0) -> bool:
        """Whether the server closes the connection, within the limit."""
        async with asyncio.timeout(limit):
            try:
                return await self.reader.read() == b""
            except ConnectionError:
                return True

    async def start_tls(self) -> None:
        await self.say("STARTTLS", expect=220)
        await self.writer.start_tls(trusting())

    async def close(self) -> None:
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except (ConnectionError, ssl.SSLError, TimeoutError):
            return


def trusting() -> ssl.SSLContext:
    """A client that takes any certificate."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def plain(login: str, password: str) -> str:
    """The initial response of AUTH PLAIN."""
    return base64.b64encode(f"\0{login}\0{password}".encode()).decode()


@pytest.fixture(scope="session")
def encode_plain() -> Callable[[str, str], str]:
    return plain


Start = Callable[..., Awaitable[Ingress]]


@pytest.fixture(scope="session")
def var_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One certificate for all tests."""
    return tmp_path_factory.mktemp("var")


@pytest.fixture(scope="session")
def prefix() -> str:
    """One database for all tests: making one takes longer than most of them."""
    return f"t{uuid.uuid4().hex[:12]}_"


@pytest.fixture
async def start(
    tmp_path: Path, var_dir: Path, mongo_url: str, prefix: str, neighbours: Neighbours, port_base: int
) -> AsyncIterator[Start]:
    """Start ingress with settings of its own; everything it publishes is in `received`."""
    async with AsyncExitStack() as stack:
        mongo = Mongo(mongo_url, prefix=prefix)
        stack.push_async_callback(mongo.close)

        async def run(**settings: Any) -> Ingress:
            bus = EmbeddedBus(tmp_path / "bus")
            await bus.start()
            stack.push_async_callback(bus.close)
            await bus.declare(ANTIVIRUS)
            shared = shared_in(tmp_path, mongo, bus)
            received: list[Mail] = []

            async def take(delivery: Delivery) -> None:
                mail = decode(delivery.body)
                blob = mail.envelope.blob
                received.append(Mail(mail.envelope, await shared.blobs.get(blob)) if blob else mail)
                await delivery.ack()

            consumer = await bus.consume(ANTIVIRUS, take, prefetch=50)
            stack.push_async_callback(consumer.stop)
            given = {"port_base": port_base, "var_dir": var_dir, "auth_failure_delay": timedelta(0), **settings}
            own = app.Settings(**given)
            process = await stack.enter_async_context(service_process(app, own, shared))
            return Ingress(process.service, process.running, shared, port_base, received, stack)

        yield run


@pytest.fixture
async def ingress(start: Start) -> Ingress:
    """With the defaults, but for pauses."""
    return await start()


@pytest.fixture
def specimen() -> bytes:
    """A plain message."""
    return b"From: someone@example.net\r\nTo: jean.toto@example.org\r\nSubject: Bonjour\r\n\r\nUn.\r\n.deux\r\n"
