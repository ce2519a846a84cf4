"""Kept connections to a clamd (IDSESSION), each used by one scan at a time.

Plain sockets rather than asyncio's streams: clamd answers that a message is too large and closes while we still send,
and a socket that can no longer be written to can still be read.
"""

from __future__ import annotations

import asyncio
import re
import socket
import time
from collections import deque
from collections.abc import Callable
from datetime import timedelta

from services.antivirus.domain.engine_address import EngineAddress

# clamd closes a session that is silent for CommandReadTimeout (30 s by default).
IDLE_SECONDS = 10.0
_MAX_ANSWER = 16 * 1024
_SMALL = 64 * 1024  # up to here one copy is cheaper than three system calls
_NUMBER = re.compile(rb"\d+: ")  # IDSESSION numbers its answers


class ClamdSessions:
    """At most `limit` connections to one clamd, made when needed."""

    def __init__(self, address: EngineAddress, *, limit: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._address = address
        self._free: deque[tuple[socket.socket, float]] = deque()
        self._places = asyncio.Semaphore(limit)
        self._clock = clock

    async def ask(self, command: bytes, stream: bytes | None, *, deadline: timedelta) -> bytes:
        """The answer to `command`, which is followed by `stream` where there is one, without its number and NUL.

        Raises `OSError` (`TimeoutError` after `deadline`, in which the wait for a place is not counted).
        """
        async with self._places, asyncio.timeout(deadline.total_seconds()):
            if (kept := self._kept()) is not None:
                try:
                    return await self._exchange(kept, command, stream)
                except ConnectionError:
                    pass  # clamd was restarted or has grown tired of the session; scanning twice does no harm
            return await self._exchange(await self._connect(), command, stream)

    def close(self) -> None:
        """Close the kept connections."""
        while self._free:
            self._free.pop()[0].close()

    def _kept(self) -> socket.socket | None:
        """The session that was used last; those that are too old to trust are closed."""
        while self._free and self._clock() - self._free[0][1] > IDLE_SECONDS:
            self._free.popleft()[0].close()
        return self._free.pop()[0] if self._free else None

    async def _connect(self) -> socket.socket:
        """A new session; clamd does not answer to its start."""
        loop, address = asyncio.get_running_loop(), self._address
        family, target = socket.AF_UNIX, address.path
        if not address.path:
            found = await loop.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
            family, target = found[0][0], found[0][4]  # type: ignore[assignment]
        connection = socket.socket(family)
        try:
            connection.setblocking(False)
            if family != socket.AF_UNIX:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await loop.sock_connect(connection, target)
            await loop.sock_sendall(connection, b"zIDSESSION\0")
        except BaseException:
            connection.close()
            raise
        return connection

    async def _exchange(self, connection: socket.socket, command: bytes, stream: bytes | None) -> bytes:
        """One question and its answer; the connection is kept if both went well, closed otherwise."""
        keep = False
        try:
            try:
                await _send(connection, command, stream)
            except ConnectionError:
                return await _receive(connection)  # a stream that is too large: it says so and closes
            answer = await _receive(connection)
            keep = not answer.endswith(b"ERROR")
            return answer
        finally:
            if keep:
                self._free.append((connection, self._clock()))
            else:
                connection.close()


async def _send(connection: socket.socket, command: bytes, stream: bytes | None) -> None:
    """INSTREAM (clamd(8)): chunks of a 4-octet length and their octets, ended by a chunk of none. One chunk will do."""
    loop = asyncio.get_running_loop()
    if stream is None:
        await loop.sock_sendall(connection, command)
        return
    head, end = command + len(stream).to_bytes(4, "big"), b"\0\0\0\0"
    if not stream:
        await loop.sock_sendall(connection, command + end)
    elif len(stream) <= _SMALL:
        await loop.sock_sendall(connection, head + stream + end)
    else:
        for piece in (head, stream, end):
            await loop.sock_sendall(connection, piece)


async def _receive(connection: socket.socket) -> bytes:
    """Up to the NUL. Raises `ConnectionError` when there is none."""
    loop, answer = asyncio.get_running_loop(), b""
    while not answer.endswith(b"\0"):
        piece = await loop.sock_recv(connection, 4096)
        answer += piece
        if not piece or len(answer) > _MAX_ANSWER:
            raise ConnectionResetError("the connection ended without an answer")
    return _NUMBER.sub(b"", answer[:-1], count=1)
