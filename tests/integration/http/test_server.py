"""The server over real sockets: what the framework in one process cannot show."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse
from structlog.testing import capture_logs

from libs.http import Server, application, server
from libs.telemetry import Metrics
from tests.servers.tokens import tokens_in

LIMIT = 256 * 1024


class Hand:
    """What a request in hand waits for."""

    def __init__(self) -> None:
        self.taken = asyncio.Event()
        self.free = asyncio.Event()


def a_router(hand: Hand) -> APIRouter:
    router = APIRouter()

    @router.get("/slow")
    async def slow() -> str:
        hand.taken.set()
        await hand.free.wait()
        return "done"

    @router.post("/raw")
    async def raw(request: Request) -> int:
        return len(await request.body())

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
async def running(hand: Hand, port: int, tmp_path: Path) -> AsyncIterator[Server]:
    tokens = tokens_in(tmp_path)
    (tmp_path / "admin").write_text("t")
    routers = [a_router(hand)]
    app = application("x", routers=routers, checks={}, metrics=Metrics(), tokens=tokens, body_limit_bytes=LIMIT)
    running = Server(app, host="127.0.0.1", port=port, grace=timedelta(seconds=5))
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


async def test_a_body_above_the_limit_is_413_and_the_connection_stays_useful(http: httpx.AsyncClient) -> None:
    for content in (endless(), b"x" * (LIMIT + 1)):
        response = await http.post("/raw", content=content)
        assert response.status_code == 413
        assert response.headers["content-type"] == "application/problem+json"
    assert (await http.post("/raw", content=b"x" * LIMIT)).json() == LIMIT


async def test_the_server_does_not_name_its_software(http: httpx.AsyncClient) -> None:
    assert "server" not in (await http.get("/healthz")).headers


async def test_a_head_above_the_limit_is_431(say: Say) -> None:
    size = server.MAX_HEAD_BYTES + 1
    for request in (
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * size,
        b"GET /" + b"a" * size,
        b"GET /healthz HTTP/1.1\r\n" + b"X-One: a\r\n" * (size // 10),
    ):
        answer = await say(request)
        assert answer.startswith(b"HTTP/1.1 431 "), answer[:80]
        assert b"application/problem+json" in answer


async def test_a_large_body_is_no_large_head(http: httpx.AsyncClient) -> None:
    headers = {"X-Large": "a" * (server.MAX_HEAD_BYTES - 2000)}
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
    monkeypatch.setattr(server, "HEAD_SECONDS", 0.1)
    for request in (b"", b"GET /healthz HTTP/1.1\r\nHost: x\r\n"):
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
    assert [line["event"] for line in lines] == ["client_went_away"]


async def test_a_port_that_is_taken_is_one_clear_line(running: Server, port: int) -> None:
    second = Server(running.app, host="127.0.0.1", port=port)
    with pytest.raises(OSError, match=f"^cannot listen on 127.0.0.1:{port}: Address already in use$"):
        await second.start()
    await second.stop()  # harmless
