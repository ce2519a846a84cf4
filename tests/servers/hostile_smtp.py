"""A mail server on loopback that says and does what a test wants, at each place of a session."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self

from tests.servers.ports import free_port

DROP = b"\0drop"  # closes the connection instead of a reply
SILENCE = b"\0silence"  # says nothing
ENDLESS = b"\0endless"  # a reply of lines that never end

_USUAL = {
    "GREETING": b"220 hostile.example ESMTP\r\n",
    "EHLO": b"250-hostile.example\r\n250-SIZE 0\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n",
    "HELO": b"250 hostile.example\r\n",
    "MAIL": b"250 2.1.0 Ok\r\n",
    "RCPT": b"250 2.1.5 Ok\r\n",
    "DATA": b"354 go on\r\n",
    "DOT": b"250 2.0.0 Ok\r\n",
    "RSET": b"250 Ok\r\n",
    "STARTTLS": b"220 go on\r\n",
    "AUTH": b"235 2.7.0 Ok\r\n",
    "QUIT": b"221 bye\r\n",
}


@dataclass
class HostileServer:
    """`says` replaces replies by verb (GREETING, EHLO ... DOT); a list is used up one by one, its last one stays."""

    says: Mapping[str, bytes | list[bytes]] = field(default_factory=dict)
    tls: ssl.SSLContext | None = None
    implicit_tls: bool = False
    host: str = "127.0.0.1"
    pause: float = 0.0  # seconds before each reply
    commands: list[str] = field(default_factory=list)
    messages: list[bytes] = field(default_factory=list)
    connections: int = 0
    open_now: int = 0
    most_open: int = 0
    port: int = 0

    async def __aenter__(self) -> Self:
        self._said = {verb: [*reply] if isinstance(reply, list) else [reply] for verb, reply in self.says.items()}
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = self.port or free_port()
        context = self.tls if self.implicit_tls else None
        self._server = await asyncio.start_server(self._serve, self.host, self.port, ssl=context, limit=2**26)
        return self

    async def __aexit__(self, *error: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def count(self, verb: str) -> int:
        return sum(command.upper().startswith(verb) for command in self.commands)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        self.open_now += 1
        self.most_open = max(self.most_open, self.open_now)
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
                await self._session(reader, writer)
        finally:
            self.open_now -= 1
            self._tasks.discard(task)
            writer.transport.abort()

    async def _session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not await self._say("GREETING", writer):
            return
        while line := await reader.readline():
            command = line.decode("utf-8", "replace").strip()
            self.commands.append(command)
            verb = command.upper().partition(" ")[0]
            reply = await self._say(verb, writer)
            if not reply or verb == "QUIT":
                return
            if verb == "STARTTLS" and self.tls is not None:
                await writer.start_tls(self.tls)
            if verb == "DATA" and reply.startswith(b"3"):
                self.messages.append(await reader.readuntil(b"\r\n.\r\n"))
                if not await self._say("DOT", writer):
                    return

    async def _say(self, verb: str, writer: asyncio.StreamWriter) -> bytes:
        """What was said; empty when the session is over."""
        replies = self._said.get(verb, [_USUAL.get(verb, b"500 5.5.2 what\r\n")])
        reply = replies.pop(0) if len(replies) > 1 else replies[0]
        await asyncio.sleep(self.pause)
        if reply == SILENCE:
            await asyncio.Event().wait()
        if reply == ENDLESS:
            while True:
                writer.write(b"250-and so on\r\n" * 1000)
                await writer.drain()
        if reply != DROP:
            writer.write(reply.removesuffix(DROP))
            await writer.drain()
        return b"" if reply.endswith(DROP) else reply
