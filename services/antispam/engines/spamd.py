"""A client of SpamAssassin's daemon, by the SPAMC protocol (spamd/PROTOCOL in its source), over TCP or a Unix socket.

The protocol has one request per connection. Run spamd with `--max-children` not less than the setting
`engine_connections`: requests beyond the number of its children wait.
"""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta

from libs.envelope import Temporary
from libs.mail.render import received, rendered, repairs
from services.antispam.engines.engine_address import SpamdAddress
from services.antispam.engines.model import EngineResult
from services.antispam.message.mail_view import MailView

_ANSWER_LIMIT = 64 * 1024
_STATUS = re.compile(rb"SPAMD/[0-9.]+ (\d+) ([^\r\n]*)")
_VERDICT = re.compile(rb"(?im)^Spam:[ \t]*\w+[ \t]*;[ \t]*(-?[0-9.]+)[ \t]*/[ \t]*(-?[0-9.]+)")


class Spamd:
    """Asks one spamd for its symbols, with at most `connections` requests at once."""

    def __init__(
        self, address: SpamdAddress, *, hostname: str, connections: int, limit_bytes: int, deadline: timedelta
    ) -> None:
        self.limit_bytes = limit_bytes
        self._address = address
        self._hostname = hostname
        self._free_connections = asyncio.Semaphore(connections)
        self._deadline = deadline.total_seconds()

    async def scan(self, mail: MailView) -> EngineResult:
        """Raises `Temporary`. The deadline includes the wait for a free connection, since the mail waits as well."""
        try:
            async with asyncio.timeout(self._deadline), self._free_connections:
                fields = trace(mail, hostname=self._hostname)
                answer = await self._request(rendered(fields, repairs(mail.headers), mail.raw))
        except TimeoutError:
            raise Temporary(f"spamd: no answer within {self._deadline:g} seconds") from None
        except OSError as error:
            raise Temporary(f"spamd: {error.strerror or error}") from error
        return parse_result(answer)

    async def close(self) -> None:
        """No connection is kept open."""

    async def _request(self, message: bytes) -> bytes:
        address = self._address
        if address.path:
            reader, writer = await asyncio.open_unix_connection(address.path)
        else:
            reader, writer = await asyncio.open_connection(address.host, address.port)
        try:
            writer.write(b"SYMBOLS SPAMC/1.5\r\nContent-length: %d\r\n\r\n" % len(message) + message)
            writer.write_eof()  # spamd reads lines, and would wait for the end of an unfinished one
            await writer.drain()
            return await _read_all(reader)
        finally:
            writer.transport.abort()  # the answer has come, or is too late


async def _read_all(reader: asyncio.StreamReader) -> bytes:
    """Read up to the end of the connection, by which the protocol ends an answer."""
    answer = bytearray()
    while piece := await reader.read(8192):
        answer += piece
        if len(answer) > _ANSWER_LIMIT:
            raise ConnectionResetError("the answer is too long")
    return bytes(answer)


def parse_result(answer: bytes) -> EngineResult:
    """Read the answer to SYMBOLS. Raises `Temporary` for anything else."""
    header, _, body = answer.partition(b"\r\n\r\n")
    status, verdict = _STATUS.match(header), _VERDICT.search(header)
    if status is None or status[1] != b"0" or verdict is None:
        raise Temporary(f"spamd: {header[:200].decode('ascii', 'replace')!r}")
    score, required = float(verdict[1]), float(verdict[2])
    if required <= 0:
        raise Temporary("spamd: its required_score is not above 0")
    symbols = body.decode("ascii", "replace").strip()
    return EngineResult(score, required, tuple(symbols.split(",")) if symbols else ())


def trace(mail: MailView, *, hostname: str) -> bytes:
    """The fields that say how the message came (RFC 5321 4.4): spamd reads them in the message.

    `Return-Path` and this site's own `Received` are written at delivery only; the engine believes the topmost one.
    Empty where no peer is known: then the message says all that can be said.
    """
    envelope = mail.envelope
    if not envelope.peer.address:
        return b""
    if "sender" in mail.unknown:
        return received(envelope, None, hostname=hostname)
    sender = "".join(character if " " < character <= "~" else "?" for character in envelope.mail_from)
    return f"Return-Path: <{sender}>\r\n".encode("ascii") + received(envelope, None, hostname=hostname)
