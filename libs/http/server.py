"""One HTTP server on a loop that others use too: uvicorn, with the bounds that it lacks."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from http import HTTPStatus

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from libs.http.problems import Problem, problem_response

MAX_HEAD_BYTES = 64 * 1024
HEAD_SECONDS = 30.0
# Longer than clients of ours keep a connection, so that they never send on one that closes.
KEEP_ALIVE_SECONDS = 60


class Server:
    """Serves `app` on `host`:`port`. Whoever runs it owns the signals."""

    def __init__(self, app: FastAPI, *, host: str, port: int, grace: timedelta = timedelta(seconds=5)) -> None:
        self.app = app
        self._address = (host, port)
        config = uvicorn.Config(
            app,
            http=BoundedHead,
            ws="none",
            lifespan="off",
            access_log=False,
            log_config=None,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=int(grace.total_seconds()),
        )
        self._server = _Server(config)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Returns when it answers. Raises `OSError` when the port is taken."""
        host, port = self._address
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            listening = socket.create_server((host, port), family=family, backlog=512)
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
            raise OSError(f"cannot listen on {host}:{port}: {reason}") from error
        self._task = asyncio.create_task(self._server.serve(sockets=[listening]), name=f"http {port}")
        while not self._server.started:
            if self._task.done():
                listening.close()
                self._task.result()
                raise OSError(f"the server on {host}:{port} ended at once")
            await asyncio.sleep(0.005)

    async def stop(self) -> None:
        """End after the requests in hand, at most after the grace."""
        self._server.should_exit = True
        if self._task is not None:
            await self._task


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class BoundedHead(HttpToolsProtocol):
    """Request line and headers are bounded in size and in time (RFC 6585 5, RFC 9110 15.5.9)."""

    _in_head = True
    _head_bytes = 0
    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        was_in_head = self._in_head
        super().data_received(data)
        if not (was_in_head and self._in_head):
            return
        self._head_bytes += len(data)
        if self._head_bytes > MAX_HEAD_BYTES:
            self._refuse(Problem(431, f"the request line and headers are larger than {MAX_HEAD_BYTES} bytes"))

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._expect_head()

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._stop_timer()
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        self._refuse(Problem(400, "this is no HTTP request"))

    def _expect_head(self) -> None:
        self._in_head, self._head_bytes = True, 0
        self._stop_timer()
        late = Problem(408, f"no whole request within {HEAD_SECONDS:g} s")
        self._head_timer = self.loop.call_later(HEAD_SECONDS, self._refuse, late)

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _refuse(self, problem: Problem) -> None:
        """The application never hears of it. Nothing is written into an answer that is under way."""
        if self.transport.is_closing():
            return
        if self.cycle is None or self.cycle.response_complete:
            response = problem_response(problem)
            headers = b"".join(b"%b: %b\r\n" % header for header in response.raw_headers)
            status = f"HTTP/1.1 {problem.status} {HTTPStatus(problem.status).phrase}\r\n".encode()
            self.transport.write(status + headers + b"connection: close\r\n\r\n" + bytes(response.body))
        self.transport.close()
