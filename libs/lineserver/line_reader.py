"""Hands out what the peer sent: lines and blocks of octets, each with a deadline."""

from __future__ import annotations

import asyncio

from libs.lineserver.errors import Disconnected, LineTooLong, MalformedLine, PeerTimeout

# Above it the transport is paused; TCP makes the peer wait.
HIGH_WATER = 64 * 1024
_CR, _SPACE = 13, 32


class LineReader:
    """The buffer between a transport, which feeds it, and one reader.

    Deadlines are loop times. One timer serves a whole connection: it fires at the deadline that it was set for and is
    set again if the deadline has moved meanwhile, so that a command costs no timer.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._data = b""
        self._start = 0  # octets before it were read
        self._waiter: asyncio.Future[None] | None = None
        self._deadline = 0.0
        self._timer: asyncio.Handle | None = None
        self._timer_due = 0.0
        self._ended = False
        self._transport: asyncio.Transport | None = None
        self._paused = False
        self.chunks_received = 0

    # The transport's side

    def attach(self, transport: asyncio.Transport) -> None:
        """Set the transport that is paused above the high-water mark."""
        self._transport = transport

    def feed(self, octets: bytes) -> None:
        """Add octets that the peer sent."""
        self.chunks_received += 1
        self._data = self._data[self._start :] + octets if self._start < len(self._data) else octets
        self._start = 0
        if len(self._data) > HIGH_WATER and not self._paused and self._transport is not None:
            self._transport.pause_reading()
            self._paused = True
        self._wake()

    def resume(self) -> None:
        """Let the peer send again."""
        if self._paused and self._transport is not None:
            self._transport.resume_reading()
            self._paused = False

    def end(self) -> None:
        """Note that nothing more comes: `wait` raises from now on."""
        self._ended = True
        self._wake()

    def close(self) -> None:
        """End, and cancel the timer."""
        self.end()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # The reader's side

    @property
    def pending(self) -> int:
        """The number of octets that were not read yet."""
        return len(self._data) - self._start

    @property
    def ended(self) -> bool:
        return self._ended

    def peek(self, octets: int) -> bytes:
        """Return the first of the pending octets without reading them."""
        return self._data[self._start : self._start + octets]

    def discard(self) -> None:
        """Forget the pending octets."""
        self._data, self._start = b"", 0

    def unread(self, octets: bytes) -> None:
        """Put back octets that were read and belong to what follows."""
        self._data, self._start = octets + self._data[self._start :], 0

    def next_line(self, limit: int) -> bytes | None:
        """Return the next line without its CR LF, None while it is incomplete; `limit` counts the CR LF.

        Raises `LineTooLong`, `MalformedLine`.
        """
        data, start = self._data, self._start
        end = data.find(b"\n", start, start + limit)
        if end < 0:
            if len(data) - start >= limit:
                raise LineTooLong
            if start < len(data) and data[start] < _SPACE and data[start] != _CR:
                raise MalformedLine
            return None
        self._start = end + 1
        if end == start or data[end - 1] != _CR:
            raise MalformedLine
        return data[start : end - 1]

    def read(self, limit: int | None = None) -> bytes:
        """Return the pending octets, at most `limit` of them; empty when there are none."""
        if limit is not None and self.pending > limit:
            block = self._data[self._start : self._start + limit]
            self._start += limit
            return block
        block = self._data[self._start :] if self._start else self._data
        self.discard()
        return block

    async def wait(self, deadline: float) -> None:
        """Wait until the peer sends more. Raises `PeerTimeout` at `deadline` (loop time), `Disconnected`."""
        if self._ended:
            raise Disconnected
        if self._loop.time() >= deadline:  # input at full speed starves the timer
            raise PeerTimeout
        if self._paused:
            self.resume()
        self._deadline = deadline
        if self._timer is None or self._timer_due > deadline:
            self._set_timer()
        self._waiter = self._loop.create_future()
        received = self.chunks_received
        try:
            await self._waiter
        finally:
            self._waiter = None
        if self.chunks_received == received:
            raise Disconnected if self._ended else PeerTimeout

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        # uvloop answers a handle without `when` where the deadline is now.
        self._timer_due = self._deadline
        self._timer = self._loop.call_at(self._deadline, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        if self._waiter is None:
            return
        if self._loop.time() >= self._deadline:
            self._wake()
        else:
            self._set_timer()
