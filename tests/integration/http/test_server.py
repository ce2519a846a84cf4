"""The server over real sockets: what the framework in one process cannot show."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse
from structlog.testing import capture_logs

from libs.http import Checks, Connections, Server, application, protocol
from libs.telemetry import Metrics
from tests.servers.tokens import tokens_in

LIMIT = 256 * 1024
FEW = Connections(limit=1, limit_per_network=1)


class Hand:
    """What a request in hand waits for."""

    def __init__(self) -> None:
        self.taken = asyncio.Event()
        self.asked = 0
        self.free = asyncio.Event()


def a_router(hand: Hand) -> APIRouter:
    router = APIRouter()

    @router.get("/slow")
    async def slow() -> str:
        hand.taken.set()
        hand.asked += 1
        await hand.free.wait()
        return "done"

    @router.post("/raw")
    async def raw(request: Request) -> int:
        return len(await request.body())

    @router.get("/large")
    async def large() -> Response:
        return Response(bytes(64 * 1024 * 1024))

    @router.get("/half")
    async def half() -> StreamingResponse:
        async def content() -> AsyncIterator[bytes]:
            yield b"half an "
            raise KeyError("bug")

        return StreamingResponse(content())

    return router


@pytest.fixture
def hand() -> Hand:
    return Hand()


@pytest.fixture
def port(free_port: Callable[[], int]) -> int:
    return free_port()


@pytest.fixture
def connections() -> Connections:
    return Connections(limit=6, limit_per_network=4)


@pytest.fixture
async def running(hand: Hand, port: int, tmp_path: Path, connections: Connections) -> AsyncIterator[Server]:
    tokens = tokens_in(tmp_path)
    (tmp_path / "admin").write_text("t")
    routers = [a_router(hand)]
    app = application("x", routers=routers, checks=Checks(), metrics=Metrics(), tokens=tokens, body_limit_bytes=LIMIT)
    running = Server(app, addresses=["127.0.0.1"], port=port, connections=connections, grace=timedelta(seconds=5))
    await running.start()
    yield running
    hand.free.set()
    await running.stop()


@pytest.fixture
async def http(running: Server, port: int) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": "Bearer t"}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers, trust_env=False) as client:
        yield client


Say = Callable[[bytes], Awaitable[bytes]]


@pytest.fixture
def say(running: Server, port: int) -> Say:
    """Send bytes, and all that comes until the server closes."""

    async def say(request: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request)
        async with asyncio.timeout(10):
            answer = await reader.read()
        writer.close()
        return answer

    return say


async def accepts(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionError:  # refused, or reset as one that nobody had accepted when the server closed
        return False
    writer.close()
    return True


async def endless() -> AsyncIterator[bytes]:
    for _ in range(64):
        yield b"x" * (LIMIT // 8)


async def test_a_body_above_the_limit_is_413_and_ends_the_connection(http: httpx.AsyncClient) -> None:
    for content in (endless(), b"x" * (LIMIT + 1)):
        response = await http.post("/raw", content=content)
        assert response.status_code == 413
        assert response.headers["connection"] == "close"
        assert response.headers["content-type"] == "application/problem+json"
    assert (await http.post("/raw", content=b"x" * LIMIT)).json() == LIMIT


async def test_the_server_does_not_name_its_software(http: httpx.AsyncClient) -> None:
    assert "server" not in (await http.get("/healthz")).headers


async def test_a_head_above_the_limit_is_431(say: Say) -> None:
    size = protocol.MAX_HEAD_BYTES + 1
    for request in (
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * size,
        b"GET /" + b"a" * size,
        b"GET /healthz HTTP/1.1\r\n" + b"X-One: a\r\n" * (size // 10),
    ):
        answer = await say(request)
        assert answer.startswith(b"HTTP/1.1 431 "), answer[:80]
        assert b"application/problem+json" in answer


async def test_a_large_body_is_no_large_head(http: httpx.AsyncClient) -> None:
    headers = {"X-Large": "a" * (protocol.MAX_HEAD_BYTES - 2000)}
    for _ in range(3):  # on one connection
        response = await http.post("/raw", content=b"x" * LIMIT, headers=headers)
        assert response.json() == LIMIT


@pytest.mark.parametrize(
    "request_bytes", [b"EHLO example.org\r\n", b"\x16\x03\x01\x02\x00\x01\x00", b"GET / HTTP/1.1\r\nHost : x\r\n\r\n"],
    ids=["SMTP", "TLS", "a space before the colon"],
)  # fmt: skip
async def test_what_is_no_http_is_400_and_is_not_repeated(say: Say, request_bytes: bytes) -> None:
    answer = await say(request_bytes)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"application/problem+json" in answer
    assert b"example.org" not in answer


async def test_whoever_does_not_finish_a_request_is_sent_away(
    say: Say, running: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.1)
    for request in (b"", b"\r\n\r\n", b"GET /healthz HTTP/1.1\r\nHost: x\r\n"):
        assert (await say(request)).startswith(b"HTTP/1.1 408 ")


async def test_a_request_in_hand_is_answered_before_the_server_ends(
    http: httpx.AsyncClient, running: Server, hand: Hand, port: int
) -> None:
    request = asyncio.create_task(http.get("/slow"))
    await hand.taken.wait()
    stopping = asyncio.create_task(running.stop())
    async with asyncio.timeout(10):
        while await accepts(port):
            await asyncio.sleep(0.01)
    hand.free.set()
    assert (await request).json() == "done"
    await stopping


async def test_half_an_answer_is_cut_off_and_never_looks_whole(http: httpx.AsyncClient) -> None:
    with pytest.raises(httpx.RemoteProtocolError), capture_logs():
        await http.get("/half")


async def test_a_client_that_goes_away_is_no_error(running: Server, port: int) -> None:
    with capture_logs() as lines:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(
            b"POST /raw HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer t\r\nContent-Length: 100\r\n\r\nonly this"
        )
        await writer.drain()
        writer.close()
        async with asyncio.timeout(10):
            while not lines:
                await asyncio.sleep(0.01)
    assert [line["event"] for line in lines] == ["http_client_disconnected"]


async def test_a_port_that_is_taken_is_one_clear_line(running: Server, port: int) -> None:
    second = Server(
        running.app, addresses=["127.0.0.1"], port=port, connections=Connections(limit=1, limit_per_network=1)
    )
    with pytest.raises(OSError, match=f"^cannot listen on 127.0.0.1:{port}: Address already in use$"):
        await second.start()
    await second.stop()  # harmless


POST = b"POST /raw HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n"


async def opened(port: int, request: bytes = b"") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    await writer.drain()
    return reader, writer


async def rest(reader: asyncio.StreamReader) -> bytes:
    """All that comes until the server closes, in whatever way."""
    try:
        async with asyncio.timeout(10):
            return await reader.read()
    except ConnectionError:
        return b""


async def test_a_refused_request_that_never_ends_its_body_is_answered_and_closed(
    port: int, running: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "LINGER_SECONDS", 0.1)
    reader, writer = await opened(port, POST + b"\r\nonly this")
    answer = await rest(reader)
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert b"connection: close" in answer
    writer.close()


async def test_a_refused_client_that_sends_its_body_first_still_reads_the_answer(port: int, running: Server) -> None:
    reader, writer = await opened(port, POST.replace(b"100000", b"900000") + b"\r\n" + b"x" * 900_000)
    assert (await rest(reader)).startswith(b"HTTP/1.1 401 ")
    writer.close()


async def test_an_endless_body_behind_a_refusal_is_cut(port: int, running: Server) -> None:
    reader, writer = await opened(port, POST.replace(b"100000", b"99000000000") + b"\r\n")

    async def endlessly() -> None:
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()

    with pytest.raises(ConnectionError):
        await asyncio.wait_for(endlessly(), 10)
    writer.close()
    assert reader is not None


async def test_a_body_that_drips_is_408(port: int, running: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "BODY_WINDOW_SECONDS", 0.2)
    reader, writer = await opened(port, POST + b"Authorization: Bearer t\r\n\r\n")

    async def drip() -> None:
        while True:
            writer.write(b"x")
            await asyncio.sleep(0.02)

    dripping = asyncio.create_task(drip())
    answer = await rest(reader)
    dripping.cancel()
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"slower than" in answer
    writer.close()


async def test_a_body_has_a_longest_time_even_when_it_keeps_its_pace(
    port: int, running: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "BODY_WINDOW_SECONDS", 0.05)
    monkeypatch.setattr(protocol, "BODY_WINDOW_BYTES", 1)
    monkeypatch.setattr(protocol, "BODY_SECONDS", 0.3)
    reader, writer = await opened(port, POST + b"Authorization: Bearer t\r\n\r\n")

    async def steadily() -> None:
        while True:
            writer.write(b"x" * 10)
            await asyncio.sleep(0.01)

    sending = asyncio.create_task(steadily())
    assert (await rest(reader)).startswith(b"HTTP/1.1 408 ")
    sending.cancel()
    writer.close()


async def test_a_peer_that_reads_no_answer_is_cut(
    port: int, running: Server, monkeypatch: pytest.MonkeyPatch, hand: Hand
) -> None:
    monkeypatch.setattr(protocol, "WRITE_SECONDS", 0.1)
    with capture_logs() as lines:
        reader, writer = await opened(port)
        writer.write(b"GET /large HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer t\r\n\r\n")
        async with asyncio.timeout(10):
            while not lines:
                await asyncio.sleep(0.01)
        writer.transport.abort()
    assert (lines[0]["event"], lines[0]["reason"]) == ("http_connection_closed", "unread")
    assert reader is not None


async def test_idle_strangers_make_room_and_a_caller_with_a_token_is_kept(port: int, http: httpx.AsyncClient) -> None:
    assert (await http.post("/raw", content=b"x")).json() == 1
    idle = [await opened(port) for _ in range(20)]
    assert (await http.get("/healthz")).status_code == 200
    async with asyncio.timeout(10):
        ended = [await reader.read() for reader, _ in idle[:16]]
    assert ended == [b""] * 16
    reader, writer = idle[-1]
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert (await rest(reader)).startswith(b"HTTP/1.1 200 ")
    for _, each in idle:
        each.close()


async def test_where_all_connections_are_busy_the_next_one_is_told(port: int, running: Server, hand: Hand) -> None:
    slow = b"GET /slow HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer t\r\n\r\n"
    busy = [await opened(port, slow) for _ in range(4)]
    async with asyncio.timeout(10):
        while hand.asked < len(busy):
            await asyncio.sleep(0.01)
    reader, refused = await opened(port)
    assert (await rest(reader)).startswith(b"HTTP/1.1 503 ")
    refused.close()
    hand.free.set()
    for reader, writer in busy:
        await reader.readuntil(b"done")
        writer.close()


HOSTS = {
    "none": b"GET /healthz HTTP/1.1\r\n\r\n",
    "two": b"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "two alike": b"GET /healthz HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n",
}


@pytest.mark.parametrize("request_bytes", HOSTS.values(), ids=HOSTS.keys())
async def test_a_request_without_exactly_one_host_is_400(say: Say, request_bytes: bytes) -> None:
    assert (await say(request_bytes)).startswith(b"HTTP/1.1 400 ")


async def test_http_1_0_needs_no_host(say: Say) -> None:
    assert (await say(b"GET /healthz HTTP/1.0\r\n\r\n")).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("protocol_name", [b"websocket", b"h2c"])
async def test_a_request_to_upgrade_is_answered_as_it_is_and_not_logged(
    say: Say, protocol_name: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    upgrade = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: " + protocol_name
    answer = await say(upgrade + b"\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert caplog.records == []


async def test_one_server_answers_on_both_families(running: Server, port: int, free_port: Callable[[], int]) -> None:
    both = free_port()
    limits = Connections(limit=10, limit_per_network=10)
    second = Server(running.app, addresses=["0.0.0.0", "::"], port=both, connections=limits)
    await second.start()
    async with httpx.AsyncClient(trust_env=False) as http:
        for host in ("127.0.0.1", "[::1]"):
            assert (await http.get(f"http://{host}:{both}/healthz")).status_code == 200
    await second.stop()


async def test_an_address_that_cannot_be_had_keeps_none_of_the_others(
    running: Server, free_port: Callable[[], int]
) -> None:
    other = free_port()
    for addresses in (["127.0.0.1", "192.0.2.1"], ["127.0.0.1", "127.0.0.1"]):
        second = Server(
            running.app, addresses=addresses, port=other, connections=Connections(limit=1, limit_per_network=1)
        )
        with pytest.raises(OSError, match=f"cannot listen on {addresses[1]}:{other}: "):
            await second.start()
        assert not await accepts(other)


async def test_head_is_get_without_content(http: httpx.AsyncClient) -> None:
    for path in ("/healthz", "/openapi.json", "/nothing"):
        got, head = await http.get(path), await http.head(path)
        assert (head.status_code, head.content) == (got.status_code, b"")
        assert head.headers["content-length"] == got.headers["content-length"]
