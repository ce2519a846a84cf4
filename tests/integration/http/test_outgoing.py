"""Connections of the client against answers that break the rules of HTTP, or the bounds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from libs.http import outgoing
from libs.http.client import Client
from libs.http.outgoing import ConnectionFailed, ConnectionPool, MalformedAnswer, Request, Response, Unanswered

GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
GET, HEAD, POST = (Request(method, "/", {}) for method in ("GET", "HEAD", "POST"))


class Server:
    """Writes the next of `answers` for each request; an empty one closes the connection."""

    def __init__(self, *answers: bytes) -> None:
        self.answers = list(answers)
        self.connections = 0
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                answer = self.answers.pop(0)
                writer.write(answer)
                if not answer:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client closed
        finally:
            writer.close()


@asynccontextmanager
async def running(server: Server, *, max_bytes: int = 1000) -> AsyncIterator[ConnectionPool]:
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.port = listener.sockets[0].getsockname()[1]
    pool = ConnectionPool("127.0.0.1", server.port, tls=None, keep_seconds=10, max_bytes=max_bytes)
    yield pool
    pool.close()
    listener.close()


ANSWERS = {
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n",
    "behind an interim answer": b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + GOOD,
    "with a length": GOOD,
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS.keys())
async def test_an_answer_is_read_whole_and_the_connection_is_kept(answer: bytes) -> None:
    server = Server(answer, answer)
    async with running(server) as pool:
        for _ in range(2):
            response = await pool.send(GET)
            assert (response.status_code, response.text) == (200, "ok")
            assert "link" not in response.headers
    assert server.connections == 1


async def test_an_answer_without_content_needs_no_length() -> None:
    server = Server(b"HTTP/1.1 204 No Content\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 70\r\n\r\n", GOOD)
    async with running(server) as pool:
        assert (await pool.send(GET)).content == b""
        assert (await pool.send(HEAD)).headers["content-length"] == "70"
        assert (await pool.send(GET)).content == b"ok"


BROKEN = {
    "cut off": b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok",
    "no length": b"HTTP/1.1 200 OK\r\n\r\nok",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nokk",
    "too long": b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n" + b"x" * 1001,
    "too many headers": b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000,
    "another protocol": b"220 ready\r\n",
}


@pytest.mark.parametrize("answer", BROKEN.values(), ids=BROKEN.keys())
async def test_a_broken_answer_is_an_error_and_its_connection_is_closed(answer: bytes) -> None:
    server = Server(answer, b"", GOOD)
    async with running(server) as pool:
        async with asyncio.timeout(5):
            with pytest.raises((MalformedAnswer, TimeoutError)):
                async with asyncio.timeout(0.2):
                    await pool.send(GET)
        server.answers = [GOOD]
        assert (await pool.send(GET)).content == b"ok"
    assert server.connections == 2


async def test_octets_that_no_request_asked_for_never_answer_the_next_one() -> None:
    server = Server(GOOD + b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison", GOOD)
    async with running(server) as pool:
        assert [(await pool.send(GET)).text for _ in range(2)] == ["ok", "ok"]
    assert server.connections == 2


async def test_the_answer_to_a_cancelled_request_does_not_reach_another_one() -> None:
    server = Server(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nlate", GOOD)
    async with running(server) as pool:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await pool.send(GET)
        assert (await pool.send(GET)).text == "ok"


async def test_an_idle_connection_expires_and_one_that_the_server_ends_is_not_kept() -> None:
    server = Server(GOOD, b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", GOOD, GOOD)
    async with running(server) as pool:
        await pool.send(GET)
        await pool.send(GET)
        assert server.connections == 1
        await pool.send(GET)
        assert server.connections == 2
        pool._keep_seconds = -1.0
        await pool.send(GET)
    assert server.connections == 3


async def test_no_more_connections_than_the_bound_are_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outgoing, "MAX_CONNECTIONS", 2)
    server = Server(*[GOOD] * 10)
    async with running(server) as pool:
        answers = await asyncio.gather(*(pool.send(POST) for _ in range(10)))
    assert [answer.text for answer in answers] == ["ok"] * 10
    assert server.connections <= 2


class StalePool(ConnectionPool):
    """The kept connection turns out to be closed."""

    def __init__(self) -> None:
        self.tries: list[bool] = []

    async def send(self, request: Request, *, fresh: bool = False) -> Response:
        self.tries.append(fresh)
        if not fresh:
            raise Unanswered(reused=True)
        return Response(200, {}, b"ok")


@pytest.mark.parametrize(("headers", "tries"), [({"Idempotency-Key": "k"}, [False, True]), ({}, [False])])
async def test_a_post_on_a_stale_connection_is_repeated_only_with_a_key(
    headers: dict[str, str], tries: list[bool]
) -> None:
    client = Client("http://127.0.0.1:9", token=lambda: "t")
    client._connections = pool = StalePool()
    if headers:
        assert (await client._tried(Request("POST", "/", headers))).text == "ok"
    else:
        with pytest.raises(ConnectionFailed):
            await client._tried(Request("POST", "/", headers))
    assert pool.tries == tries
