"""One HTTP connection with a bound on everything that its peer controls, in size and in time.

The request line and headers are bounded in size and time (RFC 6585 5, RFC 9110 15.5.9), a body in its pace and time, an
answer in the time until the peer takes it. The application never hears of a request that breaks a bound.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from libs.http.connections import Connections
from libs.http.problems import Problem, problem_response

MAX_HEAD_BYTES = 64 * 1024
HEAD_SECONDS = 30.0
# A body keeps a pace: so many octets in each window, and a whole body within the longest time.
BODY_WINDOW_SECONDS = 20.0
BODY_WINDOW_BYTES = 20 * 1024
BODY_SECONDS = 900.0
# A peer that reads no answer.
WRITE_SECONDS = 60.0
# After an answer to a body that was not read, its rest is thrown away for a moment: a close at once would reset the
# connection, and the peer lose the answer (RFC 9112 9.6).
LINGER_SECONDS = 2.0
LINGER_BYTES = 8 * 1024 * 1024


class HttpProtocol(HttpToolsProtocol):
    """uvicorn's protocol, bounded."""

    def __init__(self, *args: Any, connections: Connections, **more: Any) -> None:
        super().__init__(*args, **more)
        self.peer = ""
        # Called before the connection is counted: a handshake was counted in its place.
        self.before: Callable[[], None] | None = None
        self._connections = connections
        self._admitted = False
        self._in_head = True
        self._head_bytes = 0
        self._body_bytes = 0
        self._body_started = 0.0
        self._lingering_bytes: int | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None

    # The connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.peer = self.client[0] if self.client else ""
        if self.before is not None:
            self.before()
        self._admitted = self._connections.admit(self)
        if self._admitted:
            self._expect_head()
        else:
            self._refuse(Problem(503, "too many connections", headers={"Retry-After": "5"}))

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        self._stop_write_timer()
        if self._admitted:
            self._admitted = False
            self._connections.gone(self)
        super().connection_lost(exc)

    def cut(self) -> None:
        """Close at once, without an answer; the connection is not counted any more."""
        self._admitted = False
        self.transport.abort()

    # The request

    def data_received(self, data: bytes) -> None:
        if self._lingering_bytes is not None:
            self._lingering_bytes += len(data)
            if self._lingering_bytes > LINGER_BYTES:
                self.transport.abort()
            return
        if self.transport.is_closing():
            return
        was_in_head = self._in_head
        super().data_received(data)
        if self._timer is None and self._is_idle() and not self.transport.is_closing():
            self._expect_head()  # line ends before a request begin none, and hold the connection just as long
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
        if self.transport.is_closing():
            return
        # RFC 9112 3.2: exactly one Host field, in HTTP/1.1.
        hosts = sum(name == b"host" for name, _ in self.headers)
        if hosts > 1 or (hosts == 0 and self.parser.get_http_version() == "1.1"):
            self._refuse(Problem(400, "a request has one Host field"))
            return
        self._connections.asks(self)
        super().on_headers_complete()
        if self.parser.should_upgrade():
            self.cycle.keep_alive = False  # what follows may be of the other protocol
        self.cycle.transport = _Closing(self)  # type: ignore[assignment]
        self._expect_body()

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        if self.cycle is not None and not self.transport.is_closing():
            super().on_body(body)

    def on_message_complete(self) -> None:
        self._stop_timer()
        if self.cycle is not None and not self.transport.is_closing():
            super().on_message_complete()

    def on_response_complete(self) -> None:
        if not self.pipeline:
            self._connections.waits(self, trusted="caller" in self.cycle.scope.get("state", {}))
        if self._lingering_bytes is None:
            super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        self._refuse(Problem(400, "this is no HTTP request"))

    def _unsupported_upgrade_warning(self) -> None:
        """A request to upgrade is an ordinary one (RFC 9110 7.8): it is answered, and nothing is to be installed."""

    # The answer

    def pause_writing(self) -> None:
        super().pause_writing()
        self._write_timer = self.loop.call_later(WRITE_SECONDS, self._never_read)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stop_write_timer()

    def close_after_answer(self) -> None:
        """Close; the rest of a body that was not read is thrown away before."""
        if not self.cycle.more_body or self.transport.is_closing():
            self.transport.close()
            return
        self._lingering_bytes = 0
        self._stop_timer()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.flow.resume_reading()
        self._timer = self.loop.call_later(LINGER_SECONDS, self.transport.abort)

    # The bounds

    def _expect_head(self) -> None:
        self._in_head, self._head_bytes = True, 0
        self._stop_timer()
        late = Problem(408, f"no whole request within {HEAD_SECONDS:g} s")
        self._timer = self.loop.call_later(HEAD_SECONDS, self._too_slow, late)

    def _expect_body(self) -> None:
        self._body_bytes, self._body_started = 0, self.loop.time()
        self._timer = self.loop.call_later(BODY_WINDOW_SECONDS, self._check_body, 0)

    def _check_body(self, before: int) -> None:
        """A body that we do not read, because the application is busy, is not slow."""
        if self.loop.time() - self._body_started > BODY_SECONDS:
            self._too_slow(Problem(408, f"no whole body within {BODY_SECONDS:g} s"))
        elif self._body_bytes - before < BODY_WINDOW_BYTES and not self.flow.read_paused:
            self._too_slow(
                Problem(408, f"the body is slower than {BODY_WINDOW_BYTES} bytes in {BODY_WINDOW_SECONDS:g} s")
            )
        else:
            self._timer = self.loop.call_later(BODY_WINDOW_SECONDS, self._check_body, self._body_bytes)

    def _too_slow(self, problem: Problem) -> None:
        self._connections.ended("slow", self)
        self._refuse(problem)

    def _never_read(self) -> None:
        self._connections.ended("unread", self)
        self.transport.abort()

    def _is_idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _stop_write_timer(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None

    def _refuse(self, problem: Problem) -> None:
        """Answer instead of the application, and close. Nothing is written into an answer that is under way."""
        if self.transport.is_closing():
            return
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
            response = problem_response(problem)
            headers = b"".join(b"%b: %b\r\n" % header for header in response.raw_headers)
            status = f"HTTP/1.1 {problem.status} {HTTPStatus(problem.status).phrase}\r\n".encode()
            self.transport.write(status + headers + b"connection: close\r\n\r\n" + bytes(response.body))
        if self.cycle is not None:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.transport.close()


class _Closing:
    """The transport of an answer: where uvicorn closes it, the connection decides how."""

    def __init__(self, connection: HttpProtocol) -> None:
        self._connection = connection

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection.transport, name)

    def close(self) -> None:
        self._connection.close_after_answer()
