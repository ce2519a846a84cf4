"""SMTP to other servers by aiosmtplib; connections are kept for the next message to the same host."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

import aiosmtplib

from libs.envelope import Envelope, Recipient
from libs.mail import xtext
from libs.mail.address import needs_smtputf8
from services.relay.domain.replies import Result, deferred, failed, judge
from services.relay.ports import Host

_KEEP_SECONDS = 20.0
_KEEP_MOST = 100
_USES = 100  # messages over one connection, for peers that count


@dataclass(slots=True)
class _Kept:
    client: aiosmtplib.SMTP
    host: Host
    uses: int = 0
    idle_since: float = field(default_factory=time.monotonic)


class SmtpTransport:
    """Fails deferred: whatever a peer does, there is a result for each recipient."""

    def __init__(
        self,
        *,
        hostname: str,
        tls: Literal["none", "opportunistic", "required"],
        connect_timeout: timedelta,
        command_timeout: timedelta,
        login: tuple[str, str] | None = None,
    ) -> None:
        self._hostname = hostname
        self._tls = tls
        self._connect_timeout = connect_timeout.total_seconds()
        self._command_timeout = command_timeout.total_seconds()
        self._login = login
        self._idle: dict[Host, list[_Kept]] = {}

    async def send(
        self, hosts: Sequence[Host], envelope: Envelope, recipients: Sequence[Recipient], raw: bytes
    ) -> Mapping[str, Result]:
        """A host that does not even greet us is passed over for the next one."""
        last = deferred("no host")
        for host in hosts:
            try:
                kept = await self._connected(host)
            except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
                last = _unreached(error, host)
                continue
            return await self._transaction(kept, envelope, recipients, raw)
        return {recipient.address: last for recipient in recipients}

    async def close(self) -> None:
        """QUIT on every kept connection."""
        kept = [one for row in self._idle.values() for one in row]
        self._idle.clear()
        await asyncio.gather(*(_quit(one.client) for one in kept))

    async def _transaction(
        self, kept: _Kept, envelope: Envelope, recipients: Sequence[Recipient], raw: bytes
    ) -> Mapping[str, Result]:
        client, server = kept.client, kept.host.name
        results: dict[str, Result] = {}
        try:
            options = self._mail_options(client, envelope, recipients, raw)
            if options is None:
                return {
                    r.address: failed("5.6.7 peer has no SMTPUTF8", status="5.6.7", server=server) for r in recipients
                }
            await client.mail(envelope.mail_from, options=options, encoding="utf-8")
            for recipient in recipients:
                results[recipient.address] = await self._rcpt(client, recipient, server)
            taken = [address for address, result in results.items() if result.outcome == "sent"]
            if taken:
                response = await client.data(raw, timeout=self._command_timeout)
                results |= {address: judge(response.code, response.message, server=server) for address in taken}
            else:
                await client.rset()
        except aiosmtplib.SMTPResponseException as error:
            results |= _for_open(recipients, results, judge(error.code, error.message, server=server))
            await self._keep_or_quit(kept)
            return results
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
            results |= _for_open(recipients, results, deferred(f"{error!r:.300}", status="4.4.2", server=server))
            client.close()
            return results
        await self._keep_or_quit(kept)
        return results

    async def _rcpt(self, client: aiosmtplib.SMTP, recipient: Recipient, server: str) -> Result:
        options = []
        if client.supports_extension("dsn"):  # RFC 3461 4
            if recipient.notify:
                options.append(f"NOTIFY={','.join(recipient.notify)}")
            if recipient.orcpt:
                options.append(f"ORCPT={xtext.encode_orcpt(recipient.orcpt)}")
        try:
            response = await client.rcpt(recipient.address, options=options, encoding="utf-8")
        except aiosmtplib.SMTPRecipientRefused as error:
            return judge(error.code, error.message, server=server)
        return judge(response.code, response.message, server=server)

    def _mail_options(
        self, client: aiosmtplib.SMTP, envelope: Envelope, recipients: Sequence[Recipient], raw: bytes
    ) -> list[str] | None:
        """ESMTP parameters of MAIL; None when the peer cannot carry the addresses (RFC 6531 3.6)."""
        options = [f"SIZE={len(raw)}"] if client.supports_extension("size") else []
        if client.supports_extension("8bitmime") and not raw.isascii():
            options.append("BODY=8BITMIME")
        if any(needs_smtputf8(address) for address in (envelope.mail_from, *(r.address for r in recipients))):
            if not client.supports_extension("smtputf8"):
                return None
            options.append("SMTPUTF8")
        if client.supports_extension("dsn"):
            options += [f"RET={envelope.ret}"] if envelope.ret else []
            options += [f"ENVID={xtext.encode(envelope.envid)}"] if envelope.envid else []
        return options

    async def _connected(self, host: Host) -> _Kept:
        row = self._idle.get(host, [])
        while row:
            kept = row.pop()
            if await _still_there(kept):
                return kept
        client = await self._connect(host, encrypted=self._tls != "none")
        if self._login is not None:
            await client.login(*self._login)
        return _Kept(client, host)

    async def _connect(self, host: Host, *, encrypted: bool) -> aiosmtplib.SMTP:
        client = aiosmtplib.SMTP(
            hostname=host.address,
            port=host.port,
            local_hostname=self._hostname,
            timeout=self._connect_timeout,
            start_tls=False,
        )
        await client.connect()
        client.timeout = self._command_timeout
        await client.ehlo()
        offered = client.supports_extension("starttls")
        if not offered and self._tls == "required":
            client.close()
            raise aiosmtplib.SMTPConnectError(f"{host.name} offers no TLS")
        if not (offered and encrypted):
            return client
        try:
            await client.starttls(tls_context=_any_certificate(), server_hostname=host.name)
        except (aiosmtplib.SMTPException, OSError):
            client.close()
            if self._tls == "required":
                raise
            # RFC 7435: where plain would do, broken TLS must not stop the mail.
            return await self._connect(host, encrypted=False)
        await client.ehlo()
        return client

    async def _keep_or_quit(self, kept: _Kept) -> None:
        kept.uses += 1
        kept.idle_since = time.monotonic()
        if not kept.client.is_connected:
            kept.client.close()
        elif kept.uses >= _USES or sum(map(len, self._idle.values())) >= _KEEP_MOST:
            await _quit(kept.client)
        else:
            self._idle.setdefault(kept.host, []).append(kept)

    async def drop_idle(self) -> None:
        """End the connections that nobody used for a while."""
        now = time.monotonic()
        for host, row in list(self._idle.items()):
            old = [kept for kept in row if now - kept.idle_since >= _KEEP_SECONDS]
            row[:] = [kept for kept in row if kept not in old]
            if not row:
                del self._idle[host]
            await asyncio.gather(*(_quit(kept.client) for kept in old))


def _any_certificate() -> ssl.SSLContext:
    """Encrypted to whoever answers (RFC 7435): MX names are not authenticated without DANE or MTA-STS."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _unreached(error: Exception, host: Host) -> Result:
    """A greeting of 5xx is about us and the moment, not about the recipient: it is tried again."""
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return deferred(f"{error.code} {error.message}"[:300], status="4.3.2", server=host.name)
    return deferred(f"{host.name}: {error!r:.300}", server=host.name)


def _for_open(recipients: Sequence[Recipient], results: Mapping[str, Result], result: Result) -> dict[str, Result]:
    """The recipients that were not refused one by one share the fate of the transaction."""
    return {r.address: result for r in recipients if r.address not in results or results[r.address].outcome == "sent"}


async def _still_there(kept: _Kept) -> bool:
    """RSET shows whether the peer has closed a connection that we kept."""
    if kept.client.is_connected and time.monotonic() - kept.idle_since < _KEEP_SECONDS:
        try:
            await kept.client.rset(timeout=5)
        except (aiosmtplib.SMTPException, OSError, TimeoutError):
            kept.client.close()
            return False
        return True
    kept.client.close()
    return False


async def _quit(client: aiosmtplib.SMTP) -> None:
    try:
        async with asyncio.timeout(5):
            await client.quit()
    except (aiosmtplib.SMTPException, OSError, TimeoutError):
        client.close()  # it is over either way
