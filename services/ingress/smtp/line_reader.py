"""What the peer sent and nobody took yet: lines and lumps, each with a deadline."""

from __future__ import annotations

import asyncio

# Above it the peer is not read from; TCP makes it wait.
HIGH_WATER = 64 * 1024


class Gone(Exception):
    """The peer closed, or the connection broke."""


class Silent(Exception):
    """The peer did not send in time."""


class LineTooLong(Exception):
    """More octets than a command may have, with or without a line end."""


class NoCommand(Exception):
    """Octets that are no line of text: it ends with a bare LF (RFC 5321 2.3.8), or begins with a control character."""


class Intake:
    """Between the transport, which feeds, and one reader, which takes.

    Deadlines are loop times. One timer serves a whole connection: it fires at the deadline that it was set for and is
    set again if that has moved meanwhile, so that a command costs no timer.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._data = b""
        self._start = 0  # what stands before was taken
        self._waiter: asyncio.Future[None] | None = None
        self._deadline = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._ended = False
        self._transport: asyncio.Transport | None = None
        self._paused = False
        self.arrivals = 0

    # The transport's side

    def attach(self, transport: asyncio.Transport) -> None:
        """The transport to pause; another one after STARTTLS."""
        self._transport = transport
        self._paused = False

    def feed(self, octets: bytes) -> None:
        """The peer sent something."""
        self.arrivals += 1
        self._data = self._data[self._start :] + octets if self._start < len(self._data) else octets
        self._start = 0
        if len(self._data) > HIGH_WATER and not self._paused and self._transport is not None:
            self._transport.pause_reading()
            self._paused = True
        self._wake()

    def end(self) -> None:
        """Nothing more will come."""
        self._ended = True
        self._wake()

    def close(self) -> None:
        """Let go of the timer."""
        self.end()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # The reader's side

    @property
    def pending(self) -> int:
        """Octets that wait."""
        return len(self._data) - self._start

    @property
    def ended(self) -> bool:
        return self._ended

    def peek(self, octets: int) -> bytes:
        """The first of what waits."""
        return self._data[self._start : self._start + octets]

    def discard(self) -> None:
        """Forget what waits: after STARTTLS nothing said before may count (RFC 3207 6)."""
        self._data, self._start = b"", 0

    def give_back(self, octets: bytes) -> None:
        """Octets that were taken and belong to what comes next."""
        self._data, self._start = octets + self._data[self._start :], 0

    def line(self, limit: int) -> bytes | None:
        """The next line without its CR LF; None while it is not whole. Raises `LineTooLong`, `NoCommand`."""
        data, start = self._data, self._start
        end = data.find(b"\n", start, start + limit)
        if end < 0:
            if len(data) - start >= limit:
                raise LineTooLong
            if start < len(data) and data[start] < 32 and data[start] != 13:
                raise NoCommand
            return None
        self._start = end + 1
        if end == start or data[end - 1] != 13:
            raise NoCommand
        return data[start : end - 1]

    def take(self, limit: int | None = None) -> bytes:
        """Everything that waits, or at most `limit` octets of it."""
        if limit is not None and self.pending > limit:
            lump = self._data[self._start : self._start + limit]
            self._start += limit
            return lump
        lump = self._data[self._start :] if self._start else self._data
        self.discard()
        return lump

    async def more(self, deadline: float) -> None:
        """Wait for the peer. Raises `Silent` at `deadline` (loop time), `Gone`."""
        if self._ended:
            raise Gone
        if self._loop.time() >= deadline:  # who floods us would else outrun the timer for ever
            raise Silent
        if self._paused and self._transport is not None:
            self._transport.resume_reading()
            self._paused = False
        self._deadline = deadline
        if self._timer is None or self._timer.when() > deadline:
            self._set_timer()
        self._waiter = self._loop.create_future()
        arrivals = self.arrivals
        try:
            await self._waiter
        finally:
            self._waiter = None
        if self.arrivals == arrivals:
            raise Gone if self._ended else Silent

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(self._deadline, self._ring)

    def _ring(self) -> None:
        self._timer = None
        if self._waiter is None:
            return
        if self._loop.time() >= self._deadline:
            self._wake()
        else:
            self._set_timer()
