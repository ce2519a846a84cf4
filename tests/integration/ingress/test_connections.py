"""Certificates, load balancers, file descriptors, and the way down."""

from __future__ import annotations

import asyncio
import itertools
import os
import resource
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from libs.events import PeerBlacklisted
from services.ingress.adapters.self_signed import self_signed
from services.ingress.admission import SmtpAdmission

Eventually = Callable[..., Awaitable[None]]


async def presented(ingress: Any, listener: str) -> bytes:
    """The certificate that a new connection sees."""
    peer = await ingress.connect(listener)
    if listener != "submissions":
        await peer.say("EHLO client.example.net", expect=250)
        await peer.start_tls()
    der = peer.writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    await peer.close()
    return bytes(der)


async def test_a_certificate_that_changes_is_used_without_a_restart_and_a_broken_one_is_not(
    start: Any, tmp_path: Path
) -> None:
    first, second = (self_signed(tmp_path / name, "mx.example.org") for name in ("first", "second"))
    chain = tmp_path / "chain.pem"
    chain.write_bytes(first.certificate.read_bytes() + first.key.read_bytes())
    ingress = await start(certificate_file=chain, certificate_check_interval=timedelta(seconds=0.05))
    expected = [ssl.PEM_cert_to_DER_cert(files.certificate.read_text()) for files in (first, second)]
    for listener in ("mx", "submission", "submissions"):
        assert await presented(ingress, listener) == expected[0]
    chain.write_bytes(b"half a certif")
    await asyncio.sleep(0.2)
    assert await presented(ingress, "mx") == expected[0]
    chain.write_bytes(second.certificate.read_bytes() + second.key.read_bytes())
    async with asyncio.timeout(10):
        while await presented(ingress, "submissions") != expected[1]:
            await asyncio.sleep(0.05)
    assert await presented(ingress, "mx") == expected[1]


async def test_a_certificate_that_cannot_be_used_ends_the_start_with_one_line(start: Any, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"TLS certificate .*missing\.pem: .*No such file"):
        await start(certificate_file=tmp_path / "missing.pem")


async def test_without_a_certificate_there_is_no_start_where_none_may_be_made(start: Any) -> None:
    with pytest.raises(ValueError, match="set certificate_file"):
        await start(self_signed=False)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
async def test_old_tls_is_refused(ingress: Any, version: ssl.TLSVersion) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLS"):
        context.minimum_version = context.maximum_version = version
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await asyncio.open_connection("127.0.0.1", ingress.port("submissions"), ssl=context)


@pytest.mark.parametrize("listener", ["mx", "submissions"])
async def test_no_handshake_is_lost_however_early_its_octets_come(ingress: Any, listener: str) -> None:
    for _ in range(60):
        peer = await ingress.connect(listener)
        if listener == "mx":
            await peer.say("EHLO client.example.net", expect=250)
            await peer.start_tls()
        await peer.say("EHLO client.example.net", expect=250)
        await peer.say("QUIT", expect=221)
        await peer.close()


async def test_a_peer_without_a_tls_handshake_is_disconnected(start: Any) -> None:
    ingress = await start(tls_handshake_timeout=timedelta(seconds=0.3))
    reader, writer = await asyncio.open_connection("127.0.0.1", ingress.port("submissions"))
    async with asyncio.timeout(10):
        assert await reader.read() == b""
    writer.close()


# Several addresses


async def test_one_process_listens_on_both_families(start: Any, eventually: Eventually, specimen: bytes) -> None:
    ingress = await start(host=("127.0.0.1", "::1"), max_connections_per_peer=2)
    for source in ("127.0.0.1", "::1"):
        for listener in ("mx", "submission", "submissions"):
            assert await presented_from(ingress, listener, source)
        peer = await ingress.connect(source=source)
        await peer.say("EHLO client.example.net", expect=250)
        await peer.envelope()
        await peer.data(specimen)
        # Each family is counted for itself.
        await ingress.connect(source=source)
        assert (await (await ingress.connect(greeted=False, source=source)).reply()).startswith("421 4.7.0")
    await eventually(lambda: len(ingress.received) == 2)
    assert [mail.envelope.peer.address for mail in ingress.received] == ["127.0.0.1", "::1"]


async def presented_from(ingress: Any, listener: str, source: str) -> bool:
    peer = await ingress.connect(listener, source=source)
    await peer.say("EHLO client.example.net", expect=250)
    await peer.say("QUIT", expect=221)
    assert await peer.is_closed()
    await peer.close()
    return True


async def test_a_port_that_is_taken_on_one_address_ends_the_start_and_frees_the_others(
    start: Any, port_base: int
) -> None:
    with (
        socket.create_server(("127.0.0.2", 2525 + port_base)),
        pytest.raises(OSError, match=r"cannot listen on 127\.0\.0\.2:\d+: Address already in use"),
    ):
        await start(host=("127.0.0.1", "127.0.0.2"))
    socket.create_server(("127.0.0.1", 2525 + port_base)).close()


async def test_bans_hold_on_ipv6(start: Any, eventually: Eventually) -> None:
    ingress = await start(host=("127.0.0.1", "::1"))
    fact = PeerBlacklisted(address="::7", until_epoch=datetime.now(UTC).timestamp() + 60)
    await ingress.shared.bus.emit(fact.to_bus())
    async with asyncio.timeout(10):
        while not (await (await ingress.connect(greeted=False, source="::1")).reply()).startswith("421 4.7.0"):
            await asyncio.sleep(0.01)
    await ingress.connect()


# Behind a balancer


V2 = b"\r\n\r\n\0\r\nQUIT\n"


@pytest.mark.parametrize(
    ("header", "address"),
    [
        (b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 25\r\n", "192.0.2.7"),
        (b"PROXY TCP6 2001:db8::7 2001:db8::1 4711 25\r\n", "2001:db8::7"),
        (b"PROXY TCP6 ::ffff:192.0.2.7 ::ffff:192.0.2.1 4711 25\r\n", "192.0.2.7"),
        (b"PROXY UNKNOWN\r\n", "127.0.0.1"),
        (V2 + b"\x21\x11\0\x0c" + bytes([192, 0, 2, 7, 192, 0, 2, 1]) + b"\x12\x67\0\x19", "192.0.2.7"),
        (V2 + b"\x20\x00\0\x00", "127.0.0.1"),
    ],
    ids=["v1 TCP4", "v1 TCP6", "v1 TCP6 mapped", "v1 UNKNOWN", "v2 TCP4", "v2 LOCAL"],
)
async def test_a_balancer_says_who_the_peer_is(
    start: Any, eventually: Eventually, specimen: bytes, header: bytes, address: str
) -> None:
    ingress = await start(proxy_networks=("127.0.0.1/32",), max_connections_per_peer=1)
    peer = await ingress.connect(greeted=False)
    await peer.send(header)
    assert (await peer.reply()).startswith("220")
    await peer.say("EHLO client.example.net", expect=250)
    await peer.envelope()
    await peer.data(specimen)
    await eventually(lambda: len(ingress.received) == 1)
    assert ingress.received[0].envelope.peer.address == address


async def test_a_balancer_in_front_of_implicit_tls_may_send_header_and_handshake_together(
    start: Any, tmp_path: Path
) -> None:
    ingress = await start(proxy_networks=("127.0.0.1/32",))
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    tls = context.wrap_bio(incoming, outgoing)
    reader, writer = await asyncio.open_connection("127.0.0.1", ingress.port("submissions"))
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    writer.write(b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 465\r\n" + outgoing.read())
    greeting = b""
    async with asyncio.timeout(10):
        while not greeting:
            incoming.write(await reader.read(65536))
            try:
                tls.do_handshake()
                greeting = tls.read(100)
            except ssl.SSLWantReadError:
                writer.write(outgoing.read())
    assert greeting.startswith(b"220 ")
    writer.close()


@pytest.mark.parametrize(
    "header",
    [
        b"EHLO client.example.net\r\n",
        b"PROXY TCP4 999.0.2.7 192.0.2.1 4711 25\r\n",
        b"PROXY TCP4 192.0.2.7 192.0.2.1 99999 25\r\n",
        b"PROXY " + b"x" * 200,
        V2 + b"\x21\x11\xff\xff",
        V2 + b"\x21\x11\0\x02ab",
        V2 + b"\x31\x11\0\x00",
    ],
)
async def test_a_balancer_that_sends_no_good_header_is_dropped(start: Any, header: bytes) -> None:
    ingress = await start(proxy_networks=("127.0.0.1/32",))
    peer = await ingress.connect(greeted=False)
    await peer.send(header)
    assert await peer.is_closed()


async def test_a_proxy_header_from_a_peer_that_is_not_a_balancer_ends_the_session(ingress: Any) -> None:
    peer = await ingress.connect()
    await peer.say("PROXY TCP4 192.0.2.7 192.0.2.1 4711 25", expect="500 5.5.2")
    assert await peer.is_closed()


async def test_a_banned_peer_behind_a_balancer_is_refused(start: Any, eventually: Eventually) -> None:
    ingress = await start(proxy_networks=("127.0.0.1/32",))
    until = (datetime.now(UTC) + timedelta(minutes=5)).timestamp()
    await ingress.shared.bus.emit(PeerBlacklisted(address="192.0.2.7", until_epoch=until).to_bus())

    async def greeting() -> str:
        peer = await ingress.connect(greeted=False)
        await peer.send(b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 25\r\n")
        return str(await peer.reply())

    async with asyncio.timeout(10):
        while not (await greeting()).startswith("421 4.7.0"):
            await asyncio.sleep(0.01)


# Limits of the machine


@pytest.fixture
def few_descriptors() -> Iterator[Callable[[int], None]]:
    """Leave this process only so many more file descriptors."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)

    def limit(more: int) -> None:
        used = {int(name) for name in os.listdir("/proc/self/fd")}
        free = (number for number in itertools.count() if number not in used)
        resource.setrlimit(resource.RLIMIT_NOFILE, (next(itertools.islice(free, more, None)), before[1]))

    yield limit
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


class ConnectionFlood:
    """A process of its own that opens many connections when it is told to, and keeps them."""

    SCRIPT = (
        "import resource, socket, sys\n"
        "hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))\n"
        "port, count = map(int, sys.stdin.readline().split())\n"
        "found = [socket.create_connection(('127.0.0.1', port)) for _ in range(count)]\n"
        "print('open', flush=True)\n"
        "sys.stdin.read()\n"
    )

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process, self._tell, self._told = process, process.stdin, process.stdout

    async def open(self, port: int, count: int) -> None:
        self._tell.write(b"%d %d\n" % (port, count))
        assert await asyncio.wait_for(self._told.readline(), 30) == b"open\n"

    async def close(self) -> None:
        self._tell.close()
        await self._process.wait()


@pytest.fixture
async def clients() -> AsyncIterator[ConnectionFlood]:
    """Started before the test takes its descriptors away: a process inherits the limit, and needs pipes to start."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", ConnectionFlood.SCRIPT, stdin=pipe, stdout=pipe
    )
    clients = ConnectionFlood(process)
    yield clients
    await clients.close()


async def test_without_file_descriptors_load_is_shed_and_service_goes_on(
    start: Any,
    specimen: bytes,
    clients: ConnectionFlood,
    few_descriptors: Callable[[int], None],
    eventually: Eventually,
) -> None:
    ingress = await start(max_connections_per_peer=500)
    served = await ingress.mx()
    await served.envelope()  # the router is known from here on: asking it needs a descriptor, too
    await served.say("RSET", expect=250)
    few_descriptors(20)
    await clients.open(ingress.port("mx"), 60)
    await served.envelope()
    await served.say("NOOP", expect=250)
    assert ingress.metric("facteur_ingress_open_sessions", listener="mx") < 60
    await clients.close()
    await eventually(lambda: ingress.metric("facteur_ingress_open_sessions", listener="mx") <= 1)
    await served.data(specimen)
    newcomer = await ingress.mx()
    await newcomer.envelope()


# The way down


async def test_a_drain_sends_421_to_idle_sessions_and_finishes_a_message_in_transfer(
    start: Any, specimen: bytes, eventually: Eventually
) -> None:
    ingress = await start()
    idle, busy = await ingress.mx(), await ingress.mx()
    await busy.envelope()
    await busy.say("DATA", expect=354)
    await busy.send(specimen[:20])
    draining = asyncio.create_task(ingress.running.drain())
    assert (await idle.reply()).startswith("421 4.3.2")
    assert await idle.is_closed()
    with pytest.raises(ConnectionRefusedError):
        await ingress.connect()
    await busy.send(specimen[20:].replace(b"\r\n.", b"\r\n..") + b".\r\n")
    assert (await busy.reply()).startswith("250 2.6.0")
    assert (await busy.reply()).startswith("421 4.3.2")
    await draining
    await eventually(lambda: len(ingress.received) == 1)


async def test_a_drain_ends_at_its_deadline(start: Any) -> None:
    ingress = await start(drain_deadline=timedelta(seconds=0.2))
    stuck = await ingress.mx()
    await stuck.envelope()
    await stuck.say("DATA", expect=354)
    async with asyncio.timeout(5):
        await ingress.running.drain()
    assert await stuck.is_closed()
    assert ingress.received == []


async def test_a_peer_that_does_not_read_replies_is_disconnected(start: Any) -> None:
    ingress = await start(
        data_block_timeout=timedelta(seconds=0.3),
        max_commands=10**9,
        max_idle_commands=10**9,
        max_commands_per_second=10**6,
    )
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.setblocking(False)
        await asyncio.get_running_loop().sock_connect(deaf, ("127.0.0.1", ingress.port("mx")))
        async with asyncio.timeout(60):
            with pytest.raises(ConnectionError):
                await flood(deaf, b"EHLO client.example.net\r\n", b"HELP\r\n" * 1000)


async def test_a_peer_that_floods_a_session_that_ends_is_disconnected(start: Any) -> None:
    ingress = await start(max_commands=100)
    with socket.socket() as flooding:
        flooding.setblocking(False)
        await asyncio.get_running_loop().sock_connect(flooding, ("127.0.0.1", ingress.port("mx")))
        async with asyncio.timeout(30):
            with pytest.raises(ConnectionError):
                await flood(flooding, b"EHLO client.example.net\r\n", b"RSET\r\n" * 1000)


async def flood(sock: socket.socket, first: bytes, again: bytes) -> None:
    """Send for ever, read nothing but the greeting."""
    loop = asyncio.get_running_loop()
    assert (await loop.sock_recv(sock, 4096)).startswith(b"220")
    await loop.sock_sendall(sock, first)
    assert await loop.sock_recv(sock, 1)
    while True:
        await loop.sock_sendall(sock, again)


async def test_a_session_that_swallows_its_cancellation_has_ended_before_the_listener_has(
    start: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingress = await start()
    begun = asyncio.Event()
    swallowed: list[Any] = []

    async def recipient(*args: Any, **more: Any) -> Any:
        """As `asyncio.wait_for` of Python 3.11 may, and drivers with it."""
        begun.set()
        while len(swallowed) < 2:
            try:
                await asyncio.sleep(30)
            except asyncio.CancelledError:
                swallowed.append("a cancellation")
        await asyncio.sleep(30)

    monkeypatch.setattr(SmtpAdmission, "admit_recipient", recipient)
    peer = await ingress.mx()
    await peer.say("MAIL FROM:<someone@example.net>", expect=250)
    await peer.send(b"RCPT TO:<jean.toto@example.org>\r\n")
    await begun.wait()
    [listener] = ingress.service.listeners
    await listener.stop(timedelta(seconds=0.1))
    assert len(swallowed) == 2
    assert set(listener.sessions().values()) == {0}
