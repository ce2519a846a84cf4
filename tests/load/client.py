"""A lean SMTP client for load: kept connections, one command at a time as most peers do."""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from collections.abc import Callable, Sequence

WORDS = [
    "bonjour",
    "réunion",
    "projet",
    "budget",
    "livraison",
    "facture",
    "demain",
    "équipe",
    "serveur",
    "client",
    "rapport",
    "semaine",
    "contrat",
    "merci",
    "document",
    "version",
    "question",
    "réponse",
    "planning",
    "validation",
    "dossier",
    "commande",
    "retard",
    "priorité",
    "bureau",
    "adresse",
    "message",
]


SPAM_WORDS = (
    "viagra", "casino", "bonus", "gratuit", "millions", "lottery", "winner", "urgent", "crédit", "argent", "offre",
    "cliquez", "pilule", "miracle", "perdez", "poids", "bitcoin", "héritage", "transfert", "confidentiel", "promotion",
)  # fmt: skip


def a_multipart(
    subject: str, recipient: str, *, size: int = 4096, seed: int = 0, words: Sequence[str] = WORDS
) -> bytes:
    """A multipart/alternative message of about `size` bytes with words that differ from message to message."""
    pick = random.Random(seed)
    boundary = f"=_{uuid.uuid4().hex}"
    head = (
        f"From: Someone <someone@example.net>\r\nTo: <{recipient}>\r\nSubject: {subject}\r\n"
        f"Date: Sun, 22 Nov 2026 10:00:00 +0000\r\nMessage-ID: <{uuid.uuid4().hex}@example.net>\r\n"
        f'MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary="{boundary}"\r\n\r\n'
    )
    plain_head = f"--{boundary}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    html_head = f"--{boundary}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    room = (size - len(head) - len(plain_head) - len(html_head) - 80) // 2
    text = _text(pick, room, words)
    html = f"<html><body><p>{text[: room - 60].rstrip()}</p></body></html>"
    return f"{head}{plain_head}{text}\r\n{html_head}{html}\r\n--{boundary}--\r\n".encode()


def _text(pick: random.Random, room: int, words: Sequence[str]) -> str:
    lines: list[str] = []
    while sum(map(len, lines)) + 2 * len(lines) < room:
        lines.append(" ".join(pick.choices(words, k=9)) + f" {pick.randrange(10**6)}")
    return "\r\n".join(lines)[:room].rstrip()  # never half a line end


class Connection:
    """One SMTP session."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, port: int) -> Connection:
        connection = cls(*await asyncio.open_connection("127.0.0.1", port))
        await connection._reply()
        await connection.command(b"EHLO load.example.net\r\n")
        return connection

    async def command(self, line: bytes) -> bytes:
        self._writer.write(line)
        return await self._reply()

    async def send(self, recipient: str, message: bytes) -> bytes:
        """The reply to DATA; `message` has no line that begins with a dot."""
        for line in (b"MAIL FROM:<someone@example.net>\r\n", f"RCPT TO:<{recipient}>\r\n".encode(), b"DATA\r\n"):
            reply = await self.command(line)
            if reply[:1] not in b"23":
                return reply
        return await self.command(message + b".\r\n")

    async def close(self) -> None:
        self._writer.close()
        await self._writer.wait_closed()

    async def _reply(self) -> bytes:
        while True:
            line = await self._reader.readline()
            if not line:
                raise ConnectionError("the server closed the session")
            if line[3:4] != b"-":
                return line


async def pour(
    port: int, messages: Sequence[tuple[str, bytes]], *, connections: int, taken: Callable[[int, float], None]
) -> int:
    """Send all over so many kept connections; `taken(index, seconds)` with the time of DATA's end. Returns how many.

    Raises `ConnectionError` for a refusal: a figure with refused messages in it would be none.
    """
    left = iter(enumerate(messages))
    accepted = 0

    async def worker() -> None:
        nonlocal accepted
        connection = await Connection.open(port)
        for index, (recipient, message) in left:
            began = time.time()
            reply = await connection.send(recipient, message)
            if not reply.startswith(b"250"):
                raise ConnectionError(f"message {index} was refused: {reply.decode()}")
            accepted += 1
            taken(index, began)
        await connection.close()

    async with asyncio.TaskGroup() as group:
        for _ in range(connections):
            group.create_task(worker())
    return accepted
