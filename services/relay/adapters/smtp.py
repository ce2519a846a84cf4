"""Sends messages to other servers over one connection, and returns a result for each recipient."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence

from libs.envelope import Envelope, Recipient
from services.relay.adapters.smtp_connection import PeerGone
from services.relay.adapters.smtp_dialer import Dialer, HostUnavailable, ReadyConnection
from services.relay.adapters.smtp_transaction import HostLost, SmtpClientTransaction
from services.relay.domain.replies import Outcome, Result, deferred
from services.relay.domain.smtp_payload import split_by_need
from services.relay.ports import Host

KEEP_SECONDS = 20.0
_USES = 100  # messages over one connection: some peers limit them
_QUIT_SECONDS = 5.0
MAX_HOSTS = 10  # in one attempt: an MX list of hundreds must not take hours
MAX_RECIPIENTS = 100  # in a transaction (RFC 5321 4.5.3.1.8: every server accepts as many)


class SmtpSession:
    """Fails deferred: whatever a peer does, there is a result. The owner must call `close` at the end."""

    def __init__(self, dialer: Dialer) -> None:
        self._dialer = dialer
        self._line: ReadyConnection | None = None
        self._uses = 0
        self._used_at = 0.0

    async def send(
        self, hosts: Sequence[Host], envelope: Envelope, recipients: Sequence[Recipient], raw: bytes
    ) -> Mapping[str, Result]:
        """Send to the first host that serves us; one that is lost before the message is sent is skipped."""
        results: dict[str, Result] = {}
        try:
            for group in split_by_need(envelope, recipients):
                for start in range(0, len(group), MAX_RECIPIENTS):
                    results |= await self._sent(hosts, envelope, group[start : start + MAX_RECIPIENTS], raw)
        except BaseException:
            if self._line is not None:
                self._line.connection.abort()  # amid a transaction: unusable for the next message
            raise
        return results

    async def close(self) -> None:
        """Send QUIT, if the peer still listens."""
        line, self._line = self._line, None
        if line is None:
            return
        try:
            if line.connection.is_open:
                await line.connection.command("QUIT", seconds=_QUIT_SECONDS)
        except PeerGone:
            pass  # the session ends either way
        finally:
            line.connection.abort()

    async def _sent(
        self, hosts: Sequence[Host], envelope: Envelope, recipients: Sequence[Recipient], raw: bytes
    ) -> dict[str, Result]:
        results: dict[str, Result] = {}
        lost = deferred("no host")
        for host, kept in self._in_order(hosts):
            left = [recipient for recipient in recipients if recipient.address not in results]
            try:
                line = kept or await self._dialled(host)
                results |= await self._transactions(line, envelope, left, raw)
            except HostUnavailable as error:
                lost = deferred(f"{host.name}: {error}", status="4.4.1", server=host.name)
            except HostLost as error:
                results |= error.results
                lost = deferred(f"{host.name}: {error}", status="4.4.2", server=host.name)
            if len(results) == len(recipients):
                break
        return {r.address: results.get(r.address, lost) for r in recipients}

    def _in_order(self, hosts: Sequence[Host]) -> Iterator[tuple[Host, ReadyConnection | None]]:
        """The kept connection first, then its host again, since the peer may have closed the connection."""
        line = self._line
        if line is not None and line.host in hosts[:MAX_HOSTS] and self._is_fresh(line):
            yield line.host, line
        for host in hosts[:MAX_HOSTS]:
            yield host, None

    def _is_fresh(self, line: ReadyConnection) -> bool:
        return line.connection.is_open and self._uses < _USES and time.monotonic() - self._used_at < KEEP_SECONDS

    async def _dialled(self, host: Host) -> ReadyConnection:
        await self.close()
        self._line = await self._dialer.dial(host)
        self._uses = 0
        return self._line

    async def _transactions(
        self, line: ReadyConnection, envelope: Envelope, recipients: Sequence[Recipient], raw: bytes
    ) -> dict[str, Result]:
        """Send to all recipients; those beyond the limit of a transaction follow in the next (RFC 5321 4.5.3.1.10)."""
        results: dict[str, Result] = {}
        left = list(recipients)
        while left:
            try:
                found, postponed = await SmtpClientTransaction(line, self._dialer.timeouts).run(envelope, left, raw)
            except HostLost as error:
                raise HostLost(str(error), results | error.results) from error
            finally:
                self._uses += 1
                self._used_at = time.monotonic()
            results |= found
            progress = any(result.outcome is not Outcome.DEFERRED for result in found.values())
            if not progress or not line.connection.is_open:
                return results | {r.address: postponed[r.address] for r in left if r.address in postponed}
            left = [recipient for recipient in left if recipient.address in postponed]
        return results


class SmtpTransport:
    """Creates sessions."""

    def __init__(self, dialer: Dialer) -> None:
        self._dialer = dialer

    def session(self) -> SmtpSession:
        """A session that is not connected yet."""
        return SmtpSession(self._dialer)
