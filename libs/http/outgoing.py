"""Outgoing HTTP/1.1 connections (RFC 9112) to one server: kept for the next request, every answer bounded in size.

A general client costs more than a millisecond a call. This one writes a request in one piece and leaves the answer to
the parser in C that the server uses too. It knows no redirects, proxies, cookies or compression: services need none.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from httptools import HttpParserError, HttpResponseParser

MAX_HEAD_BYTES = 64 * 1024
MAX_ANSWER_BYTES = 64 * 1024 * 1024  # a message of the largest size that ingress takes
MAX_CONNECTIONS = 100
MAX_IDLE_CONNECTIONS = 20


class ConnectionFailed(Exception):
    """There is no answer, or none that can be used."""


class ConnectError(ConnectionFailed):
    """No connection was made: the request was not sent."""


class Unanswered(ConnectionFailed):
    """The connection was closed before any octet of an answer; `reused` if it had served another request before."""

    def __init__(self, *, reused: bool) -> None:
        super().__init__("closed without an answer")
        self.reused = reused


class MalformedAnswer(ConnectionFailed):
    """The answer is not HTTP, is cut off, or breaks a bound."""


@dataclass(frozen=True, slots=True)
class Request:
    """`target` is the path with its query, in ASCII. `Host` and `Content-Length` are added to `headers`."""

    method: str
    target: str
    headers: Mapping[str, str]
    content: bytes = b""


@dataclass(frozen=True, slots=True)
class Response:
    """A whole answer. Names of `headers` are in lower case."""

    status_code: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def text(self) -> str:
        return self.content.decode("utf-8", "replace")

    @property
    def is_success(self) -> bool:
        return 200 <= self.status_code < 300

    @property
    def is_error(self) -> bool:
        return self.status_code >= 400

    def json(self) -> Any:
        """The content as JSON. Raises `ValueError`."""
        return json.loads(self.content)


class ConnectionPool:
    """The connections to one server. The most recently used one is taken first, so that spare ones expire."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        tls: ssl.SSLContext | None,
        keep_seconds: float,
        max_bytes: int = MAX_ANSWER_BYTES,
    ) -> None:
        self._host = host
        self._port = port
        self._tls = tls
        self._keep_seconds = keep_seconds
        self._max_bytes = max_bytes
        default_port = 443 if tls else 80
        name = f"[{host}]" if ":" in host else host
        self._authority = name if port == default_port else f"{name}:{port}"
        self._idle: list[_Connection] = []
        self._free = asyncio.Semaphore(MAX_CONNECTIONS)
        self._is_closed = False

    async def send(self, request: Request, *, fresh: bool = False) -> Response:
        """Send `request` once, on a kept connection unless it has to be `fresh`. Raises `ConnectionFailed`."""
        async with self._free:
            connection = (None if fresh else self._kept()) or await self._connect()
            try:
                response = await connection.ask(request, self._authority)
            except BaseException:  # also where the caller is cancelled: the answer would reach the next request
                connection.abort()
                raise
            self._keep(connection)
            return response

    def close(self) -> None:
        """Close the idle connections; those in use are closed after their answer."""
        self._is_closed = True
        while self._idle:
            self._idle.pop().close()

    def _kept(self) -> _Connection | None:
        oldest = time.monotonic() - self._keep_seconds
        while self._idle:
            connection = self._idle.pop()
            if connection.is_usable and connection.idle_since >= oldest:
                return connection
            connection.close()
        return None

    def _keep(self, connection: _Connection) -> None:
        if self._is_closed or not connection.is_usable or len(self._idle) >= MAX_IDLE_CONNECTIONS:
            connection.close()
            return
        connection.idle_since = time.monotonic()
        self._idle.append(connection)

    async def _connect(self) -> _Connection:
        loop = asyncio.get_running_loop()
        try:
            _, connection = await loop.create_connection(
                lambda: _Connection(loop, self._max_bytes), self._host, self._port, ssl=self._tls
            )
        except (OSError, ssl.SSLError) as error:
            raise ConnectError(str(error)) from error
        return connection


class _Connection(asyncio.Protocol):
    """One connection with at most one request on its way. The callbacks of the parser are at its end."""

    def __init__(self, loop: asyncio.AbstractEventLoop, max_bytes: int) -> None:
        self.idle_since = 0.0
        self._loop = loop
        self._max_bytes = max_bytes
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[Response] | None = None
        self._parser = HttpResponseParser(self)
        self._requests = 0
        self._is_over = False
        self._start_answer("")

    @property
    def is_usable(self) -> bool:
        """Whether another request can be sent."""
        return not self._is_over and self._transport is not None and not self._transport.is_closing()

    async def ask(self, request: Request, authority: str) -> Response:
        """Send `request` and wait for the answer."""
        assert self._transport is not None
        if not self.is_usable:
            raise Unanswered(reused=self._requests > 0)
        lines = [f"{request.method} {request.target} HTTP/1.1", f"Host: {authority}"]
        lines += [f"{name}: {value}" for name, value in request.headers.items()]
        if request.content or request.method not in ("GET", "HEAD", "DELETE"):
            lines.append(f"Content-Length: {len(request.content)}")
        self._start_answer(request.method)
        self._requests += 1
        self._answer = self._loop.create_future()
        self._transport.write("\r\n".join(lines).encode("ascii") + b"\r\n\r\n" + request.content)
        try:
            return await self._answer
        finally:
            self._answer = None

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        self._is_over = True
        if self._transport is not None:
            self._transport.abort()

    def _start_answer(self, method: str) -> None:
        self._method = method
        self._has_octets = False
        self._is_in_head = True
        self._has_length = False
        self._head_bytes = 0
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []
        self._body_bytes = 0

    def _complete(self) -> None:
        answer, status = self._answer, self._parser.get_status_code()
        if answer is not None and not answer.done():
            answer.set_result(Response(status, self._headers, b"".join(self._body)))

    def _fail(self, error: ConnectionFailed) -> None:
        self.abort()
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's TLS transport is no subclass

    def data_received(self, data: bytes) -> None:
        if self._answer is None or self._answer.done():
            # Octets that no request asked for must never become the answer to the next one.
            self.abort()
            return
        self._has_octets = True
        if self._is_in_head:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except HttpParserError as error:
            self._fail(MalformedAnswer(f"not HTTP: {error!r}"))
            return
        if self._is_in_head and self._head_bytes > MAX_HEAD_BYTES:
            self._fail(MalformedAnswer(f"more than {MAX_HEAD_BYTES} octets of headers"))

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_over = True
        if self._has_octets:
            self._fail(MalformedAnswer("the answer is cut off"))
        else:
            self._fail(Unanswered(reused=self._requests > 1))

    # httptools.HttpResponseParser

    def on_message_begin(self) -> None:
        if self._answer is None or self._answer.done():
            self._is_over = True  # a second answer to one request

    def on_header(self, name: bytes, value: bytes) -> None:
        key = name.decode("latin-1").lower()
        self._has_length = self._has_length or key in ("content-length", "transfer-encoding")
        self._headers[key] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200:
            return
        self._is_in_head = False
        if self._method == "HEAD":
            self._is_over = True  # the parser would wait for the body that the headers describe
            self._complete()
        elif not self._has_length and status not in (204, 304):
            # RFC 9112 6.3: its end would be that of the connection, and a cut could not be told from it.
            self._fail(MalformedAnswer("an answer without a length"))

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        if self._body_bytes > self._max_bytes:
            self._body.clear()
            self._fail(MalformedAnswer(f"more than {self._max_bytes} octets"))
        elif not self._is_over:
            self._body.append(body)

    def on_message_complete(self) -> None:
        if self._parser.get_status_code() < 200:
            self._headers, self._has_length = {}, False  # RFC 9110 15.2: an interim answer
            return
        if not self._parser.should_keep_alive():
            self._is_over = True
        self._complete()
