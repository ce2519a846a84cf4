"""Runs a mail transaction (RFC 5321 3.3): MAIL, RCPT for each recipient, DATA, the final dot."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from libs.envelope import Envelope, Recipient
from services.relay.adapters.smtp_connection import PeerGone
from services.relay.adapters.smtp_dialer import ReadyConnection, SmtpClientTimeouts
from services.relay.domain.replies import Outcome, Result, deferred, judge
from services.relay.domain.reply_lines import RemoteReply
from services.relay.domain.smtp_payload import Payload, payload_for, rcpt_options

_DOT = re.compile(rb"(?m)^\.")
_SLOWEST_OCTETS_A_SECOND = 10_000
_CLOSING = 421
_TOO_MANY = 452  # RFC 5321 4.5.3.1.10

Results = dict[str, Result]


class HostLost(Exception):
    """Raised when the host is unusable and no message was sent. `results` are final all the same."""

    def __init__(self, reason: str, results: Mapping[str, Result] | None = None) -> None:
        super().__init__(reason)
        self.results = dict(results or {})


class SmtpClientTransaction:
    """A transaction over a connection that is not shared."""

    def __init__(self, line: ReadyConnection, timeouts: SmtpClientTimeouts) -> None:
        self._line = line
        self._connection = line.connection
        self._server = line.host.name
        self._command = timeouts.command.total_seconds()
        self._data = timeouts.data.total_seconds()
        self._final_dot = timeouts.final_dot.total_seconds()
        self._results: Results = {}
        self._postponed: Results = {}

    async def run(self, envelope: Envelope, recipients: Sequence[Recipient], raw: bytes) -> tuple[Results, Results]:
        """Return the results, and the recipients postponed to another transaction. Raises `HostLost`."""
        payload = payload_for(self._line.extensions, envelope, recipients, raw)
        if isinstance(payload, Result):
            return {recipient.address: payload for recipient in recipients}, {}
        try:
            taken = await self._send_envelope(envelope, recipients, payload)
            if taken:
                await self._send_text(taken, payload)
            elif self._connection.is_open:
                await self._connection.command("RSET", seconds=self._command)
        except PeerGone as error:
            raise HostLost(str(error), self._final()) from error
        if any(recipient.address not in self._results | self._postponed for recipient in recipients):
            raise HostLost("421 the server closes the connection", self._final())
        return self._results, self._postponed

    async def _send_envelope(self, envelope: Envelope, recipients: Sequence[Recipient], payload: Payload) -> list[str]:
        """Send MAIL and RCPT, and return the accepted addresses."""
        mail = " ".join((f"MAIL FROM:<{envelope.mail_from}>", *payload.options))
        rcpts = [" ".join((f"RCPT TO:<{r.address}>", *rcpt_options(self._line.extensions, r))) for r in recipients]
        is_pipelined = self._line.offers("PIPELINING")  # RFC 2920 3.1
        if is_pipelined:
            self._connection.write_lines([mail, *rcpts])
        reply = await self._reply(None if is_pipelined else mail)
        refused = None if reply.is_positive else self._result(reply)
        taken: list[str] = []
        for recipient, rcpt in zip(recipients, rcpts, strict=True):
            if refused is not None and not is_pipelined:
                self._results[recipient.address] = refused
                continue
            reply = await self._reply(None if is_pipelined else rcpt)
            self._note(recipient.address, refused or self._result(reply), reply, taken)
        return taken

    def _note(self, address: str, result: Result, reply: RemoteReply, taken: list[str]) -> None:
        if result.outcome is Outcome.SENT:
            taken.append(address)
        elif reply.code == _TOO_MANY and taken:
            self._postponed[address] = result
        else:
            self._results[address] = result

    async def _reply(self, command: str | None) -> RemoteReply:
        """The reply to `command`, or the next one of a group. Earlier replies of a server that closes still count."""
        if command is not None:
            self._connection.write_lines([command])
        reply = await self._connection.reply(self._command)
        if reply.code == _CLOSING or not reply.code:
            self._connection.abort()
            raise PeerGone(f"{reply.code} {reply.text}" if reply.code else f"not SMTP: {reply.text}")
        return reply

    async def _send_text(self, taken: Sequence[str], payload: Payload) -> None:
        reply = await self._connection.command("DATA", seconds=self._data)
        if reply.code == _CLOSING:
            raise PeerGone(f"{reply.code} {reply.text}")
        if reply.code // 100 != 3:
            self._conclude(taken, self._result(reply) if not reply.is_positive else self._unknown("no 354 to DATA"))
            if reply.is_positive:
                self._connection.abort()
            return
        self._conclude(taken, await self._after_dot(payload.raw))

    async def _after_dot(self, raw: bytes) -> Result:
        """Send the text. From here on no other host may be tried: the server may have the message."""
        patience = len(raw) / _SLOWEST_OCTETS_A_SECOND
        octets = _DOT.sub(b"..", raw) if raw.startswith(b".") or b"\n." in raw else raw
        try:
            await self._connection.send(octets + b".\r\n", seconds=self._final_dot + patience)
            reply = await self._connection.reply(self._final_dot + patience)
        except PeerGone as error:
            # RFC 1047: the outcome is unknown, and a duplicate is better than a loss.
            return self._unknown(str(error))
        if not reply.code:
            self._connection.abort()
            return self._unknown(f"not SMTP: {reply.text}")
        return self._result(reply)

    def _conclude(self, taken: Sequence[str], result: Result) -> None:
        self._results |= dict.fromkeys(taken, result)

    def _result(self, reply: RemoteReply) -> Result:
        return judge(reply.code, reply.text, server=self._server, reports_onward=self._line.offers("DSN"))

    def _unknown(self, text: str) -> Result:
        return deferred(f"{self._server}: {text}", status="4.4.2", server=self._server)

    def _final(self) -> Results:
        """The results of an unfinished transaction that are final: refusals."""
        return {address: result for address, result in self._results.items() if result.outcome is Outcome.FAILED}
