"""The client against neighbours that misbehave."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import BaseModel

from libs.envelope import Permanent, Temporary
from libs.http import Client


class Usage(BaseModel):
    used_bytes: int


def an_answer(status: int, body: bytes = b"{}", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


GOOD = an_answer(200, b'{"used_bytes": 3}')
CLOSES = b""
HANGS = b"hangs"
NO_HTTP = b"220 smtp ready\r\n\r\n"


class Neighbour:
    """Answers each request with the next of `answers`, the last one for ever; writes down what came."""

    def __init__(self) -> None:
        self.answers: list[bytes] = [GOOD]
        self.requests: list[bytes] = []
        self.connections = 0
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                self.requests.append(head)
                answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                if answer == HANGS:
                    await reader.read()
                writer.write(answer)
                if answer in (HANGS, CLOSES, NO_HTTP):
                    break
        except asyncio.IncompleteReadError:
            pass  # the client closed
        finally:
            writer.close()


@pytest.fixture
async def neighbour(free_port: Callable[[], int]) -> AsyncIterator[Neighbour]:
    neighbour = Neighbour()
    server = await asyncio.start_server(neighbour.serve, "127.0.0.1", free_port())
    neighbour.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield neighbour
    server.close()
    await server.wait_closed()


@pytest.fixture
async def client(neighbour: Neighbour) -> AsyncIterator[Client]:
    client = Client(neighbour.url, token=lambda: "service-token", deadline=timedelta(seconds=0.3))
    yield client
    await client.close()


async def test_an_answer_is_read_as_the_model(client: Client, neighbour: Neighbour) -> None:
    assert await client.model(Usage, "GET", "/v1/usage/a@example.org") == Usage(used_bytes=3)
    [request] = neighbour.requests
    assert request.startswith(b"GET /v1/usage/a@example.org HTTP/1.1\r\n")
    assert b"\r\nAuthorization: Bearer service-token\r\n" in request


async def test_connections_are_kept(client: Client, neighbour: Neighbour) -> None:
    for _ in range(5):
        await client.call("POST", "/")
    assert neighbour.connections == 1


TRIES = {
    "GET, the connection closes": ("GET", [CLOSES, GOOD], 2, None),
    "PUT, the connection closes": ("PUT", [CLOSES, GOOD], 2, None),
    "DELETE, a 502": ("DELETE", [an_answer(502), GOOD], 2, None),
    "GET, always closing": ("GET", [CLOSES], 2, Temporary),
    "GET, always a 500": ("GET", [an_answer(500)], 2, Temporary),
    "GET, no HTTP": ("GET", [NO_HTTP], 2, Temporary),
    "GET, too many": ("GET", [an_answer(429), GOOD], 1, Temporary),
    "GET, no answer": ("GET", [HANGS], 1, Temporary),
    "POST, the connection closes": ("POST", [CLOSES, GOOD], 1, Temporary),
    "POST, a 503": ("POST", [an_answer(503), GOOD], 1, Temporary),
    "POST, no answer": ("POST", [HANGS], 1, Temporary),
    "PATCH, a 500": ("PATCH", [an_answer(500), GOOD], 1, Temporary),
}


@pytest.mark.parametrize(("method", "answers", "tries", "outcome"), TRIES.values(), ids=TRIES.keys())
async def test_only_what_is_safe_is_tried_again(
    client: Client, neighbour: Neighbour, method: str, answers: list[bytes], tries: int, outcome: type[Exception] | None
) -> None:
    neighbour.answers = list(answers)
    if outcome is None:
        assert (await client.call(method, "/")).status_code == 200
    else:
        with pytest.raises(outcome):
            await client.call(method, "/")
    assert len(neighbour.requests) == tries


async def test_the_deadline_is_for_the_whole_call_however_slowly_the_answer_drips(
    free_port: Callable[[], int],
) -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while not writer.is_closing():
            writer.write(b" ")
            await asyncio.sleep(0.05)

    port = free_port()
    server = await asyncio.start_server(drip, "127.0.0.1", port)
    client = Client(f"http://127.0.0.1:{port}", token=lambda: "t", deadline=timedelta(seconds=0.3))
    with pytest.raises(Temporary, match=r"no answer within 0\.3 s"):
        await client.call("GET", "/")
    await client.close()
    server.close()


async def test_nobody_there_is_temporary(free_port: Callable[[], int]) -> None:
    client = Client(f"http://127.0.0.1:{free_port()}", token=lambda: "t")
    with pytest.raises(Temporary, match="ConnectError"):
        await client.call("POST", "/v1/sends")
    await client.close()


OURS = ("WWW-Authenticate: Bearer",)
NARROW = ('WWW-Authenticate: Bearer error="insufficient_scope"',)
ANSWERS = {
    "a misfit": (an_answer(200, b'{"used_bytes": "many"}'), Permanent, "does not fit"),
    "no JSON": (an_answer(200, b"<html>"), Permanent, "does not fit"),
    "not found": (an_answer(404), Permanent, "404"),
    "moved": (an_answer(301, b"", "Location: /x"), Permanent, "301"),
    "a conflict": (an_answer(409), Permanent, "409"),
    "a wrong password": (an_answer(401), Permanent, "401"),
    "our token is refused": (an_answer(401, b"{}", *OURS), Temporary, "our token is not accepted"),
    "our role is refused": (an_answer(403, b"{}", *NARROW), Temporary, "our token is not accepted"),
}


@pytest.mark.parametrize(("answer", "outcome", "why"), ANSWERS.values(), ids=ANSWERS.keys())
async def test_a_model_is_had_or_there_is_a_reason(
    client: Client, neighbour: Neighbour, answer: bytes, outcome: type[Exception], why: str
) -> None:
    neighbour.answers = [answer]
    with pytest.raises(outcome, match=why):
        await client.model(Usage, "GET", "/")


async def test_a_4xx_may_be_the_answer(client: Client, neighbour: Neighbour) -> None:
    neighbour.answers = [an_answer(404), an_answer(401)]
    assert (await client.call("GET", "/")).status_code == 404
    assert (await client.call("POST", "/v1/authentications")).status_code == 401


async def test_a_rotated_token_is_used_at_once_and_a_missing_one_is_temporary(
    neighbour: Neighbour, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    client = Client(neighbour.url, token=file.read_text)
    for token in ("first", "second"):
        file.write_text(token)
        await client.call("GET", "/")
        assert f"Bearer {token}\r\n".encode() in neighbour.requests[-1]
    file.unlink()
    with pytest.raises(Temporary, match="our token"):
        await client.call("GET", "/")
    await client.close()


async def test_a_path_that_is_none_is_permanent(client: Client, neighbour: Neighbour) -> None:
    for path in ("/v1/usage/a\r\nX: y", "/v1/usage/" + "a" * 70_000):
        with pytest.raises(Permanent):
            await client.call("GET", path)
    assert neighbour.requests == []
