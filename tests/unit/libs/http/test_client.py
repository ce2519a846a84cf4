"""The requests that the client writes, without a network."""

from __future__ import annotations

from typing import Any

import pytest

from libs.envelope import Permanent
from libs.http.client import Client
from libs.http.outgoing import ConnectionPool, Request, Response


class Recorder(ConnectionPool):
    """Answers 200 and keeps the requests."""

    def __init__(self) -> None:
        self.requests: list[Request] = []

    async def send(self, request: Request, *, fresh: bool = False) -> Response:
        self.requests.append(request)
        return Response(200, {}, b"{}")


def recording(url: str = "http://quota.mail:8006") -> tuple[Client, Recorder]:
    client, recorder = Client(url, token=lambda: "secret"), Recorder()
    client._connections = recorder
    return client, recorder


async def test_a_request_has_the_token_the_query_and_the_body() -> None:
    client, recorder = recording("http://quota.mail:8006/prefix/")
    await client.call("POST", "/v1/sends", params={"from": "", "to": "a+b@c d"}, json={"name": "é"})
    [request] = recorder.requests
    assert request.target == "/prefix/v1/sends?from=&to=a%2Bb%40c+d"
    assert request.content == b'{"name":"\\u00e9"}'
    assert request.headers["Authorization"] == "Bearer secret"
    assert request.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("path", ["v1/usage", "/v1/a b", "/v1/é", "/v1/a\r\nX: y", "/v1/" + "a" * 70_000])
async def test_a_path_that_is_not_percent_encoded_is_refused(path: str) -> None:
    client, recorder = recording()
    with pytest.raises(Permanent, match="no part of a URL"):
        await client.call("GET", path)
    assert recorder.requests == []


async def test_a_header_never_adds_a_line() -> None:
    client, recorder = recording()
    with pytest.raises(Permanent, match="Idempotency-Key"):
        await client.call("POST", "/v1/messages", headers={"Idempotency-Key": "a\r\nX: y"})
    assert recorder.requests == []


@pytest.mark.parametrize("url", ["ftp://quota", "quota:8006", "http://", ""])
def test_an_address_that_is_not_of_http_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="no address of an HTTP server"):
        Client(url, token=lambda: "")


def test_an_answer_reads_by_itself() -> None:
    answer: dict[int, Any] = {status: Response(status, {}, b"\xff") for status in (204, 301, 404)}
    assert [each.is_success for each in answer.values()] == [True, False, False]
    assert [each.is_error for each in answer.values()] == [False, False, True]
    assert answer[404].text == "\N{REPLACEMENT CHARACTER}"
