"""Opens sessions with hosts: connection, greeting, EHLO or HELO, TLS, login."""

from __future__ import annotations

import base64
import ssl
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Literal

from services.relay.adapters.smtp_connection import PeerGone, SmtpClientConnection
from services.relay.domain.reply_lines import RemoteReply
from services.relay.ports import Host

Tls = Literal["none", "opportunistic", "encrypted", "required"]
_SUBMISSIONS = 465  # RFC 8314 3.3: TLS from the first octet


@dataclass(frozen=True, slots=True)
class SmtpClientTimeouts:
    """The time limits of RFC 5321 4.5.3.2, in its order."""

    connection: timedelta = timedelta(seconds=30)
    command: timedelta = timedelta(minutes=5)
    data: timedelta = timedelta(minutes=2)
    final_dot: timedelta = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class SmtpLogin:
    """The login at a smarthost. It is sent over verified TLS only, whatever else is configured."""

    user: str
    password: str


class HostUnavailable(Exception):
    """Raised when the host does not serve us now; another one may."""


@dataclass(slots=True)
class ReadyConnection:
    """A connection that is ready for mail. `extensions` are the keywords of EHLO with their parameters."""

    host: Host
    connection: SmtpClientConnection
    extensions: dict[str, str]

    def offers(self, keyword: str) -> bool:
        return keyword in self.extensions


class Dialer:
    """`hostname` is the name in EHLO. `ca_file` adds trusted authorities to those of the system."""

    def __init__(
        self,
        *,
        hostname: str,
        tls: Tls,
        timeouts: SmtpClientTimeouts,
        login: SmtpLogin | None = None,
        implicit_tls: bool = False,
        ca_file: Path | None = None,
    ) -> None:
        self._hostname = hostname
        self._tls: Tls = "required" if login else tls
        self._login = login
        self._implicit_tls = implicit_tls
        self.timeouts = timeouts
        self.context = _verifying(ca_file) if self._tls == "required" else _any_certificate()

    async def dial(self, host: Host) -> ReadyConnection:
        """Open a session. Raises `HostUnavailable`."""
        try:
            return await self._dialled(host, encrypted=self._tls != "none")
        except PeerGone as error:
            raise HostUnavailable(str(error)) from error

    async def _dialled(self, host: Host, *, encrypted: bool) -> ReadyConnection:
        implicit = encrypted and (self._implicit_tls or host.port == _SUBMISSIONS)
        connection = await SmtpClientConnection.open(
            host.address, host.port, name=host.name, tls=self.context if implicit else None,
            seconds=self.timeouts.connection.total_seconds(),
        )  # fmt: skip
        try:
            line = ReadyConnection(host, connection, await self._greeted(connection))
            if encrypted and not implicit and not await self._encrypt(line):
                connection.abort()
                # RFC 7435 3: where plain text is allowed, broken TLS must not stop the mail.
                return await self._dialled(host, encrypted=False)
            if self._login is not None:
                await self._log_in(line, self._login)
        except BaseException:
            connection.abort()
            raise
        return line

    async def _greeted(self, connection: SmtpClientConnection) -> dict[str, str]:
        greeting = await connection.reply(self.timeouts.command.total_seconds())
        if not greeting.is_positive:
            raise HostUnavailable(_reply_text(greeting))
        return await self._introduce(connection)

    async def _introduce(self, connection: SmtpClientConnection) -> dict[str, str]:
        """Send EHLO, or HELO to a server that does not know EHLO (RFC 5321 3.2)."""
        seconds = self.timeouts.command.total_seconds()
        reply = await connection.command(f"EHLO {self._hostname}", seconds=seconds)
        if reply.is_positive:
            return dict(_keyword(line) for line in reply.lines[1:])
        if reply.code // 100 == 5 and connection.is_open and not connection.is_encrypted:
            reply = await connection.command(f"HELO {self._hostname}", seconds=seconds)
        if not reply.is_positive:
            raise HostUnavailable(_reply_text(reply))
        return {}

    async def _encrypt(self, line: ReadyConnection) -> bool:
        """Start TLS; False when the session must be opened again without it. Raises `HostUnavailable` if that is not
        allowed."""
        must = self._tls in ("encrypted", "required")
        if not line.offers("STARTTLS"):
            if must:
                raise HostUnavailable("the server offers no TLS, without which nothing is sent")
            return True
        seconds = self.timeouts.command.total_seconds()
        try:
            reply = await line.connection.command("STARTTLS", seconds=seconds)
            if not reply.is_positive:
                raise PeerGone(f"TLS refused: {_reply_text(reply)}")
            await line.connection.start_tls(self.context, line.host.name, seconds=seconds)
            line.extensions = await self._introduce(line.connection)  # RFC 3207 4.2: the reply to EHLO in clear is void
        except (PeerGone, HostUnavailable) as error:
            if must:
                raise HostUnavailable(str(error)) from error
            return False
        return True

    async def _log_in(self, line: ReadyConnection, login: SmtpLogin) -> None:
        if not line.connection.is_encrypted:
            raise HostUnavailable("a login leaves over TLS only")
        offered = line.extensions.get("AUTH", "").upper().split()
        if "PLAIN" in offered or "LOGIN" not in offered:
            # RFC 4616 2, RFC 4954 4: with an initial response.
            steps = [f"AUTH PLAIN {_base64(f'{chr(0)}{login.user}{chr(0)}{login.password}')}"]
        else:
            steps = ["AUTH LOGIN", _base64(login.user), _base64(login.password)]
        for step in steps:
            reply = await line.connection.command(step, seconds=self.timeouts.command.total_seconds())
            if reply.code // 100 not in (2, 3):
                raise HostUnavailable(f"the login is refused: {_reply_text(reply)}")
        if not reply.is_positive:
            raise HostUnavailable(f"the login is not answered: {_reply_text(reply)}")


def _keyword(line: str) -> tuple[str, str]:
    """A keyword of EHLO and its parameters (RFC 5321 4.1.1.1); old servers write `AUTH=LOGIN`."""
    word, _, parameters = line.replace("=", " ", 1).partition(" ")
    return word.upper(), parameters


def _reply_text(reply: RemoteReply) -> str:
    return f"{reply.code} {reply.text}" if reply.code else f"not SMTP: {reply.text}"


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode("ascii")


def _verifying(ca_file: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if ca_file is not None:
        context.load_verify_locations(cafile=str(ca_file))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _any_certificate() -> ssl.SSLContext:
    """A context that accepts any certificate (RFC 7435 3): MX names are not authenticated without DANE or MTA-STS."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
